"""API tokens: credentials of programs, each with scopes, made once, shown once, revoked at once.

A token reads `am_<scope>_` (embed: `we_`), 32 random letters and digits (190 bits), and a checksum of six, so that a
typing mistake is told without asking the database and scanners can recognise a leaked one. Only its SHA-256 is stored.
"""

import re
import secrets
import string
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, bindparam, insert, or_, select, update

from meter import audit
from meter.audit import Actor
from meter.email_rules import allows
from meter.emails import folded_email
from meter.errors import Forbidden, Invalid, NotFound, NotSignedIn
from meter.keys import hash_of
from meter.logs.times import millis
from meter.people import Account, account_of
from models.db import reading, writing, writing_at_once
from models.people import Person
from models.queries.scope import Scope
from models.queries.tokens import TokenRow, tokens
from models.tokens import ApiToken
from models.types import from_ms

SCOPES = ("ingest", "read", "gateway", "metrics", "admin", "embed")
IMPLIED = {"admin": frozenset(("admin", "read", "ingest", "metrics"))}
DEFAULT_SCOPES = ("gateway",)  # of POST /v1/api-tokens, whose document makes scopes optional
EMBED = "embed"
RANDOM_LETTERS = 32
LABEL_LENGTH = 100
USED_EVERY = timedelta(minutes=1)  # last_used_at is written at most this often
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_TEXT = re.compile(rf"((?:am_(?:{'|'.join(SCOPES)})|we)_[0-9A-Za-z]{{{RANDOM_LETTERS}}})([0-9A-Za-z]{{6}})", re.ASCII)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

_person = Person.__table__  # type: ignore[attr-defined]
_token = ApiToken.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class NewToken:
    """A token just made; `text` exists here only."""

    text: str
    row: TokenRow


@dataclass(frozen=True)
class TokenHolder:
    """The person behind a token that works now, and what it opens; `scopes` with everything they imply."""

    account: Account
    token_id: str
    scopes: frozenset[str]
    last_used_at: datetime | None


def looks_like_token(text: str) -> bool:
    """Whether a credential means to be an API token."""
    return text.startswith(("am_", "we_"))


def is_well_formed(text: str) -> bool:
    """Whether a token's form and checksum are right; says nothing about whether there is such a token."""
    parts = _TEXT.fullmatch(text)
    return parts is not None and secrets.compare_digest(checksum(parts[1]), parts[2])


def issue(
    engine: Engine,
    email: str,
    scopes: Sequence[str],
    label: str = "",
    expires_at: datetime | None = None,
    *,
    fixed: Sequence[str],
    actor: Actor,
) -> NewToken:
    """Make a token for the person with that address; `fixed` are the whitelist's rules in the settings.

    Raises Invalid on a bad scope, label or expiry, NotFound when nobody with that address may come in, Forbidden when
    the whitelist does not let them in, or when a member should get the scope admin.
    """
    chosen, label, now = checked_scopes(scopes), checked_label(label), _now()
    if expires_at is not None and expires_at <= now:
        raise Invalid("The expiry lies in the past.", field="expires_at")
    text = _new_text(chosen)
    row = {"id": str(uuid.uuid4()), "token_hash": hash_of(text), "scopes": " ".join(chosen), "label": label}
    times = {"created_at": now, "expires_at": expires_at, "revoked_at": None, "last_used_at": None}
    who = select(_person.c.id, _person.c.email, _person.c.role)
    who = who.where(_person.c.email == folded_email(email, "user"), _person.c.disabled_at.is_(None))
    with writing(engine) as db:
        person = db.execute(who).first()
        if person is None:
            raise NotFound("There is no such person here.", field="user")
        if not allows(db, person.email, fixed, holds=True):  # held: a token made meanwhile would outlive the rule
            raise Forbidden("No rule of the whitelist lets that address in.")
        if "admin" in chosen and person.role != "admin":
            raise Forbidden("Only an admin can have a token with the scope admin.")
        db.execute(insert(_token).values(person_id=person.id, last_four=text[-4:], **row, **times))
        [made] = tokens(db, Scope(person.id), token_id=row["id"])
        expiry = expires_at.isoformat(timespec="seconds") if expires_at else None
        meta = {"token_id": row["id"], "scopes": row["scopes"], "label": label, "expires_at": expiry}
        audit.record(db, "token.create", actor=actor, target=person.email, meta=meta)
    return NewToken(text, made)


def all_tokens(engine: Engine) -> tuple[TokenRow, ...]:
    """Everybody's tokens, newest first."""
    with reading(engine) as db:
        return tokens(db, Scope(owner_id=None))


