"""Whose something is, and who may do what, comes from the credential; nothing written into a body changes it."""

import pytest
from sqlalchemy import text

from credentials import bearer_of, sending
from models.db import reading
from models.tables import metadata
from support import signed_in

SAFE = {"GET", "HEAD", "OPTIONS"}
ENDS_THE_ACCOUNT = ("/account", "/settings/delete")
FORGED = {
    "role": "admin",
    "scope": "admin",
    "scopes": ["admin"],
    "owner_id": 1,
    "person_id": 1,
    "user": "ada@example.com",
}
FORGED |= {"user_id": 1, "is_admin": True, "email": "ada@example.com", "kind": "bearer", "disabled_at": None}
# What only an admin, or nobody at all, may bring about.
PRIVILEGES = (
    "select id, email, role, disabled_at, created_at from person order by id",
    "select id, claimed_at, created_at from installation",
    "select person_id from api_token where person_id <> 2 or scopes like '%admin%'",
    "select person_id from browser_session where person_id not in (1, 2)",
    "select rule from allowed_email order by rule",
    "select name, value from setup_value order by name",
    "select owner_id, id from machine where owner_id <> 2",
    "select owner_id from call where owner_id <> 2",
)


def privileges(app):
    with reading(app.extensions["engine"]) as db:
        return [db.execute(text(question)).all() for question in PRIVILEGES]


def unsafe_routes(app):
    for rule in app.url_map.iter_rules():
        if rule.rule not in ENDS_THE_ACCOUNT:
            yield from ((rule, method) for method in sorted(rule.methods - SAFE))


def filled(rule):
    """The path of a rule, with the first person's number or a made-up id in its places."""
    path = rule.rule
    for name, converter in rule._converters.items():
        value = "1" if type(converter).__name__ == "IntegerConverter" else "made-up"
        path = path.replace(f"<int:{name}>", value).replace(f"<path:{name}>", value).replace(f"<{name}>", value)
    return path


def every_column():
    """A value for the name of every column there is, in both spellings of names."""
    names = {column.name for table in metadata.sorted_tables for column in table.c}
    camel = {"".join(part.title() if place else part for place, part in enumerate(name.split("_"))) for name in names}
    return {**dict.fromkeys(names | camel, 1), **FORGED}


@pytest.mark.parametrize("way", ["json", "form"])
def test_no_body_gives_a_member_any_right(app, ada, ben, way):
    body = every_column()
    before = privileges(app)
    tried = 0
    for rule, method in unsafe_routes(app):
        for client in (signed_in(app, ben), sending(app, bearer_of(app, ben))):
            sent = {"json": body} if way == "json" else {"data": {name: str(value) for name, value in body.items()}}
            answer = client.open(filled(rule), method=method, **sent)
            assert answer.status_code < 500, (method, rule.rule)
            assert privileges(app) == before, (method, rule.rule)
            tried += 1
    assert tried > 20


def test_a_member_cannot_name_another_owner_in_the_query(app, ada, ben):
    client = signed_in(app, ben)
    for name in ("owner_id", "person", "person_id", "user", "user_id"):
        assert client.get("/", query_string={name: "1"}).status_code in (200, 400, 404)
        assert "ada@example.com" not in client.get("/", query_string={name: "1"}).text
