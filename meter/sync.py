"""The sync engine: finds what is new in the transcripts of this machine and writes it, file by file, exactly once.

A file's checkpoint is stored in the transaction that stores its calls: whatever kills a run, the next one goes on from
what was committed. One run at a time, by a lease in the database.
"""

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from meter import lease
from meter.errors import Conflict
from meter.ingest import TRANSCRIPT, Ingested, write_calls
from meter.logs.claude_code import AGENT, FileState, Problem, Reading, walk
from meter.logs.jobs import Pending, jobs_of, readings
from meter.pricing import PriceBook
from models.bulk import Store

LEASE = "sync"
CALLS_PER_COMMIT = 8_000
ERRORS_KEPT = 100
RUNS_KEPT = 200
_CURSOR = ("path", "size_bytes", "modified_ns", "inode", "offset_bytes", "head_hash", "lines_skipped")
_CURSOR_COLUMNS = (
    ("owner_id", "bigint"),
    *((name, "text" if name in ("path", "head_hash") else "bigint") for name in _CURSOR),
)

Progress = Callable[[int, int, int, int], None]  # bytes done, bytes in all, files done, files in all


@dataclass
class SyncReport:
    """What a run found and did. `files` are the transcripts seen, `bytes` what was read of them.

    Of its `seconds`, `look_seconds` went into looking at every file once.
    """

    files: int = 0
    bytes: int = 0
    ingested: Ingested = field(default_factory=Ingested)
    lines_skipped: int = 0
    errors: list[Problem] = field(default_factory=list)
    seconds: float = 0.0
    look_seconds: float = 0.0

    @property
    def read_nothing(self) -> bool:
        """True when something went wrong and not one file could be read."""
        return bool(self.errors) and self.files == 0

    def as_dict(self) -> dict[str, object]:
        """The report as `sync --json` prints it."""
        return {
            "files": self.files,
            "bytes": self.bytes,
            "calls_new": self.ingested.calls_new,
            "calls_grown": self.ingested.calls_grown,
            "calls_unchanged": self.ingested.calls_unchanged,
            "lines_skipped": self.lines_skipped,
            "errors": [{"path": e.path, "line": e.line, "reason": e.reason} for e in self.errors],
            "seconds": round(self.seconds, 3),
        }