def revoke(engine: Engine, scope: Scope, token_id: str, actor: Actor) -> None:
    """Take a token back: the next request with it is refused, in every process. Once more is fine.

    Raises NotFound when there is no such token in the scope.
    """
    once = update(_token).where(_token.c.id == token_id, _token.c.revoked_at.is_(None)).values(revoked_at=_now())
    with writing(engine) as db:
        found = tokens(db, scope, token_id=token_id) if _ID.fullmatch(token_id) else ()
        if not found:
            raise NotFound("There is no such token.")
        if db.execute(once).rowcount:
            [row] = found
            meta = {"token_id": row.id, "scopes": " ".join(row.scopes), "label": row.label}
            audit.record(db, "token.revoke", actor=actor, target=row.email, meta=meta)


def revoke_all(db: Connection, person_ids: Sequence[int]) -> int:
    """Take every token of some people back, inside a transaction; how many worked until now."""
    theirs = (_token.c.person_id.in_(person_ids), _token.c.revoked_at.is_(None))
    revoked: int = db.execute(update(_token).where(*theirs).values(revoked_at=_now())).rowcount
    return revoked


_FIND = (
    select(_person, _token.c.id.label("token_id"), _token.c.scopes, _token.c.last_used_at)
    .join(_token, _token.c.person_id == _person.c.id)
    .where(
        _token.c.token_hash == bindparam("token_hash"),
        _token.c.revoked_at.is_(None),
        or_(_token.c.expires_at.is_(None), _token.c.expires_at > bindparam("now")),
        _person.c.disabled_at.is_(None),
    )
)


def find_token(db: Connection, text: str) -> TokenHolder:
    """The holder of a token. NotSignedIn when it is malformed, unknown, expired, revoked or its person disabled.

    Which of them is not said. The scope admin is worth something only while the person is one.
    """
    row = None
    if is_well_formed(text):
        row = db.execute(_FIND, {"token_hash": hash_of(text), "now": _now()}).first()
    if row is None:
        raise NotSignedIn("Invalid API key")
    account = account_of(row)
    given = (name for name in row.scopes.split() if name != "admin" or account.is_admin)
    scopes = frozenset().union(*(IMPLIED.get(name, {name}) for name in given))
    return TokenHolder(account, row.token_id, scopes, row.last_used_at)


def is_worth_noting(holder: TokenHolder) -> bool:
    """Whether the token's last use was noted longer than a minute ago."""
    return holder.last_used_at is None or _now() - holder.last_used_at >= USED_EVERY


def mark_used(engine: Engine, token_id: str) -> None:
    """Note that a token is in use now, at most once a minute over all processes.

    Never waits: when another writer is in the way it raises the database's OperationalError, and nothing is lost but
    a note that the next request makes.
    """
    now = _now()
    stale = or_(_token.c.last_used_at.is_(None), _token.c.last_used_at <= now - USED_EVERY)
    with writing_at_once(engine) as db:
        db.execute(update(_token).where(_token.c.id == token_id, stale).values(last_used_at=now))


def checked_scopes(scopes: Sequence[str], field: str = "scope") -> tuple[str, ...]:
    """The scopes, each once and in our order. Raises Invalid on none, an unknown one, or embed among others."""
    if not scopes:
        raise Invalid(f"A token needs a scope: {', '.join(SCOPES)}.", field=field)
    for name in scopes:
        if name not in SCOPES:
            raise Invalid(f"A scope is one of {', '.join(SCOPES)}.", field=field)
    if EMBED in scopes and len(set(scopes)) > 1:
        raise Invalid("A token for embedding opens nothing else, so embed must stand alone.", field=field)
    return tuple(name for name in SCOPES if name in scopes)


def read_expiry(value: str | float | None) -> datetime | None:
    """When a token shall end: ISO 8601 (naive = UTC), seconds, milli- or microseconds, or a day, which is its end.

    None or '' is never. Raises Invalid on anything else; a time in the past is left to `issue()`.
    """
    if value is None or value == "":
        return None
    ms = millis(value)
    if ms is not None:
        try:
            is_day = isinstance(value, str) and _DAY.fullmatch(value.strip())
            return from_ms(ms) + (timedelta(days=1) if is_day else timedelta())
        except (ValueError, OverflowError, OSError):
            pass
    raise Invalid("The expiry is a time such as 2027-01-31T12:00:00Z, or a day.", field="expires_at")


def _new_text(scopes: Sequence[str]) -> str:
    prefix = "we_" if EMBED in scopes else f"am_{scopes[0]}_"
    body = prefix + "".join(secrets.choice(_BASE62) for _ in range(RANDOM_LETTERS))
    return body + checksum(body)


def checksum(body: str) -> str:
    """CRC-32 of the text before it, in six digits of base 62."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits


def checked_label(label: str, field: str = "label") -> str:
    """A label as it is stored, '' for none. Raises Invalid when it is too long or cannot be printed."""
    label = " ".join(label.split())
    if len(label) > LABEL_LENGTH or not label.isprintable():
        raise Invalid(f"A label has at most {LABEL_LENGTH} characters that can be printed.", field=field)
    return label


def _now() -> datetime:
    return datetime.now(UTC)
