"""Secrets stay with whoever they were made for: not in the database, not in the audit log, not in the program's log."""

import logging

import pytest
from sqlalchemy import Text, select

from credentials import bearer_of, jwt_of, sending, token_of
from meter import login
from models.db import reading
from models.tables import metadata
from support import browser_of

SHORTEST = 20  # letters of a secret that may not be found anywhere


def use_everything(app, ada):
    """Make and use every kind of secret, also where that fails; the secrets by kind."""
    engine, keys = app.extensions["engine"], app.extensions["secret_keys"]
    anonymous = browser_of(app)
    made = {"wrong claim": "claim-" + "w" * 32, "wrong link": "x" * 43, "wrong token": "am_read_" + "Z" * 38}
    anonymous.post("/claim", data={"secret": made["wrong claim"], "email": "eve@example.com", "name": "Eve"})
    anonymous.get(f"/login/{made['wrong link']}")
    anonymous.post(f"/login/{made['wrong link']}")
    sending(app, made["wrong token"]).get("/api/admin/audit")
    made["link"] = login.make_login_link(engine, keys, ada.email).token
    anonymous.get(f"/login/{made['link']}?next=/")
    answer = anonymous.post(f"/login/{made['link']}")
    for cookie in answer.headers.getlist("Set-Cookie"):
        name, _, value = cookie.partition(";")[0].partition("=")
        made[f"cookie {name}"] = value
    made["token"] = token_of(app, ada, "admin", label="ci").text
    made["embed"] = token_of(app, ada, "embed").text
    made["bearer"], made["jwt"] = bearer_of(app, ada), jwt_of(app, ada)
    for name in ("token", "bearer", "jwt"):
        assert sending(app, made[name]).get("/api/setup/status").status_code == 200
    anonymous.get(f"/embed/totals?token={made['embed']}")
    anonymous.post("/logout")
    return made


def parts_of(secrets):
    """Every piece of a secret that is one by itself."""
    for name, secret in secrets.items():
        yield from ((name, part) for part in secret.split(".") if len(part) >= SHORTEST and not part.startswith("eyJ"))


def stored_words(app):
    """Every text in every table."""
    with reading(app.extensions["engine"]) as db:
        for table in metadata.sorted_tables:
            for column in table.c:
                if isinstance(column.type, Text):
                    yield from (word for word in db.execute(select(column)).scalars() if word)


@pytest.fixture
def log_of_everything(caplog):
    """What anybody logs, down to DEBUG."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("agentmeter").propagate = True
    return caplog


def test_no_secret_stands_in_the_database(app, ada):
    secrets = use_everything(app, ada)
    words = list(stored_words(app))
    assert len(secrets) > 9
    assert not [(name, part) for name, part in parts_of(secrets) if any(part in word for word in words)]


def test_no_secret_stands_in_the_log(app, ada, log_of_everything):
    secrets = use_everything(app, ada)
    text = log_of_everything.text
    assert not [name for name, part in parts_of(secrets) if part in text]


def test_an_error_while_a_secret_is_used_does_not_tell_it(app, ada, log_of_everything):
    """The database goes away in the middle of everything."""
    engine, keys = app.extensions["engine"], app.extensions["secret_keys"]
    link = login.make_login_link(engine, keys, ada.email).token
    token = token_of(app, ada, "admin").text
    with engine.begin() as db:
        for table in ("api_token", "refresh_family", "mail", "login_link"):
            db.exec_driver_sql(f"alter table {table} rename to {table}_gone")
    answers = [browser_of(app).post(f"/login/{link}"), sending(app, token).get("/api/admin/audit")]
    assert all(answer.status_code >= 500 for answer in answers)
    told = log_of_everything.text + "".join(answer.text for answer in answers)
    assert link not in told
    assert token not in told
    assert not any(part in told for part in link.split(".") if len(part) >= SHORTEST)
