"""A process that does one audited act after another until it is killed, and what the audit log says must be there."""

from itertools import count

from sqlalchemy import Connection, text

from meter import audit, roles
from meter.account import delete_account
from meter.audit import CLI
from meter.people import add_person
from models.db import make_engine

FIRST_ADMIN = "ada@example.com"


def act_until_killed(url: str, round_: int) -> None:
    """Add people, change them, delete some, for ever."""
    engine = make_engine(url)
    for number in count():
        person = add_person(engine, f"p{round_}-{number}@example.com")
        roles.set_role(engine, person.id, "admin", actor=CLI)
        roles.disable_person(engine, person.id, actor=CLI)
        if number % 3 == 0:
            delete_account(engine, person.id, CLI)
        elif number % 3 == 1:
            roles.enable_person(engine, person.id, actor=CLI)


def people_there(db: Connection) -> dict[int, tuple[str, bool]]:
    """Id -> (role, whether they are shut out), as the table has it."""
    rows = db.execute(text("select id, role, disabled_at from person"))
    return {row.id: (row.role, row.disabled_at is not None) for row in rows}


def people_by_log(db: Connection) -> dict[int, tuple[str, bool]]:
    """The same, as the audit log tells it from its first row on."""
    found: dict[int, tuple[str, bool]] = {}
    for entry in audit.entries(db, limit=1_000_000):
        who = entry.target_id
        if entry.action == "person.add":
            found[who] = (entry.meta["role"], False)
        elif entry.action == "role.change":
            found[who] = (entry.meta["role"], found[who][1])
        elif entry.action in ("person.disable", "person.enable"):
            found[who] = (found[who][0], entry.action == "person.disable")
        elif entry.action == "person.delete":
            del found[who]
    return found
