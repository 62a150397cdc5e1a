"""Every template is rendered by some page, so that none is dead and none is broken unseen."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from calls import UNPRICED, call, store_calls
from mail_server import MailServer
from meter import login
from pages import SWAP
from support import browser_of, signed_in

TEMPLATES = Path(__file__).parents[1] / "templates"
PAGES = ("/settings", "/people", "/audit", "/setup", "/setup?step=2", "/setup?step=3", "/setup?step=4")


@pytest.fixture
def smtp():
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def app(make_app, smtp):
    app = make_app(AGENTMETER_SMTP_URL=smtp.url)
    yield app
    app.extensions["postman"].stop()


@pytest.fixture
def loaded(app, monkeypatch):
    """The names of the templates the application has loaded so far."""
    names, load = set(), app.jinja_env.loader.get_source

    def note(environment, name):
        names.add(name)
        return load(environment, name)

    monkeypatch.setattr(app.jinja_env.loader, "get_source", note)
    return names


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_template_is_rendered_at_least_once(app, loaded, smtp):
    stranger = browser_of(app)
    assert stranger.get("/claim").status_code == 200
    ada = login.add_person(app.extensions["engine"], "ada@example.com", "admin", "Ada Lovelace", "Europe/Berlin")
    link = login.make_login_link(app.extensions["engine"], app.extensions["secret_keys"], ada.email)
    assert [stranger.get(path).status_code for path in ("/login", f"/login/{link.token}", "/login/used")] == [
        200,
        200,
        404,
    ]
    client = signed_in(app, ada)
    assert "Nothing here yet" in client.get("/").text
    store_calls(app, ada, call(datetime.now(UTC), llm_model=UNPRICED))
    assert "no price" in client.get("/").text
    assert "no price" in client.get("/", headers=SWAP).text
    assert "No usage" in client.get("/?from=2020-01-01&to=2020-01-02").text
    assert [client.get("/nowhere", headers=headers).status_code for headers in ({}, SWAP)] == [404, 404]
    assert {client.get(path).status_code for path in PAGES} == {200}
    assert stranger.post("/login", data={"email": ada.email}).status_code == 200
    assert client.post("/people", data={"email": "ben@example.com", "role": "admin"}).status_code == 303
    smtp.wait_for(2)
    assert "Your data is gone" in client.post("/settings/delete", data={"confirm": ada.email}).text
    assert loaded == {path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.*")}
