"""Claude Code's transcripts: lines of JSON below `projects/`, read from where the last reading stopped.

Only lines that carry usage are decoded, typed, with the few fields that are needed; a line the typed decoder refuses
goes through the patient one in `claude_code_lines.py`. What the lines mean is said in docs/counting.md.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meter.logs.claude_code_lines import PatientLine, decode_line, decode_patiently
from meter.logs.drafts import TOOL_ID_TAIL, TOOL_NAME_MAX, CallDraft, call_key, storable
from meter.logs.folders import Problem, transcript_roots, walk
from meter.logs.times import INSTANT_MIN_MS, latest_ms, millis

AGENT = "claude-code"
SYNTHETIC = "<synthetic>"  # local error texts, no call
STANDARD = "standard"  # of speed and service tier: the same as saying nothing
NEEDLE = b'"input_tokens":'  # in every usage object, first in it, and never unescaped inside quoted text
HEAD_BYTES = 1024
NO_GEO = "not_available"
TEXTS_KEPT = 10_000
CHUNK_BYTES = 256 << 10
LINE_BYTES_MAX = 10 << 20
COUNT_MAX = 1_000_000_000


@dataclass(slots=True)
class FileState:
    """What is remembered of a transcript: see models/sync.py FileCursor."""

    path: str
    size_bytes: int = 0
    modified_ns: int = 0
    inode: int = 0
    offset_bytes: int = 0
    head_hash: str = ""
    lines_skipped: int = 0


@dataclass(slots=True)
class Reading:
    """What some files said: drafts merged by key, the files' new states, what was skipped."""

    calls: dict[str, CallDraft] = field(default_factory=dict)
    states: list[FileState] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    lines_skipped: int = 0
    bytes_read: int = 0


