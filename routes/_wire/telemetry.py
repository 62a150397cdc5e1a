"""The promised bodies of family telemetry, letter by letter."""

from meter.sessions import NewSession
from routes._wire.times import iso

Json = dict[str, object]


def link_sent(email: str) -> Json:
    """POST /api/auth"""
    return {"message": f"Magic link sent to {email}"}


def session(new: NewSession) -> Json:
    """POST /api/auth/redeem; the only time the bearer secret is told."""
    who = new.account
    user = {"id": who.id, "email": who.email, "role": who.role}
    return {"session_token": new.secret, "expires_at": iso(new.expires_at), "user": user}
