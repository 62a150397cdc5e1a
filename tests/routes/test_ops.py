"""For those who look after the server."""

import json

import pytest
from sqlalchemy import text

from meter.version import VERSION
from models.db import make_engine, writing


def test_status_is_what_the_contract_says(anonymous):
    answer = anonymous.get("/status")
    assert answer.status_code == 200
    assert (
        answer.text
        == json.dumps({"status": "ok", "version": VERSION, "environment": "production"}, separators=(",", ":")) + "\n"
    )


def test_status_takes_get_only(anonymous):
    answer = anonymous.post("/status")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_health_tells_the_database(anonymous):
    answer = anonymous.get("/healthz")
    assert answer.status_code == 200
    assert answer.json == {"ok": True, "database": "ok", "sync": "never"}


def test_health_is_503_when_the_database_is_not_ours_any_more(app, anonymous):
    with writing(app.extensions["engine"]) as db:
        db.execute(text("drop table alembic_version"))
    answer = anonymous.get("/healthz")
    assert answer.status_code == 503
    assert answer.json == {"ok": False, "database": "needs upgrade", "sync": "unknown"}


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "sqlite:////nowhere/at/all.db"])
def test_while_the_database_is_gone_everything_says_503_and_nobody_gets_in(app, client, url):
    app.extensions["engine"].dispose()
    app.extensions["engine"] = make_engine(url)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"ok": False, "database": "gone", "sync": "unknown"})
    for path in ("/", "/login", "/claim"):
        assert client.get(path).status_code == 503
    assert client.post("/settings/theme", data={"theme": "dark"}).status_code == 503
    assert client.get("/status").status_code == 200


def test_browsers_find_the_icon_and_robots_stay_out(anonymous):
    assert anonymous.get("/favicon.ico").mimetype == "image/svg+xml"
    assert "Disallow: /" in anonymous.get("/robots.txt").text
