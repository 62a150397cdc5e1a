"""Transcripts of any size, made up but shaped like real ones, and the exact truth about them.

Same size and seed, same bytes. `truth.json` beside `projects/` holds one cell per day, model and project with what an
importer must find there. What makes counting hard is in it: answers streamed as several lines that grow, sessions that
are forked, subagents seen twice, errors that are no calls, damaged and unfinished lines, lines of old versions.
"""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

FIELDS = ("messages", "input", "output", "cache_read", "cache_5m", "cache_1h", "web_search", "cost_nano")
# nano-USD a token: input, output, cache read, 5-minute write, 1-hour write
PRICES = {
    "claude-opus-4-5-20251101": (5000, 25000, 500, 6250, 10000),
    "claude-sonnet-4-5-20250929": (3000, 15000, 300, 3750, 6000),
    "claude-haiku-4-5-20251001": (1000, 5000, 100, 1250, 2000),
}
WEB_SEARCH_NANO = 10_000_000
TOOLS = ("Read", "Bash", "Edit", "Grep", "Write", "Glob", "Task", "mcp__tracker__get_issue")
LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
WORDS = (
    "import",
    "class",
    "return",
    '{"usage":',
    "[1, 2]}",
    "café",
    "日本",
    '"input_tokens"',
    "\\",
    "<b>x</b>",
    "the",
    "error",
)
PROJECTS, DAYS, DAY_MS = 25, 90, 86_400_000
END_DAY = 20_634  # 2026-06-30, in days since 1970
SESSION_BYTES = 600_000  # on average

Lines = list[str]


