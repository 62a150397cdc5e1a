"""The settings page through HTTP: what people change, with scripts and without, and what they may not."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, text

from calls import call, store_calls
from meter.people import add_person
from pages import SWAP, action, rows, section, text_of
from routes._format import day
from support import signed_in

NOW = datetime.now(UTC)
BERLIN = ZoneInfo("Europe/Berlin")
PROFILE = {"name": "Ada L.", "timezone": "Asia/Kathmandu", "theme": "dark", "shortcuts": "1"}
MEMBERS_POSTS = (
    ("/settings/profile", PROFILE),
    ("/settings/machines/1", {"name": "other"}),
    ("/settings/tokens", {"label": "x", "scope": "read", "expires": "30"}),
    ("/settings/tokens/nothing/revoke", {}),
    ("/settings/browsers/nothing/end", {}),
    ("/settings/browsers/end", {}),
    ("/settings/delete", {"confirm": "ada@example.com"}),
)
ADMINS_POSTS = (
    ("/settings/whitelist", {"rule": "@example.org"}),
    ("/settings/whitelist/remove", {"rule": "@example.org"}),
)


def everything(app):
    """Every row of every table but those that say when somebody was last seen."""
    with app.extensions["engine"].connect() as db:
        tokens = "(select id, token_hash, label, scopes, revoked_at from api_token)"
        names = ("person", "machine", tokens, "allowed_email", "audit", "audit_private")
        return [sorted(map(repr, db.execute(text(f"select * from {name} t")))) for name in names]


def new_token(client, headers=None, **changes):
    form = {"label": "Spreadsheet", "scope": "read", "expires": "90", **changes}
    return client.post("/settings/tokens", data=form, headers=headers)


def secret_in(answer):
    found = re.search(r"<code>(am_\w+)</code>", answer.text)
    return found[1] if found else ""


def test_a_stranger_is_sent_to_the_login_page(anonymous, ada):
    answer = anonymous.get("/settings")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=%2Fsettings")


@pytest.mark.parametrize(("path", "form"), MEMBERS_POSTS + ADMINS_POSTS)
def test_a_stranger_changes_nothing(app, anonymous, ada, path, form):
    before = everything(app)
    assert anonymous.post(path, data=form).status_code == 401
    assert everything(app) == before


@pytest.mark.parametrize(("path", "form"), MEMBERS_POSTS + ADMINS_POSTS)
def test_another_site_changes_nothing(app, client, path, form):
    before = everything(app)
    assert client.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert everything(app) == before


@pytest.mark.parametrize(("path", "form"), ADMINS_POSTS)
def test_the_whitelist_is_closed_to_members(app, bens_client, path, form):
    before = everything(app)
    assert bens_client.post(path, data=form).status_code == 403
    assert everything(app) == before
    assert not section(bens_client.get("/settings"), "whitelist")


@pytest.mark.parametrize(("path", "form"), MEMBERS_POSTS)
def test_an_api_token_opens_no_settings(app, client, anonymous, path, form):
    secret = secret_in(new_token(client, scope="admin"))
    before = everything(app)
    anonymous.environ_base.pop("HTTP_SEC_FETCH_SITE")
    assert anonymous.post(path, data=form, headers={"Authorization": f"Bearer {secret}"}).status_code == 403
    assert everything(app) == before


def test_the_profile_is_kept(client):
    answer = client.post("/settings/profile", data=PROFILE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings?done=profile#profile")
    page = client.get("/settings?done=profile")
    assert 'value="Ada L."' in section(page, "profile")
    assert "Times in Asia/Kathmandu" in text_of(page)
    assert '<html lang="en" data-theme="dark">' in page.text
    assert "Saved" in text_of(section(page, "profile"))


def test_the_theme_is_kept_from_the_menu(client):
    answer = client.post("/settings/theme?next=/people", data={"theme": "light"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/people")
    assert 'data-theme="light"' in client.get("/").text
    assert client.post("/settings/theme", data={"theme": "dark"}, headers=SWAP).status_code == 204
    assert 'data-theme="dark"' in client.get("/").text
    assert client.post("/settings/theme", data={"theme": "neon"}).status_code == 400


def test_shortcuts_can_be_switched_off_and_on(client):
    assert "data-show-keys" in client.get("/settings").text
    client.post("/settings/profile", data={**PROFILE, "shortcuts": ""})
    assert "data-show-keys" not in client.get("/settings").text
    client.post("/settings/profile", data=PROFILE)
    assert "data-show-keys" in client.get("/settings").text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": " "}, "A name has 1 to 100"),
        ({"name": "x" * 101}, "A name has 1 to 100"),
        ({"name": "a\u202eb"}, "that can be printed"),
        ({"timezone": "Mars/Olympus"}, "The time zone must be"),
        ({"theme": "neon"}, "theme is one of"),
    ],
)
def test_what_cannot_be_used_is_said_beside_its_field(client, change, said):
    answer = client.post("/settings/profile", data={**PROFILE, "name": "Grace", **change})
    assert answer.status_code == 400
    assert said in text_of(answer)
    if "name" not in change:
        assert 'value="Grace"' in section(answer, "profile")
    assert "Ada Lovelace" in client.get("/settings").text


def test_a_swap_gets_the_section_alone(client):
    answer = client.post("/settings/profile", data=PROFILE, headers=SWAP, follow_redirects=True)
    assert answer.text.startswith('<section class="panel" id="profile"')
    assert "<html" not in answer.text
    assert answer.text.count("<hx-partial") == 2
    refused = client.post("/settings/profile", data={**PROFILE, "name": ""}, headers=SWAP)
    assert (refused.status_code, refused.headers["HX-Reswap"]) == (400, "outerMorph show:none")
    assert 'aria-invalid="true"' in section(refused, "profile")


def test_machines_are_listed_and_renamed(app, client, ada, ben):
    lately, once = NOW - timedelta(hours=3, minutes=30), NOW - timedelta(days=40)
    store_calls(app, ada, call(lately), call(once, machine="attic", session="old"))
    store_calls(app, ben, call(NOW, machine="ben-pc"))
    page = client.get("/settings")
    assert rows(page, "machines") == [
        "ada-mbp just now 1 3 h ago , idle Rename ada-mbp New name Rename",
        f"attic just now 0 {day(once.astimezone(BERLIN))} , offline Rename attic New name Rename",
    ]
    assert client.post(action(page, "/machines/1"), data={"name": "  the   desk "}).status_code == 303
    assert rows(client.get("/settings"), "machines")[0].startswith(("the desk", "attic"))
    assert "the desk" in client.get("/?period=7d").text


def test_a_machine_without_a_name_is_refused(app, client, ada):
    store_calls(app, ada, call(NOW))
    answer = client.post("/settings/machines/1", data={"name": ""})
    assert answer.status_code == 400
    assert "A name has 1 to 100" in text_of(section(answer, "machines"))


def test_somebody_elses_machine_is_as_absent_as_none(app, bens_client, ada):
    store_calls(app, ada, call(NOW))
    foreign, absent = (bens_client.post(f"/settings/machines/{id_}", data={"name": "mine"}) for id_ in (1, 999))
    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert "ada-mbp" not in bens_client.get("/settings").text


def test_whoever_has_nothing_is_told_what_will_come(client):
    page = client.get("/settings")
    assert "None yet: a machine appears here" in text_of(section(page, "machines"))
    assert "None. A token lets a program in" in text_of(section(page, "tokens"))


def test_a_token_is_shown_once(app, client):
    made = new_token(client)
    secret = secret_in(made)
    assert (made.status_code, made.headers["Cache-Control"]) == (200, "no-store")
    assert f'data-copy="{secret}"' in made.text
    assert [row.split(" ")[0] for row in rows(made, "tokens")] == ["Spreadsheet"]
    for path in ("/settings", "/settings?done=revoked", "/audit"):
        assert secret not in client.get(path).text
    assert secret not in repr(everything(app))


def test_a_token_made_in_a_swap_comes_with_the_section(client):
    made = new_token(client, headers=SWAP)
    assert made.text.startswith('<section class="panel" id="tokens"')
    assert secret_in(made)
    assert len(rows(made, "tokens")) == 1


def test_a_revoked_token_is_gone_from_the_list_and_works_no_more(client, anonymous):
    secret = secret_in(new_token(client, scope="admin"))
    anonymous.environ_base.pop("HTTP_SEC_FETCH_SITE")
    ask = lambda: anonymous.get("/api/admin/tokens", headers={"Authorization": f"Bearer {secret}"})  # noqa: E731
    assert ask().status_code == 200
    answer = client.post(action(client.get("/settings"), "/revoke"))
    assert answer.headers["Location"] == "/settings?done=revoked#tokens"
    assert ask().status_code == 401
    assert rows(client.get("/settings"), "tokens") == []


def test_somebody_elses_token_is_as_absent_as_none(client, bens_client):
    new_token(client)
    foreign = bens_client.post(action(client.get("/settings"), "/revoke"))
    assert foreign.status_code == bens_client.post("/settings/tokens/nothing/revoke").status_code == 404
    assert len(rows(client.get("/settings"), "tokens")) == 1


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"scope": "root"}, 400, "A scope is one of"),
        ({"scope": ""}, 400, "A scope is one of"),
        ({"expires": "tomorrow"}, 400, "in 30 days, in 90 days"),
        ({"label": "x" * 101}, 400, "A label has at most 100"),
        ({"scope": "admin"}, 403, "Only an admin"),
    ],
)
def test_a_token_that_cannot_be_is_refused(bens_client, change, status, said):
    answer = new_token(bens_client, **change)
    assert answer.status_code == status
    assert said in text_of(section(answer, "tokens"))
    assert rows(bens_client.get("/settings"), "tokens") == []


def test_browsers_are_listed_and_ended_one_by_one(app, ada, client):
    other = signed_in(app, ada)
    other.get("/", headers={"User-Agent": "x"})
    page = client.get("/settings")
    assert len(rows(page, "browsers")) == 2
    assert sum("this one" in row.replace("\xa0", " ") for row in rows(page, "browsers")) == 1
    answer = client.post(action(page, "/end"))
    assert answer.headers["Location"] == "/settings?done=ended#browsers"
    assert other.get("/settings").status_code == 303
    assert client.get("/settings").status_code == 200


def test_somebody_elses_browser_is_as_absent_as_none(app, ada, client, bens_client):
    signed_in(app, ada)
    foreign = bens_client.post(action(client.get("/settings"), "/end"))
    assert foreign.status_code == bens_client.post("/settings/browsers/nothing/end").status_code == 404
    assert len(rows(client.get("/settings"), "browsers")) == 2


def test_signing_out_everywhere_ends_every_browser(app, ada, client, bens_client):
    other = signed_in(app, ada)
    answer = client.post("/settings/browsers/end")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert [one.get("/settings").status_code for one in (client, other, bens_client)] == [303, 303, 200]


def test_rules_are_added_and_removed(client):
    assert client.post("/settings/whitelist", data={"rule": " @Example.ORG "}).status_code == 303
    page = client.get("/settings?done=listed")
    assert "@example.org just now Remove @example.org" in rows(page, "whitelist")
    again = client.post("/settings/whitelist", data={"rule": "@example.org"})
    assert again.status_code == 409
    assert "on the whitelist already" in text_of(section(again, "whitelist"))
    assert client.post("/settings/whitelist/remove", data={"rule": "@example.org"}).status_code == 303
    assert not any("example.org" in row for row in rows(client.get("/settings"), "whitelist"))
    assert client.post("/settings/whitelist/remove", data={"rule": "@example.org"}).status_code == 404


@pytest.mark.parametrize("rule", ["", "ben", "@", "ben@", "a b@example.org", "ben@example.org\nBcc: eve@example.org"])
def test_what_is_no_rule_is_refused(client, rule):
    answer = client.post("/settings/whitelist", data={"rule": rule})
    assert answer.status_code == 400
    assert 'role="alert"' in section(answer, "whitelist")


def test_a_long_whitelist_is_counted_and_shortened_by_typing(client):
    for number in range(51):
        client.post("/settings/whitelist", data={"rule": f"@d{number:02}.example"})
    page = client.get("/settings")
    assert len(rows(page, "whitelist")) == 50
    assert "2 more not shown" in text_of(page)
    assert 'formaction="/settings/whitelist/remove"' in page.text
    client.post("/settings/whitelist/remove", data={"rule": "@d50.example"})
    assert "1 more not shown" in text_of(client.get("/settings"))


def test_rules_of_the_environment_cannot_be_removed_here(make_app):
    app = make_app(AGENTMETER_ALLOWED_EMAILS="@example.net, eve@example.org")
    client = signed_in(app, add_person(app.extensions["engine"], "ada@example.com", "admin"))
    listed = [row for row in rows(client.get("/settings"), "whitelist") if "environment" in row]
    assert listed == ["@example.net from the environment", "eve@example.org from the environment"]


def test_deleting_needs_the_typed_address(app, bens_client, ben):
    store_calls(app, ben, call(NOW, machine="ben-pc"))
    said = text_of(section(bens_client.get("/settings"), "delete"))
    assert "Deletes 1 session, 1 call, 1 machine and your account." in said.replace("machine, and", "machine and")
    before = everything(app)
    for confirm in ("", "yes", "ada@example.com"):
        answer = bens_client.post("/settings/delete", data={"confirm": confirm})
        assert answer.status_code == 403
        assert "Type your own e-mail address" in text_of(section(answer, "delete"))
    assert everything(app) == before


def test_deleting_takes_everything_and_ends_the_session(app, client, bens_client, ben):
    store_calls(app, ben, call(NOW, machine="ben-pc"))
    answer = bens_client.post("/settings/delete", data={"confirm": " Ben@example.com "})
    assert answer.status_code == 200
    assert "Your data is gone" in text_of(answer)
    assert "1 session, 1 call, 1 machine" in text_of(answer)
    assert bens_client.get("/settings").status_code == 303
    assert "ben" not in repr(everything(app)).lower()
    assert "$0.00" in client.get("/").text or "Nothing here yet" in client.get("/").text


def test_the_last_admin_stays_while_others_are_here(client, bens_client):
    answer = client.post("/settings/delete", data={"confirm": "ada@example.com"})
    assert answer.status_code == 409
    assert "last admin" in text_of(section(answer, "delete"))
    assert client.get("/settings").status_code == 200


@pytest.mark.parametrize("query", ["done=everything", "done=profile&done=profile"])
def test_unknown_values_are_refused_by_name(client, query):
    answer = client.get(f"/settings?{query}")
    assert answer.status_code == 400
    assert "done is" in text_of(answer)


def test_names_from_outside_stay_text(app, client, ada):
    evil = "<img src=x onerror=alert(1)>"
    store_calls(app, ada, call(NOW, machine=evil))
    new_token(client, label=evil)
    client.post("/settings/profile", data={**PROFILE, "name": evil})
    page = client.get("/settings")
    assert "<img" not in page.text
    assert "&lt;img src=x" in section(page, "tokens")


def test_the_number_of_queries_does_not_grow_with_rows(app, client, ada):
    def count_queries():
        statements = []
        listen = lambda *args: statements.append(args[2])  # noqa: E731
        event.listen(app.extensions["engine"], "before_cursor_execute", listen)
        assert {client.get(path).status_code for path in ("/settings", "/people", "/audit")} == {200}
        event.remove(app.extensions["engine"], "before_cursor_execute", listen)
        return len(statements)

    store_calls(app, ada, call(NOW))
    new_token(client)
    few = count_queries()
    store_calls(app, ada, *(call(NOW, machine=f"m{number}", session=f"s{number}") for number in range(20)))
    for number in range(20):
        new_token(client, label=f"program {number}")
        client.post("/people", data={"email": f"person{number}@example.com", "role": "member"})
    assert count_queries() == few


def test_the_page_stays_under_60_kb(app, client, ada):
    store_calls(app, ada, *(call(NOW, machine=f"machine-{n}", session=f"s{n}") for n in range(12)))
    for number in range(12):
        new_token(client, label=f"program {number}")
    assert len(client.get("/settings").data) < 60_000