class Reader:
    """Reads transcripts into one `Reading`; one reader per process, its buffer is reused for all files."""

    def __init__(self, machine_key: str) -> None:
        self.machine_key = machine_key
        self.reading = Reading()
        self._calls = self.reading.calls
        self._texts = _Texts()
        self._latest_ms = latest_ms()
        self._buffer = bytearray(CHUNK_BYTES)
        self._path = ""
        self._project_key = ""
        self._line = 0

    def take(self) -> Reading:
        """The reading so far; the reader starts a new one."""
        done, self.reading = self.reading, Reading()
        self._calls = self.reading.calls
        return done

    def read_file(self, path: str, project_key: str, before: FileState | None) -> None:
        """Read what is new in one file. Whatever goes wrong becomes a problem of this file alone."""
        self._path, self._project_key, self._line = path, project_key, 0
        self._latest_ms = latest_ms()
        try:
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            self._problem(0, error.strerror or str(error))
            return
        try:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                self._problem(0, "not a regular file")
                return
            state = self._start(handle, facts, before)
            begun_at, known = state.offset_bytes, len(self.reading.problems)
            self._read_lines(handle, state)
            if begun_at and len(self.reading.problems) > known:
                lines_before = _count_lines(handle, begun_at)
                for problem in self.reading.problems[known:]:
                    problem.line += lines_before
            state.head_hash = _head_hash(handle, state.offset_bytes)
            self.reading.states.append(state)
        except OSError as error:
            self._problem(0, error.strerror or str(error))
        finally:
            os.close(handle)

    def _start(self, handle: int, facts: os.stat_result, before: FileState | None) -> FileState:
        """Where to begin: at the remembered offset if the file only grew, else at 0 (merging absorbs repeats)."""
        state = FileState(self._path, facts.st_size, facts.st_mtime_ns, facts.st_ino)
        grew = before is not None and facts.st_size > before.size_bytes
        if before and grew and before.head_hash == _head_hash(handle, before.offset_bytes):
            state.offset_bytes, state.lines_skipped = before.offset_bytes, before.lines_skipped
        return state

    def _read_lines(self, handle: int, state: FileState) -> None:
        """Feed complete lines to `_lines`, chunk by chunk; a last line without its newline waits."""
        os.lseek(handle, state.offset_bytes, os.SEEK_SET)
        skipped_before, held = self.reading.lines_skipped, 0
        while True:
            if held == len(self._buffer):
                if held < LINE_BYTES_MAX:
                    self._buffer.extend(bytes(held))
                else:
                    held = self._take_lines(state, self._skip_long_line(handle, state, held))
            with memoryview(self._buffer) as view:
                got = os.readv(handle, [view[held:]])
            if got == 0:
                break
            self.reading.bytes_read += got
            held = self._take_lines(state, held + got)
        state.lines_skipped += self.reading.lines_skipped - skipped_before
        self._unfinished(held)

    def _take_lines(self, state: FileState, filled: int) -> int:
        """Feed the complete lines among the bytes in the buffer; how many bytes of the line behind them are left."""
        end = self._buffer.rfind(b"\n", 0, filled) + 1
        self._lines(end)
        state.offset_bytes += end
        self._buffer[: filled - end] = self._buffer[end:filled]
        return filled - end

    def _skip_long_line(self, handle: int, state: FileState, held: int) -> int:
        """Pass over a line beyond the cap; how many bytes behind its end are held. Without its end it waits."""
        has_usage, passed = self._buffer.find(NEEDLE, 0, held) >= 0, held
        while True:
            edge = self._buffer[held - len(NEEDLE) : held]  # the needle may lie across two readings
            held = os.readv(handle, [self._buffer])
            if held == 0:
                return 0
            self.reading.bytes_read += held
            end = self._buffer.find(b"\n", 0, held) + 1
            passed += end or held
            has_usage = has_usage or NEEDLE in edge + self._buffer[: len(NEEDLE)]
            has_usage = has_usage or self._buffer.find(NEEDLE, 0, end or held) >= 0
            if end:
                break
        state.offset_bytes += passed
        self._line += 1
        if has_usage:
            self._skip(f"line longer than {LINE_BYTES_MAX >> 20} MB")
        self._buffer[: held - end] = self._buffer[end:held]
        return held - end

    def _lines(self, end: int) -> None:
        """Every complete line in the buffer up to `end`: checked for its shape, decoded if it carries usage."""
        buffer, find = self._buffer, self._buffer.find
        start, number = 0, self._line
        with memoryview(buffer) as view:
            while start < end:
                stop = find(b"\n", start, end)
                number += 1
                if buffer[start] != 123 or buffer[stop - 1] != 125:  # { and }
                    self._line = number
                    self._odd_line(view[start:stop].tobytes())
                elif find(NEEDLE, start, stop) >= 0:
                    self._line = number
                    try:
                        line = decode_line(view[start:stop])
                    except (ValueError, RecursionError):
                        self._patiently(view[start:stop].tobytes())
                    else:
                        if line.type == "assistant":
                            self._call(line, line)
                        elif line.data is not None:
                            self._usage_line(line)
                start = stop + 1
        self._line = number

    def _odd_line(self, raw: bytes) -> None:
        """A line that does not look like one object: blank is nothing, the rest is tried patiently."""
        if raw.strip():
            self._patiently(raw)

    def _unfinished(self, held: int) -> None:
        """Bytes after the last newline: counted if they already are whole objects, else they wait for the rest."""
        raw = bytes(self._buffer[:held])
        if NEEDLE in raw and raw.rstrip().endswith(b"}"):
            lines, complaint = decode_patiently(raw)
            if complaint is None:
                self._line += 1
                for line in lines:
                    self._usage_line(line)

    def _patiently(self, raw: bytes) -> None:
        lines, complaint = decode_patiently(raw)
        if complaint is not None:
            self._skip(complaint)
        for line in lines:
            self._usage_line(line)

    def _usage_line(self, line: Any) -> None:
        """One decoded line of any type: a call if it is an assistant's answer, or a subagent's seen in progress."""
        kind = line.type
        if kind == "assistant":
            self._call(line, line)
        elif kind == "progress" and line.data is not None:
            inner = line.data.message
            if inner is not None and inner.type == "assistant":
                self._call(line, inner, line.data.agentId)

    def _call(self, line: Any, answer: Any, agent_id: str | None = None) -> None:
        """Merge one answer into the reading; `answer` holds message, time and request, `line` the surroundings.

        The hot spot of an import: most lines repeat a call of which only the output has grown.
        """
        message = answer.message
        if message is None or message.usage is None or message.model == SYNTHETIC:
            return
        if not message.model:
            self._skip("usage without a model")
            return
        usage, stamp = message.usage, answer.timestamp or line.timestamp
        at_ms = millis(stamp)
        if at_ms is None or not INSTANT_MIN_MS <= at_ms <= self._latest_ms:
            self._skip("no usable timestamp")
            return
        split, server_tools = usage.cache_creation, usage.server_tool_use
        counts: tuple[int, ...] = (
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_input_tokens,
            0 if split is None else split.ephemeral_5m_input_tokens,
            0 if split is None else split.ephemeral_1h_input_tokens,
            usage.cache_creation_input_tokens,
            0 if server_tools is None else server_tools.web_search_requests,
        )
        if max(counts) > COUNT_MAX or min(counts) < 0:
            counts = self._sane(counts)
        known = self._calls.get(message.id)
        if (
            known is None
            or at_ms <= known.at_ms
            or known.session_key != line.sessionId
            or usage.speed not in (None, STANDARD, known.speed)
            or usage.service_tier not in (None, STANDARD, known.service_tier)
            or usage.inference_geo not in (None, NO_GEO, known.inference_geo)
            or line.costUSD is not None
        ):
            self._first_or_other_copy(at_ms, counts, line, answer, agent_id)
            return
        if counts != known.counts:
            known.grow(counts)
        if message.content.__class__ is list:
            known.tools = _tools(known.tools, message.content)
        if message.stop_reason is not None and message.stop_reason > known.stop_reason:
            known.stop_reason = self._texts[message.stop_reason]
        if usage.iterations:
            self._advisors(known.call_key, at_ms, line, answer, agent_id)

    def _first_or_other_copy(
        self, at_ms: int, counts: tuple[int, ...], line: Any, answer: Any, agent_id: str | None
    ) -> None:
        """A call met for the first time, or a copy that may own it: out of order, or from another session."""
        message = answer.message
        key = call_key(message.id or "", self._session_key(line), answer.requestId or "", at_ms, message.model, counts)
        self._add(self._draft(key, at_ms, counts, line, answer, agent_id))
        if message.usage.iterations:
            self._advisors(key, at_ms, line, answer, agent_id)

    def _add(self, draft: CallDraft) -> None:
        known = self._calls.setdefault(draft.call_key, draft)
        if known is not draft:
            known.merge(draft)

    def _session_key(self, line: Any) -> str:
        return line.sessionId or Path(self._path).stem

    def _draft(
        self, key: str, at_ms: int, counts: tuple[int, ...], line: Any, answer: Any, agent_id: str | None
    ) -> CallDraft:
        message, usage = answer.message, answer.message.usage
        texts = self._texts
        cost, speed, tier, geo = line.costUSD, usage.speed, usage.service_tier, usage.inference_geo
        return CallDraft(
            key,
            at_ms,
            texts[line.sessionId or self._session_key(line)],
            self.machine_key,
            self._project_key,
            texts[line.cwd],
            texts[message.model],
            counts,
            round(cost * 1e9) if cost is not None and 0 <= cost <= 1e5 else None,
            "" if speed is None or speed == STANDARD else texts[speed],
            "" if tier is None or tier == STANDARD else texts[tier],
            "" if geo is None or geo == NO_GEO else texts[geo],
            1 if line.isSidechain or answer.isSidechain or agent_id else 0,
            1 if line.forkedFrom is not None else 0,
            storable(answer.requestId or ""),
            texts[agent_id or line.agentId],
            texts[line.gitBranch],
            texts[line.version],
            texts[message.stop_reason],
            _tools(None, message.content),
        )

    def _advisors(self, key: str, at_ms: int, line: Any, answer: Any, agent_id: str | None) -> None:
        """An advisor's part of an answer is a call of its own: other model, not contained in the top figures."""
        for index, part in enumerate(answer.message.usage.iterations):
            if part.type != "advisor_message" or not part.model:
                continue
            draft = self._draft(f"{key}#{index}", at_ms, self._sane(_counts(part)), line, answer, agent_id)
            draft.llm_model = self._texts[part.model]
            draft.tools = draft.client_cost_nanousd = None
            self._add(draft)

    def _sane(self, counts: tuple[int, ...]) -> tuple[int, ...]:
        """Counts with those out of range at 0, which is reported: the line's other fields still count."""
        sane = tuple(count if 0 <= count <= COUNT_MAX else 0 for count in counts)
        if sane != counts:
            self._skip("a token count out of range was left out")
        return sane

    def _skip(self, reason: str) -> None:
        self.reading.lines_skipped += 1
        self._problem(self._line, reason)

    def _problem(self, line: int, reason: str) -> None:
        self.reading.problems.append(Problem(self._path, line, reason))


