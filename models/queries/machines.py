"""The machines somebody's agents ran on."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from models.queries.scope import Scope
from models.types import from_ms, to_ms


@dataclass(frozen=True)
class MachineSeen:
    """A machine of a person: when it was first and last heard of, and its sessions since a moment.

    `last_heard_at` is None for a machine whose calls do not count or are gone.
    """

    owner_id: int
    id: int
    name: str
    first_seen_at: datetime
    last_heard_at: datetime | None
    sessions: int


_MACHINES = """
select m.owner_id, m.id, m.name, m.first_seen_at, max(s.last_ms) as last_ms,
       sum(case when s.last_ms >= :since_ms then 1 else 0 end) as sessions
from machine m left join agent_session s on s.owner_id = m.owner_id and s.machine_id = m.id
{where}
group by m.owner_id, m.id, m.name, m.first_seen_at
order by max(coalesce(s.last_ms, 0)) desc, m.name, m.owner_id, m.id
"""


def machines(db: Connection, scope: Scope, since_at: datetime) -> tuple[MachineSeen, ...]:
    """Every machine in scope, last heard of first; `sessions` are those that went on after `since_at`."""
    where = "" if scope.owner_id is None else "where m.owner_id = :owner"
    given = {"since_ms": to_ms(since_at)} | ({} if scope.owner_id is None else {"owner": scope.owner_id})
    return tuple(
        MachineSeen(
            owner_id=row.owner_id,
            id=row.id,
            name=row.name,
            first_seen_at=from_ms(row.first_seen_at),
            last_heard_at=None if row.last_ms is None else from_ms(row.last_ms),
            sessions=int(row.sessions),
        )
        for row in db.execute(text(_MACHINES.format(where=where)), given)
    )
