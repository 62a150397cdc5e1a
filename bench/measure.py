"""How figures are taken and shown: commands in turn, their whole process trees, medians, and goals met or missed."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """One figure. `goal`: it should not be above that (None: only told). A missed check fails the run."""

    what: str
    figure: float
    goal: float | None = None
    unit: str = "x"
    note: str = ""
    is_check: bool = False

    @property
    def is_met(self) -> bool:
        return self.goal is None or self.figure <= self.goal

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "met" if self.is_met else "WRONG" if self.is_check else "missed"


@dataclass
class Table:
    """The figures of one group, taken in one run."""

    title: str
    lines: list[Line] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, what: str, figure: float, goal: float | None = None, unit: str = "x", note: str = "") -> None:
        """A figure with its goal."""
        self.lines.append(Line(what, figure, goal, unit, note))

    def check(self, what: str, wrong_count: int, note: str = "") -> None:
        """Something that must be exact: how many places are wrong."""
        self.lines.append(Line(what, wrong_count, 0, "wrong", note, is_check=True))

    def remark(self, text: str) -> None:
        """Something to know beside the figures; said at once, too."""
        self.remarks.append(text)
        say(text)

    @property
    def is_right(self) -> bool:
        return all(line.is_met for line in self.lines if line.is_check)

    def cells(self) -> list[tuple[str, str, str, str, str]]:
        """The rows as text: what, figure, goal, verdict, note."""
        return [
            (line.what, _number(line.figure, line.unit), _goal(line), line.verdict, line.note) for line in self.lines
        ]

    def as_text(self) -> str:
        head = ("", "figure", "goal", "", "")
        rows = [head, *self.cells()]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = [f"\n{self.title}", *(f"  ! {remark}" for remark in self.remarks)]
        for what, figure, goal, verdict, note in rows:
            text = f"  {what:{widths[0]}}  {figure:>{widths[1]}}  {goal:>{widths[2]}}  {verdict:{widths[3]}}  {note}"
            lines.append(text.rstrip())
        return "\n".join(lines)

    def as_markdown(self) -> str:
        lines = [f"### {self.title}", "", *(f"{remark}\n" for remark in self.remarks)]
        lines += ["| | figure | goal | | |", "|---|---:|---:|---|---|"]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in self.cells()]
        return "\n".join(lines) + "\n"


def _number(figure: float, unit: str) -> str:
    if unit == "wrong":
        return "exact" if figure == 0 else f"{figure:,.0f} wrong"
    digits = 2 if abs(figure) < 10 else 1 if abs(figure) < 100 else 0
    return f"{figure:,.{digits}f}{'' if unit == 'x' else ' '}{unit}"


def _goal(line: Line) -> str:
    if line.goal is None:
        return ""
    return "exact" if line.unit == "wrong" else f"≤ {line.goal:g}{'' if line.unit == 'x' else ' '}{line.unit}"


@dataclass(frozen=True)
class Run:
    """One run of a command: its time, the CPU of its whole process tree, the peak of its largest process."""

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Command:
    """Something to run as a whole process. `reset` puts everything back before each run, untimed."""

    name: str
    arguments: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    reset: Callable[[], None] | None = None
    output: Path | None = None


def run(command: Command) -> Run:
    """Run it once. Raises RuntimeError when it fails: a figure of a failed command would be a lie."""
    if command.reset is not None:
        command.reset()
    target = open(command.output, "wb") if command.output else subprocess.DEVNULL  # noqa: SIM115 - closed below
    try:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command.arguments],
            env={**os.environ, **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=target,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        complaint = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    finally:
        if command.output:
            target.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(
            f"{command.name} ended with {process.returncode}: {complaint.decode(errors='replace')[-2000:]}"
        )
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def in_turn(commands: Sequence[Command], turns: int) -> dict[str, Run]:
    """Median run of each command; they take turns, so that a busy moment of the machine hits all alike."""
    runs: dict[str, list[Run]] = {command.name: [] for command in commands}
    for turn in range(turns + 1):  # the first turn only warms up
        for command in commands:
            one = run(command)
            if turn:
                runs[command.name].append(one)
    return {name: _median(several) for name, several in runs.items()}


def _median(runs: Sequence[Run]) -> Run:
    return Run(
        statistics.median(one.wall_seconds for one in runs),
        statistics.median(one.cpu_seconds for one in runs),
        statistics.median(one.peak_mb for one in runs),
    )


def calls_in_turn(calls: Mapping[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Median seconds of functions that take turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(turns + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if turn:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(several) for name, several in times.items()}


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)
