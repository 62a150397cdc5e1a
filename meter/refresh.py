"""Access tokens of the gateway family, and the refresh cookies that renew them.

An access token is a JWT (HS256) that names a session and lives for 15 minutes; it is worth nothing once the session is
gone. A refresh cookie works once: whoever shows an old one of a family ends the session, since one of the two who hold
it must be a thief.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from meter.audit import Actor, record
from meter.errors import NotSignedIn
from meter.keys import hash_of, key_for
from meter.sessions import SignedIn, find_session_by_id
from models.db import writing
from models.people import BrowserSession, Person
from models.tokens import RefreshFamily

ACCESS_LIFE = timedelta(minutes=15)
PURPOSE = "access token"
TYPE = "platform"

_person = Person.__table__  # type: ignore[attr-defined]
_session = BrowserSession.__table__  # type: ignore[attr-defined]
_family = RefreshFamily.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Renewed:
    """A session carried on: its new access token, and the refresh cookie that replaces the one just used.

    expires_at: of the session, and so of the cookie.
    """

    access_token: str
    secret: str
    expires_at: datetime


def start_family(db: Connection, session_id: str) -> str:
    """The first refresh cookie of a session just opened, inside that transaction; exists here only."""
    family, newest = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    row = {"session_id": session_id, "family_hash": hash_of(family), "newest_hash": hash_of(newest)}
    db.execute(insert(_family).values(rotated_at=_now(), **row))
    return f"{family}.{newest}"


def rotate(engine: Engine, secret_keys: tuple[str, ...], secret: str, ip: str = "") -> Renewed:
    """Use a refresh cookie up: a new one and an access token for its session.

    Of many at once with the same cookie one succeeds, and then the session ends as for every reuse. Raises NotSignedIn
    for a cookie that is unknown, used, or of a session that has ended, without saying which.
    """
    family, _, newest = secret.partition(".")
    following = secrets.token_urlsafe(24)
    is_newest = (_family.c.family_hash == hash_of(family), _family.c.newest_hash == hash_of(newest))
    once = update(_family).where(*is_newest).values(newest_hash=hash_of(following), rotated_at=_now())
    with writing(engine) as db:
        session_id = _hold_session(db, hash_of(family))
        if session_id is not None and db.execute(once).rowcount:
            signed_in = find_session_by_id(db, session_id)  # raises: then the cookie stays as it was, and as worthless
            seen = update(_session).where(_session.c.id == session_id).values(last_seen_at=_now())
            expires_at = db.execute(seen.returning(_session.c.expires_at)).scalar_one()
            return Renewed(sign_access(secret_keys[0], signed_in), f"{family}.{following}", expires_at)
        if session_id is not None:
            _end_session(db, session_id, ip)
    raise NotSignedIn("Sign in again.")


def _hold_session(db: Connection, family_hash: str) -> str | None:
    """The session of a family, None when there is none any more.

    Its row is locked before the family's, as whoever ends a session locks them: the other way round two could wait
    for each other.
    """
    theirs = select(_family.c.session_id).where(_family.c.family_hash == family_hash).scalar_subquery()
    held: str | None = db.execute(select(_session.c.id).where(_session.c.id == theirs).with_for_update()).scalar()
    return held


def _end_session(db: Connection, session_id: str, ip: str) -> None:
    """End the session of a family whose old cookie turned up."""
    ended = delete(_session).where(_session.c.id == session_id).returning(_session.c.person_id)
    person_id = db.execute(ended).scalar_one()
    email = db.execute(select(_person.c.email).where(_person.c.id == person_id)).scalar_one()
    record(db, "session.refresh_reuse", actor=Actor(None, None, "system", ip), target=email)


def sign_access(secret_key: str, signed_in: SignedIn) -> str:
    """An access token for a session, good for 15 minutes while the session lives."""
    import jwt  # 150 ms for its cryptography; most installations never come here

    now = _now()
    claims = {"sub": str(signed_in.account.id), "sid": signed_in.session_id, "typ": TYPE}
    times = {"iat": int(now.timestamp()), "exp": int((now + ACCESS_LIFE).timestamp())}
    return jwt.encode({**claims, **times}, key_for(PURPOSE, secret_key), algorithm="HS256")


def find_access(db: Connection, secret_keys: tuple[str, ...], token: str) -> SignedIn:
    """The session of an access token.

    Raises NotSignedIn when no key of ours signed it, it has expired, or its session has ended.
    """
    claims = _claims_of(token, secret_keys)
    if claims is None or claims["typ"] != TYPE:
        raise NotSignedIn("Sign in again.")
    signed_in = find_session_by_id(db, str(claims["sid"]))
    if str(signed_in.account.id) != claims["sub"]:
        raise NotSignedIn("Sign in again.")
    return signed_in


def _claims_of(token: str, secret_keys: tuple[str, ...]) -> dict[str, Any] | None:
    """What a living token of ours says; None for any other."""
    import jwt

    needed = {"require": ["sub", "sid", "typ", "iat", "exp"]}
    for secret_key in secret_keys:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key_for(PURPOSE, secret_key),
                algorithms=["HS256"],
                options=needed,  # type: ignore[arg-type]
            )
            return claims
        except jwt.InvalidSignatureError:
            continue  # perhaps a key of before signed it
        except jwt.InvalidTokenError:
            return None
    return None


def _now() -> datetime:
    return datetime.now(UTC)
