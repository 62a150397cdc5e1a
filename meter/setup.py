"""What the setup wizard asks: who uses the installation, how it runs. Answers can be taken back, the claim cannot."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, delete, select, text

from meter.audit import Actor, record
from meter.errors import Invalid
from models.db import writing
from models.setup import SetupValue
from models.types import to_ms

SCENARIOS = ("solo", "team", "org")
INFRAS = ("native-launchd", "docker-single", "docker-compose", "kubernetes", "headless")
HEADLESS = "headless"
_SCENARIO, _INFRA, _COMPLETED = "setup.scenario", "setup.infra", "setup.completed"

_value = SetupValue.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class SetupState:
    """Where the setup stands. scenario is one of SCENARIOS, infra one of INFRAS; all None until it is complete."""

    scenario: str | None = None
    infra: str | None = None
    completed_at: datetime | None = None

    @property
    def is_complete(self) -> bool:
        return self.completed_at is not None

    @property
    def is_headless(self) -> bool:
        return self.infra == HEADLESS


def setup_state(db: Connection) -> SetupState:
    """Where the setup stands now."""
    rows = {row.name: row for row in db.execute(select(_value).where(_value.c.name.startswith("setup.")))}
    if _COMPLETED not in rows:
        return SetupState()
    return SetupState(rows[_SCENARIO].value, rows[_INFRA].value, rows[_COMPLETED].changed_at)


def complete_setup(engine: Engine, scenario: str, infra: str, actor: Actor) -> SetupState:
    """Note the answers. Once more with the same ones changes nothing; with others it keeps the first time.

    Raises Invalid naming the field that is none of the choices.
    """
    for field, value, choices in (("scenario", scenario, SCENARIOS), ("infra", infra, INFRAS)):
        if value not in choices:
            raise Invalid(f"{field} is one of {', '.join(choices)}.", field=field)
    with writing(engine) as db:
        before = setup_state(db)
        if (before.scenario, before.infra) != (scenario, infra):
            at = before.completed_at or datetime.now(UTC)
            for name, value in ((_SCENARIO, scenario), (_INFRA, infra), (_COMPLETED, "yes")):
                db.execute(_KEEP, {"name": name, "value": value, "at": to_ms(at)})
            record(db, "setup.complete", actor=actor, meta={"scenario": scenario, "infra": infra})
        return setup_state(db)


def reset_setup(engine: Engine, actor: Actor) -> SetupState:
    """Forget the answers, so that the wizard asks again. Who owns the installation stays settled."""
    with writing(engine) as db:
        if db.execute(delete(_value).where(_value.c.name.startswith("setup."))).rowcount:
            record(db, "setup.reset", actor=actor)
        return setup_state(db)


_KEEP = text(
    "insert into setup_value (name, value, changed_at) values (:name, :value, :at)"
    " on conflict (name) do update set value = excluded.value, changed_at = excluded.changed_at"
)
