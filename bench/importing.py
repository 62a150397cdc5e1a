"""Importing transcripts: against ccusage and grep, again with nothing new, after growing, on both databases; exact?"""

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from bench import places, truth
from bench.measure import Command, Run, Table, calls_in_turn, in_turn
from bench.places import Home
from meter.prices import price_book
from meter.sync import Syncer
from models.bulk import open_store

TURNS = 7
GROWN_FILES = 40
MANY_FILES = 10_000
GREP_NEEDLE = '"output_tokens":'
DATABASES = ("sqlite", "postgresql")


def tables(size_bytes: int, scratch: Path) -> Iterator[Table]:
    """The tables of this group, one after another."""
    yield _cold(size_bytes, scratch)
    yield exactness(size_bytes, scratch)
    yield _again(scratch)


def _cold(size_bytes: int, scratch: Path) -> Table:
    """Into a migrated but empty database, as whole processes that take turns."""
    table = Table(f"Cold import of {size_bytes / 1e6:,.0f} MB of transcripts")
    folder = places.kept_corpus(size_bytes)
    rival = places.ccusage(table)
    with _homes(table, scratch) as homes:
        commands = [_emptied(home, home.command(kind, "sync", "--root", folder)) for kind, home in homes.items()]
        if rival:
            arguments = [rival, "claude", "daily", "--offline", "--json", "--timezone", "UTC"]
            environment = {"CLAUDE_CONFIG_DIR": str(folder)}
            commands.append(Command("ccusage", arguments, environment, output=scratch / "ccusage.json"))
        # into a file: grep stops at the first hit when its output is /dev/null
        arguments = ["grep", "-rcF", GREP_NEEDLE, folder / "projects"]
        commands.append(Command("grep", arguments, {"LC_ALL": "C"}, output=scratch / "grep.txt"))
        runs = in_turn(commands, TURNS)
    ours, grep = runs["sqlite"], runs["grep"]
    if rival:
        against = runs["ccusage"]
        table.add(
            "time, against ccusage", ours.wall_seconds / against.wall_seconds, 0.9, note=_seconds("wall", ours, against)
        )
        table.add(
            "CPU, against ccusage", ours.cpu_seconds / against.cpu_seconds, 0.75, note=_seconds("cpu", ours, against)
        )
        table.add("peak memory, against ccusage", ours.peak_mb / against.peak_mb, 0.7, note=f"{against.peak_mb:.0f} MB")
    table.add("peak memory of the largest process", ours.peak_mb, 150, "MB")
    table.add(
        "CPU, against grep of the same files", ours.cpu_seconds / grep.cpu_seconds, 5, note=_seconds("cpu", ours, grep)
    )
    if "postgresql" in runs:
        other = runs["postgresql"]
        ratio = other.wall_seconds / ours.wall_seconds
        table.add("time on PostgreSQL, against SQLite", ratio, 1.6, note=_seconds("wall", other, ours))
        table.add("peak memory on PostgreSQL", other.peak_mb, 150, "MB")
    return table


def exactness(size_bytes: int, scratch: Path) -> Table:
    """Every cell of the truth after an import, after growth, and the sums against the calls."""
    table = Table(f"Exactness over {size_bytes / 1e6:,.0f} MB")
    with _homes(table, scratch) as homes:
        folder = scratch / "corpus"
        places.make_corpus(folder, size_bytes)
        steps = ("after the import", f"after {GROWN_FILES} files grew")
        for step in steps:
            if step == steps[1]:
                places.grow_corpus(folder, GROWN_FILES)
            for kind, home in homes.items():
                home.ask("sync", "--root", folder)
                note = f"{truth.cell_count(folder)} cells"
                table.check(f"{kind}: truth {step}", len(truth.wrong_places(home.url, folder)), note)
        for kind, home in homes.items():
            answer = home.ask("verify")
            table.check(f"{kind}: sums against calls", _whole(answer["differences"]), f"{answer['checked']} sums")
        shutil.rmtree(folder)
    return table


