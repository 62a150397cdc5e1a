"""Which API tokens there are."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from models.people import Person
from models.queries.scope import Scope
from models.tokens import ApiToken

_person = Person.__table__  # type: ignore[attr-defined]
_token = ApiToken.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class TokenRow:
    """A token as people may see it: whose, what it opens, its first and last letters (`hint`), never its text."""

    id: str
    email: str
    scopes: tuple[str, ...]
    label: str
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def state(self, now_at: datetime) -> str:
        """active, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now_at else "active"


def tokens(db: Connection, scope: Scope, *, token_id: str | None = None) -> tuple[TokenRow, ...]:
    """The tokens of the scope's people, revoked and expired ones too, newest first; or the one with that id."""
    question = (
        select(_token, _person.c.email)
        .join(_person, _person.c.id == _token.c.person_id)
        .order_by(_token.c.created_at.desc(), _token.c.id)
    )
    if scope.owner_id is not None:
        question = question.where(_token.c.person_id == scope.owner_id)
    if token_id is not None:
        question = question.where(_token.c.id == token_id)
    return tuple(
        TokenRow(
            id=row.id,
            email=row.email,
            scopes=tuple(row.scopes.split()),
            label=row.label,
            hint=_hint(row.scopes, row.last_four),
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
        )
        for row in db.execute(question)
    )


def _hint(scopes: str, last_four: str) -> str:
    first = scopes.split()[0]
    return f"{'we' if first == 'embed' else 'am_' + first}_…{last_four}"