def _counts(usage: Any) -> tuple[int, ...]:
    """The counts in the order of `CallDraft.counts`."""
    split, tools = usage.cache_creation, usage.server_tool_use
    return (
        usage.input_tokens or 0,
        usage.output_tokens or 0,
        usage.cache_read_input_tokens or 0,
        (split.ephemeral_5m_input_tokens or 0) if split is not None else 0,
        (split.ephemeral_1h_input_tokens or 0) if split is not None else 0,
        usage.cache_creation_input_tokens or 0,
        (tools.web_search_requests or 0) if tools is not None else 0,
    )


def _tools(known: dict[str, str] | None, content: Any) -> dict[str, str] | None:
    """The tool uses among content blocks, added to those known: tail of the id -> name."""
    if content.__class__ is list:
        for block in content:
            if block.type == "tool_use" and block.id and block.name:
                tail, name = block.id[-TOOL_ID_TAIL:], block.name
                if not (tail.isalnum() and name.isprintable() and len(name) <= TOOL_NAME_MAX):
                    tail, name = "".join(storable(tail).split()), " ".join(storable(name)[:TOOL_NAME_MAX].split())
                if known is None:
                    known = {}
                known.setdefault(tail, name)
    return known


class _Texts(dict[Any, str]):
    """Storable form of a text, shared by all lines that repeat it; None is the empty text."""

    def __missing__(self, text: str | None) -> str:
        if len(self) >= TEXTS_KEPT:
            self.clear()
        self[text] = found = storable(text or "")
        return found


def _head_hash(handle: int, offset_bytes: int) -> str:
    """Hash of the first and the last bytes that were read before: in a rewritten file they differ."""
    head = os.pread(handle, min(HEAD_BYTES, offset_bytes), 0)
    last = os.pread(handle, min(HEAD_BYTES, offset_bytes), max(0, offset_bytes - HEAD_BYTES))
    return hashlib.blake2b(head + last, digest_size=8).hexdigest()


def _count_lines(handle: int, end_bytes: int) -> int:
    """How many lines end before this place."""
    return sum(
        os.pread(handle, min(CHUNK_BYTES, end_bytes - at), at).count(b"\n") for at in range(0, end_bytes, CHUNK_BYTES)
    )


__all__ = ["AGENT", "FileState", "PatientLine", "Problem", "Reader", "Reading", "transcript_roots", "walk"]
