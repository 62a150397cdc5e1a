"""The step that brings the whitelist: whoever was there before may still come in, and stays signed in."""

import uuid

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from meter import sessions
from meter.email_rules import allows
from meter.keys import hash_of
from models.db import MIGRATIONS, make_engine, reading, upgrade, writing

DAY_MS = 86_400_000


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request, tmp_path):
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server, postgres = request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres")
    name = f"agentmeter_test_{uuid.uuid4().hex[:12]}"
    with server.connect() as db:
        db.execute(text(f"create database {name}"))
    yield postgres.url.replace(postgres.name, name)
    with server.connect() as db:
        db.execute(text(f"drop database {name} with (force)"))


def upgrade_to(engine, revision):
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_people_of_before_are_on_the_whitelist_and_stay_signed_in(empty):
    engine = make_engine(empty)
    upgrade_to(engine, "2026_11_20b")
    with writing(engine) as db:
        db.execute(
            text(
                "insert into person (id, email, name, role, timezone, theme, created_at)"
                " values (1, 'ada@example.com', 'Ada', 'admin', 'UTC', 'system', 7)"
            )
        )
        now_ms = 40_000 * DAY_MS
        row = {"id": hash_of("secret"), "now": now_ms}
        db.execute(
            text(
                "insert into browser_session (id, person_id, created_at, last_seen_at, expires_at, user_agent, ip)"
                " values (:id, 1, :now, :now, :now, '', '')"
            ),
            row,
        )
    upgrade(engine)
    with reading(engine) as db:
        assert allows(db, "ada@example.com", ())
        [session] = sessions.sessions_of(db, 1)
        assert session.kind == sessions.BROWSER
        assert sessions.find_session(db, "secret").account.email == "ada@example.com"
    engine.dispose()
