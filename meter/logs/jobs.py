"""Reading many transcripts: cut into jobs, read here or by worker processes, one reading a job."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence

from meter.logs.claude_code import FileState, Problem, Reader, Reading
from meter.logs.drafts import CallDraft

try:
    import msgspec
except ImportError:
    CAN_SEND = False  # then there are no workers either
else:
    CAN_SEND = True
    _ENCODE = msgspec.msgpack.Encoder().encode
    _DECODE = msgspec.msgpack.Decoder(tuple[list[CallDraft], list[FileState], list[Problem], int, int]).decode

JOB_BYTES = 16 << 20
WORKERS_FROM_BYTES = 64 << 20  # below this a process costs more than it brings
WORKERS_MAX = 4

Pending = tuple[str, str, int, FileState | None]  # path, project key, bytes to read, state so far
Job = list[Pending]


def jobs_of(pending: Sequence[Pending]) -> list[Job]:
    """Files in jobs of about `JOB_BYTES`; those of one project stay together, so that copies meet early."""
    jobs: list[Job] = []
    filled, project = JOB_BYTES, ""
    for item in sorted(pending, key=lambda item: (item[1], item[0])):
        if filled >= JOB_BYTES or (item[1] != project and filled >= JOB_BYTES // 2):
            jobs.append([])
            filled = 0
        jobs[-1].append(item)
        filled += item[2]
        project = item[1]
    return jobs


def readings(jobs: list[Job], machine_key: str, may_fork: bool) -> Iterator[Reading]:
    """The reading of every job, in any order. Worker processes only for much work, and never from a threaded server."""
    todo_bytes = sum(item[2] for job in jobs for item in job)
    workers = min(WORKERS_MAX, os.cpu_count() or 1, len(jobs))
    if not CAN_SEND or not may_fork or workers < 2 or todo_bytes < WORKERS_FROM_BYTES or not hasattr(os, "fork"):
        reader = Reader(machine_key)
        for job in jobs:
            yield _read(reader, job)
        return
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(workers, _become_worker, (machine_key,)) as pool:
        for packed in pool.imap_unordered(_work, jobs):
            yield _unpack(packed)


def _read(reader: Reader, job: Job) -> Reading:
    for path, project_key, _, state in job:
        reader.read_file(path, project_key, state)
    return reader.take()


_worker_reader: Reader | None = None


def _become_worker(machine_key: str) -> None:
    global _worker_reader
    gc.disable()  # a worker lives for seconds and makes no cycles
    _worker_reader = Reader(machine_key)


def _work(job: Job) -> bytes:
    assert _worker_reader is not None
    return _pack(_read(_worker_reader, job))


def _pack(reading: Reading) -> bytes:
    return _ENCODE(
        (list(reading.calls.values()), reading.states, reading.problems, reading.lines_skipped, reading.bytes_read)
    )


def _unpack(packed: bytes) -> Reading:
    drafts, states, problems, lines_skipped, bytes_read = _DECODE(packed)
    return Reading({draft.call_key: draft for draft in drafts}, states, problems, lines_skipped, bytes_read)