class Syncer:
    """Syncs one person's transcripts on this machine; remembers file states between runs (`forget` drops them).

    `may_fork`: worker processes may be started for much work; never in a threaded server.
    """

    def __init__(self, store: Store, owner_id: int, roots: Sequence[Path], book: PriceBook, *, may_fork: bool) -> None:
        self.store, self.owner_id, self.roots, self.book, self.may_fork = store, owner_id, roots, book, may_fork
        self.machine_key = socket.gethostname() or "this machine"
        self.holder = lease.new_holder()
        self._states: dict[str, FileState] | None = None
        self._failed: dict[str, tuple[int, int, Problem]] = {}  # what could not be opened: size, time of change, why

    def forget(self) -> None:
        """Read the file states from the database again before the next run."""
        self._states = None

    def run(
        self,
        *,
        full: bool = False,
        dry_run: bool = False,
        progress: Progress | None = None,
        wait_seconds: float = 0.0,
    ) -> SyncReport:
        """One run. `full` reads every file from its start; `dry_run` changes nothing and tells what would change.

        Raises Conflict (SYNC_IN_PROGRESS) when another run does not end within `wait_seconds`.
        """
        started = time.monotonic()
        report = SyncReport()
        pending = self._pending(report, full)
        report.look_seconds = time.monotonic() - started
        if pending or dry_run:
            with self._lease(wait_seconds):
                if dry_run:
                    self._dry_run(pending, report, progress)
                else:
                    self._real_run(pending, report, progress)
        report.seconds = time.monotonic() - started
        return report

    def has_news(self) -> bool:
        """True when a file is new or changed since the last run; as cheap as looking at every file once."""
        return bool(self._pending(SyncReport(), full=False))

    def _pending(self, report: SyncReport, full: bool) -> list[Pending]:
        """The files with something to read."""
        states = self._load_states()
        pending: list[Pending] = []
        for root in self.roots:
            if not root.is_dir():
                report.errors.append(Problem(str(root), 0, "no such folder"))
                continue
            for found in walk(root):
                if isinstance(found, Problem):
                    report.errors.append(found)
                    continue
                path, project_key, facts = found
                failed = self._failed.get(path)
                if failed and not full and failed[:2] == (facts.st_size, facts.st_ctime_ns):
                    report.errors.append(failed[2])
                    continue
                report.files += 1
                state = None if full else states.get(path)
                if state is None:
                    pending.append((path, project_key, facts.st_size, None))
                elif (
                    state.size_bytes != facts.st_size
                    or state.modified_ns != facts.st_mtime_ns
                    or state.inode != facts.st_ino
                ):
                    pending.append((path, project_key, max(0, facts.st_size - state.offset_bytes), state))
        return pending

    def _load_states(self) -> dict[str, FileState]:
        if self._states is None:
            rows = self.store.rows(f"select {', '.join(_CURSOR)} from file_cursor where owner_id = ?", (self.owner_id,))
            self._states = {row[0]: FileState(*row) for row in rows}
        return self._states

    @contextmanager
    def _lease(self, wait_seconds: float) -> Iterator[None]:
        deadline = time.monotonic() + wait_seconds
        while not lease.take(self.store, LEASE, self.holder):
            if time.monotonic() >= deadline:
                raise Conflict("another sync is running", code="SYNC_IN_PROGRESS")
            time.sleep(0.1)
        try:
            yield
        finally:
            lease.release(self.store, LEASE, self.holder)

    def _real_run(self, pending: list[Pending], report: SyncReport, progress: Progress | None) -> None:
        run_id = uuid.uuid4().hex
        with self.store.writing():
            self._note_start(run_id)
        status = "failed"
        try:
            for batch in self._batches(pending, report, progress):
                with self.store.writing(self.owner_id):
                    self._write(batch, report)
                    if not lease.renew(self.store, LEASE, self.holder):
                        raise Conflict("the sync lost its lease to another one", code="SYNC_IN_PROGRESS")
                self._load_states().update((state.path, state) for state in batch.states)
            status = "done"
        finally:
            with self.store.writing():
                self._note_end(run_id, status, report)

    def _dry_run(self, pending: list[Pending], report: SyncReport, progress: Progress | None) -> None:
        """The same work in one transaction that is given up: the figures are exact and nothing stays."""
        try:
            with self.store.writing(self.owner_id):
                for batch in self._batches(pending, report, progress):
                    self._write(batch, report)
                raise _GivenUpError
        except _GivenUpError:
            pass

    def _batches(self, pending: list[Pending], report: SyncReport, progress: Progress | None) -> Iterator[Reading]:
        """Readings joined to batches worth a commit; problems and progress are noted on the way."""
        sizes = {path: size for path, _, size, _ in pending}
        all_bytes, done_bytes, done_files = sum(sizes.values()), 0, 0
        batch = Reading()
        for reading in readings(jobs_of(pending), self.machine_key, self.may_fork):
            report.errors.extend(reading.problems)
            report.lines_skipped += reading.lines_skipped
            report.bytes += reading.bytes_read
            self._note_failures(reading, report)
            done_bytes += reading.bytes_read
            done_files += len(reading.states)
            _join(batch, reading)
            if len(batch.calls) >= CALLS_PER_COMMIT:
                yield batch
                batch = Reading()
            if progress is not None:
                progress(min(done_bytes, all_bytes), all_bytes, done_files, len(pending))
        if batch.states:
            yield batch

    def _note_failures(self, reading: Reading, report: SyncReport) -> None:
        """A file that could not be opened is tried again when it changes (even only in its permissions)."""
        for problem in reading.problems:
            if problem.line == 0:
                report.files -= 1
                try:
                    facts = Path(problem.path).lstat()
                except OSError:
                    continue
                self._failed[problem.path] = (facts.st_size, facts.st_ctime_ns, problem)

    def _write(self, batch: Reading, report: SyncReport) -> None:
        """Calls and the checkpoints of their files, inside one transaction."""
        report.ingested += write_calls(
            self.store,
            self.owner_id,
            list(batch.calls.values()),
            agent=AGENT,
            source=TRANSCRIPT,
            book=self.book,
            now_ms=int(time.time() * 1000),
        )
        rows = [(self.owner_id, *(getattr(state, name) for name in _CURSOR)) for state in batch.states]
        self.store.upsert("file_cursor", _CURSOR_COLUMNS, "owner_id, path", rows)

    def _note_start(self, run_id: str) -> None:
        old = (
            "delete from sync_run where started_ms < (select min(started_ms) from"
            " (select started_ms from sync_run order by started_ms desc limit ?) as kept)"
        )
        self.store.run(old, (RUNS_KEPT,))
        self.store.run(
            "insert into sync_run (id, started_ms, status, files, bytes_read, calls_new, calls_grown, calls_unchanged,"
            " lines_skipped, errors) values (?, ?, 'running', 0, 0, 0, 0, 0, 0, '[]')",
            (run_id, int(time.time() * 1000)),
        )

    def _note_end(self, run_id: str, status: str, report: SyncReport) -> None:
        errors = report.as_dict()["errors"]
        assert isinstance(errors, list)
        self.store.run(
            "update sync_run set finished_ms = ?, status = ?, files = ?, bytes_read = ?, calls_new = ?,"
            " calls_grown = ?, calls_unchanged = ?, lines_skipped = ?, errors = ? where id = ?",
            (
                int(time.time() * 1000),
                status,
                report.files,
                report.bytes,
                report.ingested.calls_new,
                report.ingested.calls_grown,
                report.ingested.calls_unchanged,
                report.lines_skipped,
                json.dumps(errors[:ERRORS_KEPT]),
                run_id,
            ),
        )


class _GivenUpError(Exception):
    """Ends the transaction of a dry run."""


def _join(batch: Reading, more: Reading) -> None:
    for key, draft in more.calls.items():
        known = batch.calls.setdefault(key, draft)
        if known is not draft:
            known.merge(draft)
    batch.states.extend(more.states)
