"""What people choose for themselves: name, time zone, theme, one-key shortcuts."""

from datetime import UTC, datetime

from sqlalchemy import Engine, update

from meter.errors import Invalid
from meter.settings import zone_name
from models.db import writing
from models.people import Person

THEMES = ("system", "light", "dark")
NAME_LENGTH = 100

_person = Person.__table__  # type: ignore[attr-defined]


def save_profile(engine: Engine, person_id: int, *, name: str, timezone: str, theme: str, has_shortcuts: bool) -> None:
    """Keep what a person typed about themselves. Raises Invalid naming the field that cannot be used."""
    values = {
        "name": checked_name(name),
        "timezone": checked_zone(timezone),
        "theme": checked_theme(theme),
        "shortcuts_off_at": None if has_shortcuts else datetime.now(UTC),
    }
    with writing(engine) as db:
        db.execute(update(_person).where(_person.c.id == person_id).values(values))


def set_theme(engine: Engine, person_id: int, theme: str) -> None:
    """Keep a person's choice of light, dark or as the system has it. Invalid on anything else."""
    with writing(engine) as db:
        db.execute(update(_person).where(_person.c.id == person_id).values(theme=checked_theme(theme)))


def checked_name(name: str) -> str:
    """A name with single spaces. Raises Invalid on an empty one, on more than 100 characters and on control signs."""
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise Invalid(f"A name has 1 to {NAME_LENGTH} characters that can be printed.", field="name")
    return name


def checked_zone(timezone: str) -> str:
    """The name of a time zone, UTC for an empty one. Raises Invalid when there is no such zone."""
    try:
        return zone_name(timezone.strip() or "UTC")
    except ValueError as error:
        raise Invalid(f"The time zone {error}.", field="timezone") from None


def checked_theme(theme: str) -> str:
    """One of THEMES, else Invalid."""
    if theme not in THEMES:
        raise Invalid(f"theme is one of {', '.join(THEMES)}", field="theme")
    return theme
