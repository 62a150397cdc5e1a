"""What admins may do to people is in force at once, is in the audit log, and never leaves nobody in charge."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from meter import audit, roles, sessions
from meter.audit import CLI, Actor
from meter.errors import AgentmeterError, Conflict, Invalid, NotFound
from meter.people import add_person
from meter.sessions import Browser
from models.db import reading
from models.queries.people import people
from models.queries.scope import Scope


@pytest.fixture
def ada(engine):
    return add_person(engine, "ada@example.com", "admin", "Ada")


@pytest.fixture
def ben(engine, ada):
    return add_person(engine, "ben@example.com", "member", "Ben")


def by(person):
    return Actor(person.id, None, person.email, "192.0.2.1")


def everybody(engine):
    """E-mail -> (role, whether they are shut out)."""
    with reading(engine) as db:
        return {one.email: (one.role, one.disabled_at is not None) for one in people(db, Scope(owner_id=None))}


def acts(engine):
    with reading(engine) as db:
        return [(entry.action, entry.user, entry.target, entry.meta) for entry in audit.entries(db)]


def works(engine, secret):
    with reading(engine) as db:
        try:
            return sessions.find_session(db, secret).account
        except AgentmeterError:
            return None


def test_somebody_is_invited(engine, ada):
    cyd = roles.invite_person(engine, "Cyd@Example.com", "member", actor=by(ada), name="Cyd")
    assert (cyd.email, cyd.role, cyd.name) == ("cyd@example.com", "member", "Cyd")
    assert acts(engine)[-1] == ("person.add", "ada@example.com", "cyd@example.com", {"role": "member"})
    with pytest.raises(Conflict):
        roles.invite_person(engine, "cyd@example.com", "member", actor=by(ada))


def test_a_new_role_is_in_force_with_the_next_request(engine, ada, ben):
    secret = sessions.open_session(engine, ben.id, Browser()).secret
    assert roles.set_role(engine, ben.id, "admin", actor=by(ada)).is_admin
    assert works(engine, secret).is_admin
    assert not roles.set_role(engine, ben.id, "member", actor=by(ada)).is_admin
    assert not works(engine, secret).is_admin
    assert acts(engine)[-2:] == [
        ("role.change", "ada@example.com", "ben@example.com", {"role": "admin", "before": "member"}),
        ("role.change", "ada@example.com", "ben@example.com", {"role": "member", "before": "admin"}),
    ]


def test_whoever_is_shut_out_is_out_at_once_and_signs_in_anew_later(engine, ada, ben):
    secret = sessions.open_session(engine, ben.id, Browser()).secret
    roles.disable_person(engine, ben.id, actor=by(ada))
    assert works(engine, secret) is None
    assert everybody(engine)["ben@example.com"] == ("member", True)
    roles.enable_person(engine, ben.id, actor=by(ada))
    assert works(engine, secret) is None
    assert works(engine, sessions.open_session(engine, ben.id, Browser()).secret)
    assert [(action, meta) for action, _, _, meta in acts(engine)][-2:] == [
        ("person.disable", {"sessions": 1}),
        ("person.enable", {}),
    ]


def test_doing_it_again_changes_nothing_and_is_not_noted(engine, ada, ben):
    roles.disable_person(engine, ben.id, actor=by(ada))
    before = acts(engine)
    roles.disable_person(engine, ben.id, actor=by(ada))
    roles.enable_person(engine, ada.id, actor=by(ada))
    roles.set_role(engine, ada.id, "admin", actor=by(ada))
    assert acts(engine) == before


@pytest.mark.parametrize(
    "change",
    [lambda e, i: roles.set_role(e, i, "member", actor=CLI), lambda e, i: roles.disable_person(e, i, actor=CLI)],
)
def test_the_last_admin_stays_one(engine, ada, ben, change):
    before = acts(engine)
    with pytest.raises(Conflict, match="admin"):
        change(engine, ada.id)
    assert everybody(engine)["ada@example.com"] == ("admin", False)
    assert acts(engine) == before
    roles.set_role(engine, ben.id, "admin", actor=CLI)
    roles.disable_person(engine, ben.id, actor=CLI)
    with pytest.raises(Conflict):  # an admin who is shut out is none
        change(engine, ada.id)
    roles.enable_person(engine, ben.id, actor=CLI)
    change(engine, ada.id)


def test_two_admins_cannot_demote_each_other_at_once(engine, ada, ben):
    for _ in range(10):
        for one in (ada, ben):
            roles.set_role(engine, one.id, "admin", actor=CLI)

        def demote(person):
            try:
                roles.set_role(engine, person.id, "member", actor=CLI)
            except Conflict:
                return 1
            return 0

        with ThreadPoolExecutor(2) as pool:
            assert sum(pool.map(demote, (ada, ben))) == 1
        assert sorted(role for role, _ in everybody(engine).values()) == ["admin", "member"]


def test_bad_input(engine, ada):
    with pytest.raises(Invalid) as caught:
        roles.set_role(engine, ada.id, "owner", actor=CLI)
    assert caught.value.field == "role"
    for act in (roles.disable_person, roles.enable_person):
        with pytest.raises(NotFound):
            act(engine, 99, actor=CLI)
    with pytest.raises(NotFound):
        roles.set_role(engine, 99, "admin", actor=CLI)
    with pytest.raises(NotFound):
        roles.person_id_of(engine, "nobody@example.com")
    assert roles.person_id_of(engine, "ADA@example.com") == ada.id
