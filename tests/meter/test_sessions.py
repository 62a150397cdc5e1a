"""Who is signed in: sessions end when they should, and people see and end their own."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from meter import login, sessions
from meter.audit import CLI
from meter.errors import NotFound, NotSignedIn
from meter.login import Browser
from models.db import reading, writing
from models.types import to_ms

HERE = Browser("Firefox", "127.0.0.1")


@pytest.fixture
def ada_id(engine):
    return login.add_person(engine, "ada@example.com", "admin", "Ada").id


@pytest.fixture
def ben_id(engine, ada_id):
    return login.add_person(engine, "ben@example.com").id


def is_open(engine, session):
    with reading(engine) as db:
        try:
            return bool(sessions.find_session(db, session.secret))
        except NotSignedIn:
            return False


def set_all(engine, column, at):
    with writing(engine) as db:
        db.execute(text(f"update browser_session set {column} = :at"), {"at": to_ms(at)})


@pytest.mark.parametrize("kind", [sessions.BROWSER, sessions.BEARER])
@pytest.mark.parametrize(("column", "age"), [("last_seen_at", timedelta(days=7)), ("expires_at", timedelta(0))])
def test_a_session_ends_by_idleness_and_by_age(engine, ada_id, kind, column, age):
    session = sessions.open_session(engine, ada_id, HERE, kind)
    assert is_open(engine, session)
    set_all(engine, column, datetime.now(UTC) - age)
    assert not is_open(engine, session)
    with reading(engine) as db:
        assert sessions.sessions_of(db, ada_id) == ()


def test_a_session_lasts_thirty_days_at_most(engine, ada_id):
    left = sessions.open_session(engine, ada_id, HERE).expires_at - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)


def test_who_is_disabled_is_signed_in_nowhere(engine, ada_id):
    session = sessions.open_session(engine, ada_id, HERE)
    with writing(engine) as db:
        db.execute(text("update person set disabled_at = 1"))
    assert not is_open(engine, session)
    with pytest.raises(NotFound):
        sessions.open_session(engine, ada_id, HERE)


def test_people_see_their_own_sessions_the_latest_first(engine, ada_id, ben_id):
    first = sessions.open_session(engine, ada_id, HERE)
    set_all(engine, "last_seen_at", datetime.now(UTC) - timedelta(hours=1))
    second = sessions.open_session(engine, ada_id, Browser("curl", "::1"), sessions.BEARER)
    sessions.open_session(engine, ben_id, HERE)
    with reading(engine) as db:
        seen = sessions.sessions_of(db, ada_id)
    assert [(one.id, one.kind, one.user_agent) for one in seen] == [
        (second.session_id, "bearer", "curl"),
        (first.session_id, "browser", "Firefox"),
    ]


def test_nobody_ends_a_session_of_somebody_else(engine, ada_id, ben_id):
    session = sessions.open_session(engine, ada_id, HERE)
    for person_id, session_id in ((ben_id, session.session_id), (ada_id, "unknown")):
        with pytest.raises(NotFound):
            sessions.revoke_session(engine, person_id, session_id, CLI)
    assert is_open(engine, session)
    sessions.revoke_session(engine, ada_id, session.session_id, CLI)
    assert not is_open(engine, session)


def test_signing_out_everywhere_spares_other_people(engine, ada_id, ben_id):
    adas = [sessions.open_session(engine, ada_id, HERE) for _ in range(3)]
    bens = sessions.open_session(engine, ben_id, HERE)
    assert sessions.end_all_sessions(engine, ada_id, CLI) == 3
    assert [is_open(engine, session) for session in (*adas, bens)] == [False, False, False, True]
    with pytest.raises(NotFound):
        sessions.end_all_sessions(engine, 99, CLI)


def test_a_new_session_clears_away_what_has_ended_by_itself(engine, ada_id):
    sessions.open_session(engine, ada_id, HERE)
    set_all(engine, "expires_at", datetime.now(UTC))
    sessions.open_session(engine, ada_id, HERE)
    with reading(engine) as db:
        assert db.execute(text("select count(*) from browser_session")).scalar() == 1


def test_control_characters_of_a_browser_name_are_not_kept(engine, ada_id):
    sessions.open_session(engine, ada_id, Browser("Fire\r\nfox\x1b[31m" + "x" * 1000, "::1"))
    with reading(engine) as db:
        [kept] = sessions.sessions_of(db, ada_id)
    assert kept.user_agent.startswith("Fire  fox [31mx")
    assert len(kept.user_agent) == sessions.AGENT_LENGTH
