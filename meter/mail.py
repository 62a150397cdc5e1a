"""Letters that still have to leave: a table, and a thread that carries them to the mail server.

Who asks for a letter writes its row and is done; nobody waits for a mail server. Every process has such a thread, and
whoever's UPDATE leases a row sends it. A letter is tried again until it is taken, or until its time is over: then it
is dropped, since a login link that does not work any more is worse than none.
"""

import json
import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from meter.smtp import Letter, MailFailed, MailServer, deliver
from models.db import reading, writing
from models.mail import Mail

LEASE = timedelta(seconds=90)  # longer than one delivery takes; then another process may try
LAST_MOMENT = timedelta(seconds=15)  # a letter with less time left is not begun
LOOK_SECONDS = 1.0
LONGEST_PAUSE_SHARE = 0.02  # of a letter's life: twelve seconds for a login link, an hour and more for a letter of days

_mail = Mail.__table__  # type: ignore[attr-defined]
log = logging.getLogger("agentmeter.mail")


@dataclass(frozen=True)
class Outgoing:
    """A letter that this process may send now; see models/mail.py."""

    id: str
    kind: str
    address: str
    facts: dict[str, Any]
    link_id: str | None
    created_at: datetime
    expires_at: datetime
    tries: int


def queue(
    db: Connection, kind: str, address: str, facts: dict[str, str], expires_at: datetime, link_id: str | None = None
) -> None:
    """Ask for a letter, inside a transaction; `Postman.wake()` afterwards saves up to a second."""
    now = _now()
    times = {"created_at": now, "next_try_at": now, "expires_at": expires_at, "leased_until": None, "tries": 0}
    row = {"id": secrets.token_urlsafe(12), "kind": kind, "address": address, "facts": json.dumps(facts)}
    db.execute(insert(_mail).values(link_id=link_id, **row, **times))


def take_back(db: Connection, addresses: Sequence[str], kind: str | None = None) -> None:
    """Drop the letters to some addresses that have not left, inside a transaction; of one kind, or all."""
    theirs = delete(_mail).where(_mail.c.address.in_(addresses))
    db.execute(theirs if kind is None else theirs.where(_mail.c.kind == kind))


def lease_next(engine: Engine) -> Outgoing | None:
    """Lease the letter that is due longest; None when none is. Of many processes at once each gets another one."""
    now = _now()
    is_due = (
        _mail.c.next_try_at <= now,
        _mail.c.expires_at > now + LAST_MOMENT,
        or_(_mail.c.leased_until.is_(None), _mail.c.leased_until <= now),
    )
    with reading(engine) as db:
        due = db.execute(select(_mail.c.id).where(*is_due).order_by(_mail.c.next_try_at).limit(20)).scalars().all()
    for mail_id in due:
        lease = update(_mail).where(_mail.c.id == mail_id, *is_due)
        lease = lease.values(leased_until=now + LEASE, tries=_mail.c.tries + 1).returning(*_mail.c)
        with writing(engine) as db:
            row = db.execute(lease).first()
        if row is not None:
            facts = json.loads(row.facts)
            times = {"created_at": row.created_at, "expires_at": row.expires_at}
            return Outgoing(row.id, row.kind, row.address, facts, row.link_id, **times, tries=row.tries)
    return None


def drop(engine: Engine, outgoing: Outgoing) -> None:
    """The letter has left, or must not leave any more."""
    with writing(engine) as db:
        db.execute(delete(_mail).where(_mail.c.id == outgoing.id))


def postpone(engine: Engine, outgoing: Outgoing) -> None:
    """Try a letter again after a second, then two, four ..., but never wait longer than a share of its life."""
    longest = (outgoing.expires_at - outgoing.created_at) * LONGEST_PAUSE_SHARE
    pause = min(timedelta(seconds=2.0 ** min(outgoing.tries - 1, 20)), longest)
    again = {"next_try_at": _now() + pause, "leased_until": None}
    with writing(engine) as db:
        db.execute(update(_mail).where(_mail.c.id == outgoing.id).values(again))


def drop_expired(engine: Engine) -> int:
    """Drop what nobody was able to send in time; how many letters that were."""
    too_late = _mail.c.expires_at <= _now() + LAST_MOMENT
    with reading(engine) as db:
        if db.execute(select(_mail.c.id).where(too_late).limit(1)).first() is None:
            return 0
    with writing(engine) as db:
        dropped: int = db.execute(delete(_mail).where(too_late)).rowcount
    return dropped


class Postman:
    """The thread that sends. It begins with the first `wake()` of a process and looks every second by itself.

    compose: makes the letter just before it leaves, None when it should not leave any more.
    """

    def __init__(self, engine: Engine, server: MailServer, compose: Callable[[Outgoing], Letter | None]) -> None:
        self._engine = engine
        self._server = server
        self._compose = compose
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Look at once. Safe to call from any thread, and after a fork."""
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._stopped.clear()
                self._thread = threading.Thread(target=self._loop, name="postman", daemon=True)
                self._thread.start()
        self._woken.set()

    def stop(self, wait_seconds: float = 10.0) -> None:
        """Ask the thread to end and wait for a delivery under way."""
        self._stopped.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(wait_seconds)

    def _loop(self) -> None:
        while not self._stopped.is_set():
            self._woken.clear()
            try:
                self._send_what_is_due()
            except SQLAlchemyError:
                log.warning("mail: the database does not answer")
            except Exception:
                log.exception("mail: the thread goes on")
            self._woken.wait(LOOK_SECONDS)

    def _send_what_is_due(self) -> None:
        while not self._stopped.is_set() and (outgoing := lease_next(self._engine)) is not None:
            self._send(outgoing)
        if dropped := drop_expired(self._engine):
            log.warning("mail: %d not sent in time and dropped", dropped)

    def _send(self, outgoing: Outgoing) -> None:
        try:
            letter = self._compose(outgoing)
            if letter is not None:
                deliver(self._server, outgoing.address, letter)
        except MailFailed as failure:
            log.warning("mail: try %d: %s", outgoing.tries, failure)
            postpone(self._engine, outgoing)
        except Exception:
            postpone(self._engine, outgoing)
            raise
        else:
            drop(self._engine, outgoing)


def _now() -> datetime:
    return datetime.now(UTC)