class Truth:
    """What is to be found: the cells, and the uses of each tool."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str, str], list[int]] = {}
        self.tools: Counter[str] = Counter()

    def add(self, day: str, llm_model: str, project: str, tokens: tuple[int, ...], searches: int) -> None:
        cost = (
            sum(count * price for count, price in zip(tokens, PRICES[llm_model], strict=True))
            + searches * WEB_SEARCH_NANO
        )
        cell = self.cells.setdefault((day, llm_model, project), [0] * len(FIELDS))
        for place, value in enumerate((1, *tokens, searches, cost)):
            cell[place] += value

    def write(self, folder: Path) -> None:
        cells = [[*key, *cell] for key, cell in sorted(self.cells.items())]
        truth = {"fields": FIELDS, "cells": cells, "by_tool": dict(sorted(self.tools.items()))}
        (folder / "truth.json").write_text(json.dumps(truth))

    @classmethod
    def read(cls, folder: Path) -> "Truth":
        stored, truth = json.loads((folder / "truth.json").read_text()), cls()
        truth.cells = {tuple(cell[:3]): cell[3:] for cell in stored["cells"]}
        truth.tools = Counter(stored["by_tool"])
        return truth


class Session:
    """A conversation in the making: `lines` are what its file says so far."""

    def __init__(
        self, random: Random, truth: Truth, project: str, at_ms: int, agent_id: str = "", parent: str = ""
    ) -> None:
        self.random, self.truth, self.project, self.at_ms, self.agent_id = random, truth, project, at_ms, agent_id
        self.session_id = parent or str(uuid.UUID(int=random.getrandbits(128), version=4))
        self.llm_model = random.choice(tuple(PRICES))
        self.is_old = random.random() < 0.25  # before writes were split by their time to live
        self.lines: Lines = []
        self.bytes = 0
        self.context_tokens = random.randint(12_000, 40_000)

    def say(self, kind: str, **facts: object) -> str:
        """Add a line; returns it."""
        line = {
            "isSidechain": bool(self.agent_id),
            "cwd": f"/home/ada/src/{self.project}",
            "sessionId": self.session_id,
        }
        line |= {"version": "1.0.51" if self.is_old else "2.1.219", "gitBranch": "main", "type": kind, **facts}
        if self.agent_id:
            line["agentId"] = self.agent_id
        text = json.dumps(
            {**line, "uuid": self._id("u", 20), "timestamp": self._stamp()}, ensure_ascii=False, separators=(",", ":")
        )
        self.lines.append(text)
        self.bytes += len(text) + 1
        return text

    def call(self) -> str:
        """An answer in one to four lines and the results of its tools; the last line of the answer."""
        random = self.random
        self.at_ms += random.randint(2_000, 25_000)
        if self.at_ms % DAY_MS > DAY_MS - 60_000:
            self.at_ms += 60_000  # all lines of an answer on one day, as the truth counts it
        message_id, request_id = self._id("msg_01", 22), self._id("req_01", 22)
        blocks, used = self._blocks()
        output, written = max(9, sum(map(len, map(str, blocks))) // 4), random.randint(40, 6_000)
        one_hour = 0 if self.is_old or random.random() < 0.6 else written
        tokens = (random.randint(1, 12), output, self.context_tokens, written - one_hour, one_hour)
        searches = int(random.random() < 0.01)
        self.truth.add(self._stamp()[:10], self.llm_model, self.project, tokens, searches)
        last = ""
        for place, block in enumerate(blocks):
            is_last = place == len(blocks) - 1
            so_far = output if is_last else min(output, random.randint(1, 8))
            message = {
                "model": self.llm_model,
                "id": message_id,
                "type": "message",
                "role": "assistant",
                "content": [block],
            }
            message |= {
                "stop_reason": "tool_use" if is_last and used else None,
                "usage": self._usage(tokens, so_far, searches),
            }
            last = self.say("assistant", message=message, requestId=request_id)
            self.at_ms += random.randint(50, 3_000)
        for tool_id, name in used:
            self.truth.tools[name] += 1
            text = self._text(self._payload())
            content = [{"tool_use_id": tool_id, "type": "tool_result", "content": text}]
            outcome: dict[str, object] = {"stdout": text, "stderr": "", "interrupted": False}
            if name == "Task":  # a usage that is not this line's
                outcome = {"status": "completed", "usage": self._usage(tokens, output, 0), "content": text}
            self.say("user", message={"role": "user", "content": content}, toolUseResult=outcome)
        grown = self.context_tokens + written + output
        self.context_tokens = grown if grown < 160_000 else 20_000
        return last

    def oddity(self) -> None:
        """A line that is no call, or no line."""
        kind = self.random.random()
        if kind < 0.4:
            zero = {
                "input_tokens": 0,
                "output_tokens": 0,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
            }
            message = {
                "id": self._id("e", 9),
                "model": "<synthetic>",
                "role": "assistant",
                "usage": zero,
                "content": [],
            }
            self.say("assistant", message=message, isApiErrorMessage=True)
        elif kind < 0.95:
            self.say("system", subtype="turn_duration", durationMs=self.random.randint(900, 90_000))
        else:
            self.lines.append('{"type":"assistant","message":{"id":"msg_broken","usage":{"input_tokens":5,"outp')

    def _blocks(self) -> tuple[list[dict[str, object]], list[tuple[str, str]]]:
        random, blocks, used = self.random, [], []
        if random.random() < 0.8:
            blocks.append({"type": "text", "text": self._text(random.randint(40, 1_800))})
        for _ in range(random.choices((0, 1, 2), (20, 65, 15))[0]):
            used.append((self._id("toolu_01", 22), random.choice(TOOLS)))
            arguments = {"file_path": "/x", "text": self._text(random.randint(30, 3_000))}
            blocks.append({"type": "tool_use", "id": used[-1][0], "name": used[-1][1], "input": arguments})
        return blocks or [{"type": "text", "text": "Done."}], used

    def _usage(self, tokens: tuple[int, ...], output: int, searches: int) -> dict[str, object]:
        usage: dict[str, object] = {"input_tokens": tokens[0], "cache_creation_input_tokens": tokens[3] + tokens[4]}
        usage["cache_read_input_tokens"] = tokens[2]
        if searches:
            usage["server_tool_use"] = {"web_search_requests": searches}
        if not self.is_old:
            usage["cache_creation"] = {"ephemeral_5m_input_tokens": tokens[3], "ephemeral_1h_input_tokens": tokens[4]}
        return usage | {"output_tokens": output, "service_tier": "standard"}

    def _payload(self) -> int:
        if self.random.random() < 0.012:
            return self.random.randint(50_000, 400_000)
        return int(min(40_000, self.random.lognormvariate(7.0, 1.35)))

    def _text(self, length: int) -> str:
        words = self.random.choices(WORDS, k=40)
        block = " ".join(words) + "\n"
        return (block * (length // len(block) + 1))[:length]

    def _id(self, prefix: str, length: int) -> str:
        return prefix + "".join(self.random.choices(LETTERS, k=length))

    def _stamp(self) -> str:
        at = datetime.fromtimestamp(self.at_ms / 1000, UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{self.at_ms % 1000:03d}Z"


def make(folder: Path, size_bytes: int, seed: int = 1) -> None:
    """Write about that many bytes of transcripts below `folder` / projects, and the truth."""
    random, truth = Random(seed), Truth()
    left = size_bytes
    while left > 0:
        project = f"project-{min(PROJECTS, int(random.paretovariate(0.7)))}"
        day = END_DAY - random.randrange(DAYS)
        session = Session(random, truth, project, day * DAY_MS + random.randint(6, 20) * 3_600_000)
        budget = min(left, int(SESSION_BYTES * random.lognormvariate(-0.5, 1.0)))
        files = dict(_converse(session, budget))
        for name, lines in files.items():
            left -= _write(folder / "projects" / project / name, lines, is_cut=random.random() < 0.015)
    truth.write(folder)


def _converse(session: Session, budget: int) -> Iterator[tuple[str, Lines]]:
    """The files of a session: its own, its subagents', and sometimes a fork's."""
    random, name = session.random, session.session_id
    spent = 0
    session.say("user", message={"role": "user", "content": "Please do."})
    while session.bytes + spent < budget:
        session.call()
        if random.random() < 0.05:
            session.oddity()
        if random.random() < 0.02 and budget > 60_000:
            agent = Session(
                random, session.truth, session.project, session.at_ms, f"{random.getrandbits(32):08x}", name
            )
            while agent.bytes < 40_000:
                last = agent.call()
            if session.is_old:
                session.say("progress", data={"type": "agent_progress", "message": json.loads(last)})
            spent += agent.bytes
            yield f"{name}/subagents/agent-{agent.agent_id}.jsonl", agent.lines
    yield f"{name}.jsonl", session.lines
    if random.random() < 0.05:
        fork = Session(random, session.truth, session.project, session.at_ms)
        repeated = session.lines[: random.randint(1, len(session.lines))]
        fork.lines = [line.replace(name, fork.session_id) for line in repeated]
        fork.call()
        yield f"{fork.session_id}.jsonl", fork.lines


def _write(path: Path, lines: Lines, *, is_cut: bool) -> int:
    """Write a file; `is_cut`: its last line is still being written. How many bytes it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = '{"type":"assistant","message":{"id":"msg_cut","usage":{"input_tokens":7' if is_cut else ""
    return path.write_bytes(("\n".join(lines) + "\n" + unfinished).encode())


def grow(folder: Path, files: int, seed: int = 2) -> list[Path]:
    """Add three answers to each of some session files that end in a whole line, and to the truth; the files."""
    random, truth = Random(seed), Truth.read(folder)
    whole = [path for path in sorted(folder.glob("projects/*/*.jsonl")) if path.read_bytes().endswith(b"\n")]
    chosen = random.sample(whole, min(files, len(whole)))
    for path in chosen:
        session = Session(random, truth, path.parent.name, END_DAY * DAY_MS + 43_200_000, parent=path.stem)
        for _ in range(3):
            session.call()
        with path.open("ab") as file:
            file.write(("\n".join(session.lines) + "\n").encode())
    truth.write(folder)
    return chosen
