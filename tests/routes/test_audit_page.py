"""The audit log as a page: who sees it, what is in it, how one turns its pages."""

import html
import re

import pytest
from sqlalchemy import text

from meter.audit import ACTIONS, Actor, record
from models.db import writing
from pages import SWAP, text_of
from routes.audit_page import WORDS

ROWS = 50


def acts(answer):
    """The rows of the table as people read them."""
    body = re.search(r"<tbody>(.*?)</tbody>", answer.text, re.S)
    return [text_of(row) for row in re.findall(r"<tr>(.*?)</tr>", body[1], re.S)] if body else []


def labels(answer):
    return [re.search(r"label (\S+)", row)[1] for row in acts(answer)]


def way(answer, name):
    found = re.search(rf'href="([^"]+)">[‹ ]*{name}', answer.text)
    return html.unescape(found[1]) if found else None


def write_acts(app, person, count):
    with writing(app.extensions["engine"]) as db:
        for number in range(count):
            meta = {"label": f"n{number}", "scope": "read"}
            record(db, "token.create", actor=Actor(person.id, None, person.email, "10.0.0.7"), meta=meta)


def test_the_page_is_for_admins(anonymous, bens_client, client):
    assert anonymous.get("/audit").headers["Location"] == "/login?next=%2Faudit"
    assert bens_client.get("/audit").status_code == 403
    assert client.get("/audit").status_code == 200


def test_acts_are_told_in_words_newest_first(app, client, ada, ben):
    client.post(f"/people/{ben.id}/role", data={"role": "admin"})
    newest, *_, oldest = acts(client.get("/audit"))
    assert re.search(r"Role changed ada@example.com ben@example.com .*role admin.* 127.0.0.1$", newest)
    assert re.search(r"Person added cli ada@example.com .*role admin", oldest)


def test_every_act_has_words():
    assert set(WORDS) == ACTIONS


def test_the_chain_is_said_to_be_whole_or_broken(app, client, ada):
    write_acts(app, ada, 3)
    page = client.get("/audit")
    count = len(acts(page))
    assert f"chain intact, {count} entries" in text_of(page)
    with writing(app.extensions["engine"]) as db:
        if db.dialect.name == "sqlite":
            db.execute(text("drop trigger audit_keeps"))
        else:
            db.execute(text("set local session_replication_role = replica"))
        db.execute(text("update audit set action = 'logout' where id = 2"))
    assert "! chain broken at entry 2" in text_of(client.get("/audit"))
    if client.application.extensions["settings"].database_url.startswith("sqlite"):
        return
    with writing(app.extensions["engine"]) as db:  # the database is used by other tests, which trust its trigger
        db.execute(text("set local session_replication_role = replica"))
        db.execute(text("delete from audit"))


def test_a_long_log_is_checked_when_asked(app, client, ada, monkeypatch):
    monkeypatch.setattr("routes.audit_page.CHECKED_BY_ITSELF", 1)
    page = client.get("/audit")
    assert "chain intact" not in text_of(page)
    assert "chain intact" in text_of(client.get(way(page, "Check the chain")))


def test_pages_turn_back_and_forth(app, client, ada):
    write_acts(app, ada, 120)
    newest = client.get("/audit?action=token")
    assert labels(newest) == [f"n{number}" for number in range(119, 69, -1)]
    assert way(newest, "Newer") is None
    middle = client.get(way(newest, "Older"))
    assert labels(middle) == [f"n{number}" for number in range(69, 19, -1)]
    oldest = client.get(way(middle, "Older"))
    assert labels(oldest) == [f"n{number}" for number in range(19, -1, -1)]
    assert way(oldest, "Older") is None
    assert labels(client.get(way(oldest, "Newer"))) == labels(middle)
    assert labels(client.get(way(middle, "Newer"))) == labels(newest)


def test_filters_narrow_and_can_be_taken_away(app, client, ada, ben):
    write_acts(app, ben, 2)
    client.post("/settings/tokens", data={"label": "x", "scope": "read", "expires": "30"})
    page = client.get(f"/audit?action=token&person={ben.id}")
    assert labels(page) == ["n1", "n0"]
    assert re.search(rf'class="chip".*?href="/audit\?person={ben.id}"', page.text, re.S)
    assert len(acts(client.get("/audit?action=token.create"))) == 3
    assert acts(client.get("/audit?action=export")) == []
    assert "No entry fits" in text_of(client.get("/audit?action=export"))


def test_days_are_those_of_the_viewers_zone(app, client, ada):
    today = re.search(r'<time datetime="(\d{4}-\d\d-\d\d)', client.get("/audit").text)[1]
    assert acts(client.get(f"/audit?from={today}&to=2099-01-01"))
    assert not acts(client.get("/audit?to=2020-01-01"))
    assert not acts(client.get("/audit?from=2098-01-01&to=2099-01-01"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("action=nothing", "action is one of"),
        ("person=999", "person is one of"),
        ("from=yesterday", "from is not a day"),
        ("from=2026-02-02&to=2026-02-01", "to is before from"),
        ("before=x", "before is the number of an entry"),
        ("after=-1", "after is the number of an entry"),
        ("check=2", "check is one of"),
    ],
)
def test_unknown_values_are_refused_by_name(client, query, said):
    answer = client.get(f"/audit?{query}")
    assert answer.status_code == 400
    assert said in text_of(answer)


def test_a_swap_is_the_body_of_the_same_page(client):
    swap = client.get("/audit", headers=SWAP)
    assert "<html" not in swap.text
    assert swap.text.strip() in client.get("/audit").text
    assert {"HX-Request", "HX-Request-Type"} <= set(swap.vary)


def test_names_from_outside_stay_text(app, client, ada):
    with writing(app.extensions["engine"]) as db:
        record(db, "origin.add", actor=Actor(ada.id, None, "<script>x</script>", ""), target="<img src=x>")
    page = client.get("/audit")
    assert "<img" not in page.text
    assert "<script>x" not in page.text
