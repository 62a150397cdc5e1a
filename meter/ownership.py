"""Whether an installation has an owner, and the secret by which the first admin claims it."""

import secrets
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from meter.errors import Conflict
from meter.keys import hash_of
from models.db import writing
from models.people import Installation

_installation = Installation.__table__  # type: ignore[attr-defined]
_UNCLAIMED = (_installation.c.id == 1, _installation.c.claimed_at.is_(None))


def start_claim(engine: Engine) -> str | None:
    """A new claim secret to print on the terminal; the one before stops working. None: it has an owner already."""
    secret = "claim-" + secrets.token_urlsafe(24)
    values = {"claim_hash": hash_of(secret)}
    for _ in range(2):  # twice: a second process may insert the row between our two statements
        try:
            with writing(engine) as db:
                if db.execute(update(_installation).where(*_UNCLAIMED).values(values)).rowcount:
                    return secret
                if is_claimed(db):
                    return None
                db.execute(insert(_installation).values(id=1, created_at=_now(), claimed_at=None, **values))
                return secret
        except IntegrityError:
            continue
    raise Conflict("Another process is starting this installation; try again.")


def is_claimed(db: Connection) -> bool:
    """Whether the installation has an owner."""
    claimed = select(_installation.c.claimed_at).where(_installation.c.claimed_at.is_not(None))
    return db.execute(claimed).first() is not None


def take_claim(db: Connection, secret: str) -> bool:
    """Use the newest claim secret up; False when this is not it, or when there is an owner already."""
    once = update(_installation).where(*_UNCLAIMED, _installation.c.claim_hash == hash_of(secret.strip()))
    return db.execute(once.values(claimed_at=_now())).rowcount == 1


def close_claim(db: Connection) -> bool:
    """Settle who owns the installation without a secret; False when that was settled before."""
    now = _now()
    if db.execute(update(_installation).where(*_UNCLAIMED).values(claimed_at=now)).rowcount:
        return True
    if is_claimed(db):
        return False
    db.execute(insert(_installation).values(id=1, claim_hash="", created_at=now, claimed_at=now))
    return True


def _now() -> datetime:
    return datetime.now(UTC)
