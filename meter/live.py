"""The live loop: a thread that looks for grown transcripts every second and syncs them."""

import logging
import threading
import time
from collections.abc import Callable

from meter.errors import AgentmeterError, NotFound
from meter.sync import Syncer

LOOK_SECONDS = 1.0
LOOK_SHARE = 0.02  # looking may take this share of the time: with very many files it is done more rarely
LOOK_SECONDS_MAX = 1.8

log = logging.getLogger("agentmeter.sync")


class LiveSync:
    """Keeps one `Syncer` running until `stop()`.

    `make` returns the syncer, or None while nobody owns the server yet; it is asked again until then. `checked_at` is
    the monotonic time of the last look, None before the first.
    """

    def __init__(self, make: Callable[[], Syncer | None]) -> None:
        self._make = make
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="live-sync", daemon=True)
        self.checked_at: float | None = None
        self.failure: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self, wait_seconds: float = 10.0) -> None:
        """Ask the loop to end and wait for a running batch to be committed."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(wait_seconds)

    def _loop(self) -> None:
        syncer: Syncer | None = None
        pause = LOOK_SECONDS
        while not self._stopped.is_set():
            look_seconds = 0.0
            try:
                syncer = syncer or self._make()
                if syncer is not None:
                    look_seconds = syncer.run(wait_seconds=0.0).look_seconds
                    self.checked_at, self.failure = time.monotonic(), None
            except NotFound as problem:  # the person was deleted: ask whom to book to now
                self.failure = problem.message
                _close(syncer)
                syncer = None
            except AgentmeterError as problem:  # another process syncs: its result is ours too
                self.failure = problem.message
                if syncer is not None:
                    syncer.forget()
            except Exception as problem:
                log.exception("live sync failed")
                self.failure = type(problem).__name__
                _close(syncer)
                syncer = None
                pause = LOOK_SECONDS_MAX
            else:
                pause = min(LOOK_SECONDS_MAX, max(LOOK_SECONDS, look_seconds / LOOK_SHARE))
            self._stopped.wait(pause)
        _close(syncer)


def _close(syncer: Syncer | None) -> None:
    if syncer is not None:
        try:
            syncer.store.close()
        except Exception:
            log.exception("closing the sync connection failed")