def _again(scratch: Path) -> Table:
    """A sync of many files of which none, or one, has news; within one process, as the live loop does it."""
    table = Table(f"Again, over {MANY_FILES:,} files")
    folder = scratch / "many"
    paths = _many_files(folder)
    with places.home("sqlite", scratch) as home:
        store = open_store(home.url)
        syncer = Syncer(store, 1, [folder / "projects"], price_book(store), may_fork=False)
        syncer.run()
        grown = paths[MANY_FILES // 2]

        def afresh() -> None:
            syncer.forget()
            syncer.run()

        def after_growth() -> None:
            with grown.open("ab") as file:
                file.write(_line(grown.stem, 7))
            syncer.run()

        calls = {
            "stat": lambda: [os.stat(path) for path in paths],
            "nothing": syncer.run,
            "afresh": afresh,
            "grown": after_growth,
        }
        seconds = calls_in_turn(calls, 15)
        store.close()
        again = home.command("nothing", "sync", "--root", folder)
        one = replace(home.command("grown", "sync", "--root", folder), reset=lambda: _append(grown))
        runs = in_turn([again, one], TURNS)
    shutil.rmtree(folder)

    def note(name: str, other: str) -> str:
        return f"{seconds[name] * 1e3:.1f} ms against {seconds[other] * 1e3:.1f} ms"

    table.add(
        "nothing new, against os.stat of each", seconds["nothing"] / seconds["stat"], 2, note=note("nothing", "stat")
    )
    table.add(
        "the same, states read from the database", seconds["afresh"] / seconds["stat"], 2, note=note("afresh", "stat")
    )
    table.add(
        "one file grown, against nothing new", seconds["grown"] / seconds["nothing"], 1, note=note("grown", "nothing")
    )
    ratio = runs["grown"].wall_seconds / runs["nothing"].wall_seconds
    table.add("the same as whole processes", ratio, 1, note=_seconds("wall", runs["grown"], runs["nothing"]))
    return table


def _many_files(folder: Path) -> list[Path]:
    """Small transcripts in a hundred projects."""
    paths = []
    for number in range(MANY_FILES):
        path = folder / "projects" / f"project-{number % 100}" / f"{number:08d}-0000-4000-8000-000000000000.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_line(path.stem, 1) + _line(path.stem, 2))
        paths.append(path)
    return paths


_line_numbers = iter(range(1 << 40))


def _line(session_id: str, output_tokens: int) -> bytes:
    """An answer that was not there before."""
    id_ = f"msg_01{next(_line_numbers) * 7919 + 10**12:x}AbCdEfGh{os.getpid():x}"
    counts = '"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":9'
    usage = f'{{{counts},"output_tokens":{output_tokens}}}'
    message = (
        f'{{"model":"claude-sonnet-4-5-20250929","id":"{id_}","type":"message","role":"assistant","usage":{usage}}}'
    )
    head = f'{{"sessionId":"{session_id}","cwd":"/src","version":"2.1.219","type":"assistant"'
    return f'{head},"message":{message},"timestamp":"2026-06-01T10:00:00.000Z"}}\n'.encode()


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(_line(path.stem, 9))


@contextmanager
def _homes(table: Table, scratch: Path) -> Iterator[dict[str, Home]]:
    """The installations to measure: always SQLite, PostgreSQL when its server answers."""
    kinds = DATABASES if places.has_postgres(table) else DATABASES[:1]
    with ExitStack() as stack:
        yield {kind: stack.enter_context(places.home(kind, scratch)) for kind in kinds}


def _emptied(home: Home, command: Command) -> Command:
    return replace(command, reset=home.clear)


def _seconds(kind: str, ours: Run, other: Run) -> str:
    name = f"{kind}_seconds"
    return f"{getattr(ours, name):.2f} s against {getattr(other, name):.2f} s"


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def machine() -> str:
    """What the figures were taken on."""
    system = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return f"{system}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
