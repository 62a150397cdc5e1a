"""How fresh the figures are: the live loop of this process and the last run in the database, as pages show them."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Flask, current_app

from meter.live import LiveSync
from models.queries.sync import LastRun, last_run
from routes._db import db

STALE_SECONDS = 60.0  # the loop looks every second or two; silence this long means it hangs


@dataclass(frozen=True)
class Sync:
    """How fresh the figures are.

    state: ok, running, stale, failed or never (decides the dot). text: the words without the age: "Synced".
    at: when, aware UTC; the page prints and keeps its age. facts: (label, value) rows of the panel that opens.
    """

    state: str
    text: str
    at: datetime | None = None
    facts: tuple[tuple[str, str], ...] = ()


def keep_live(app: Flask, live: LiveSync) -> None:
    """Tell the application which loop keeps it fresh."""
    app.extensions["live_sync"] = live


def sync_state() -> Sync:
    """The state of this moment; see Sync for the words."""
    run = last_run(db())
    live: LiveSync | None = current_app.extensions.get("live_sync")
    if run.status == "running":
        return Sync("running", "Reading transcripts", None, _facts(run))
    if live is not None and live.failure:
        return Sync("failed", "Sync failed", run.finished_at, _facts(run))
    if live is not None and live.checked_at is not None:
        age = timedelta(seconds=time.monotonic() - live.checked_at)
        state = "ok" if age.total_seconds() < STALE_SECONDS else "stale"
        return Sync(state, "Synced", datetime.now(UTC) - age, _facts(run))
    if run.status == "never":
        return Sync("never", "Nothing synced yet")
    return Sync("ok" if run.status == "done" else "failed", _WORDS[run.status], run.finished_at, _facts(run))


_WORDS = {"done": "Synced", "failed": "Sync failed"}


def _facts(run: LastRun) -> tuple[tuple[str, str], ...]:
    if run.status == "never":
        return ()
    return (
        ("Files", f"{run.files:,}"),
        ("New calls", f"{run.calls_new:,}"),
        ("Grown calls", f"{run.calls_grown:,}"),
        ("Lines skipped", f"{run.lines_skipped:,}"),
        ("Errors", f"{run.errors:,}"),
    )
