"""Rules of the whitelist: how one is written, and which addresses it lets in.

A rule is an address, or `@domain` for every address there. A domain rule covers plain ASCII addresses only: letters
that merely look alike may be delivered to somebody else's mailbox, so such an address has to be listed itself.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select, text

from models.people import AllowedEmail
from models.types import to_ms

_allowed = AllowedEmail.__table__  # type: ignore[attr-defined]


def rules_for(email: str) -> tuple[str, ...]:
    """Every rule that would let an address in."""
    return (email, "@" + email.rpartition("@")[2]) if email.isascii() else (email,)


def allows(db: Connection, email: str, fixed: Sequence[str], *, holds: bool = False) -> bool:
    """Whether an address may come in by the rules of the settings (`fixed`) or a stored one.

    holds: keep that rule from being removed until the transaction ends.
    """
    wanted = rules_for(email)
    if not set(wanted).isdisjoint(fixed):
        return True
    question = select(_allowed.c.rule).where(_allowed.c.rule.in_(wanted)).order_by(_allowed.c.rule)
    return db.execute(question.with_for_update(read=True) if holds else question).first() is not None


def keep_rule(db: Connection, rule: str) -> bool:
    """Add a rule, inside a transaction; False when it is there already."""
    added = "insert into allowed_email (rule, added_at) values (:rule, :now) on conflict (rule) do nothing"
    return db.execute(text(added), {"rule": rule, "now": to_ms(datetime.now(UTC))}).rowcount == 1
