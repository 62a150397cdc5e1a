"""What a person may change about the machines their agents ran on."""

from sqlalchemy import Engine, update

from meter.errors import NotFound
from meter.profile import checked_name
from models.db import writing
from models.usage import Machine

_machine = Machine.__table__  # type: ignore[attr-defined]


def rename(engine: Engine, owner_id: int, machine_id: int, name: str) -> None:
    """Give a person's machine another name; its identity stays, so what it sends keeps going to it.

    Raises Invalid on an empty, too long or unprintable name, NotFound when the person has no such machine.
    """
    values = {"name": checked_name(name)}
    is_it = (_machine.c.owner_id == owner_id, _machine.c.id == machine_id)
    with writing(engine) as db:
        if not db.execute(update(_machine).where(*is_it).values(values)).rowcount:
            raise NotFound("There is no such machine here.")
