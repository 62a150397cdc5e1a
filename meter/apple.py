"""Apple identity tokens of the alerts family: who is behind one, told only when Apple's own keys say so.

The keys come from APPLE_JWKS_URL, are kept for ten minutes and fetched anew when a token names one that is not there,
at most five times a minute. A token that cannot be checked is refused; no setting changes that.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.request import HTTPRedirectHandler, Request, build_opener

from sqlalchemy import Connection, select

from meter.email_rules import allows
from meter.emails import folded_email
from meter.errors import Invalid, NotSignedIn, Unavailable
from meter.people import Account, account_of
from meter.settings import Settings
from models.people import Person

KEPT_SECONDS = 600
FETCHES_A_MINUTE = 5  # names of keys come from strangers: they must not make us ask Apple all the time
TIMEOUT_SECONDS = 5
LARGEST_ANSWER_BYTES = 256_000
NEEDED = ("sub", "iss", "aud", "exp", "iat", "email", "email_verified")

_person = Person.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class AppleSignIn:
    """The person an Apple identity token stands for, and when they signed in there."""

    account: Account
    signed_in_at: datetime


class AppleKeys:
    """The public keys of the issuer by their ids; shared by the threads of a process."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._keys: Mapping[str, Any] = {}
        self._fetched_at = float("-inf")  # time.monotonic()
        self._fetches: deque[float] = deque(maxlen=FETCHES_A_MINUTE)

    def find(self, key_id: str) -> Any:
        """The key with that id, None when the issuer has none. Raises Unavailable when the issuer does not answer."""
        with self._lock:
            is_old = time.monotonic() - self._fetched_at > KEPT_SECONDS
            if (is_old or key_id not in self._keys) and self._may_fetch():
                self._keys, self._fetched_at = self._fetch(), time.monotonic()
            elif is_old:
                raise _no_answer()
            return self._keys.get(key_id)

    def _may_fetch(self) -> bool:
        now = time.monotonic()
        if len(self._fetches) == FETCHES_A_MINUTE and now - self._fetches[0] < 60:
            return False
        self._fetches.append(now)
        return True

    def _fetch(self) -> dict[str, Any]:
        from jwt import PyJWKSet
        from jwt.exceptions import PyJWTError

        try:
            request = Request(self.url, headers={"Accept": "application/json"})
            with build_opener(_NoRedirects).open(request, timeout=TIMEOUT_SECONDS) as answer:
                content = json.loads(answer.read(LARGEST_ANSWER_BYTES))
            found = PyJWKSet.from_dict(content).keys
        except (OSError, ValueError, AttributeError, TypeError, PyJWTError) as error:
            raise _no_answer() from error
        # Only RSA keys meant for RS256 signatures; whatever else the issuer lists is not for us.
        return {
            key.key_id: key.key
            for key in found
            if key.key_id
            and key.key_type == "RSA"
            and key.algorithm_name == "RS256"
            and key.public_key_use in (None, "sig")
        }


class _NoRedirects(HTTPRedirectHandler):
    """Whoever can redirect us chooses the keys: an answer that sends us elsewhere is an error."""

    def redirect_request(self, *_answer: Any) -> None:
        return None


def find_person(db: Connection, keys: AppleKeys, settings: Settings, token: str) -> AppleSignIn:
    """The person with the verified address of an Apple identity token.

    Raises NotSignedIn when signature, issuer, audience or time are wrong, when the address is not verified, nobody's
    here or not on the whitelist, and when APPLE_AUDIENCE is not set; Unavailable when the keys cannot be had.
    """
    if not settings.apple_audience:
        raise _refusal()
    claims = _claims_of(keys, settings, token)
    if claims["email_verified"] is not True and claims["email_verified"] != "true":
        raise _refusal()
    try:
        email = folded_email(str(claims["email"]))
    except Invalid:
        raise _refusal() from None
    row = db.execute(select(_person).where(_person.c.email == email, _person.c.disabled_at.is_(None))).first()
    if row is None or not allows(db, email, settings.allowed_emails):
        raise _refusal()
    return AppleSignIn(account_of(row), datetime.fromtimestamp(claims["iat"], UTC))


def _claims_of(keys: AppleKeys, settings: Settings, token: str) -> dict[str, Any]:
    """What a token says that Apple signed for our app and that has not expired. NotSignedIn for any other."""
    import jwt

    try:
        header = jwt.get_unverified_header(token)
        key = keys.find(str(header.get("kid") or ""))
        if key is None or header.get("alg") != "RS256":
            raise _refusal()
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=settings.apple_audience,
            issuer=settings.apple_issuer,
            options={"require": list(NEEDED)},
        )
        return claims
    except (jwt.PyJWTError, OverflowError):
        raise _refusal() from None


def _refusal() -> NotSignedIn:
    return NotSignedIn("Sign in with Apple again.")


def _no_answer() -> Unavailable:
    return Unavailable("Apple's keys cannot be had just now; try again in a moment.", retry_after_seconds=5)
