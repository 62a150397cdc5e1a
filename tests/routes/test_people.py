"""The people page through HTTP: who sees whom, and what admins do to others."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from calls import call, store_calls
from meter.people import account, add_person
from models.db import reading
from pages import SWAP, text_of
from support import browser_of, signed_in

NOW = datetime.now(UTC)
POSTS = (
    ("/people", {"email": "dee@example.com", "role": "member"}),
    ("/people/1/role", {"role": "member"}),
    ("/people/1/disable", {}),
    ("/people/1/enable", {}),
)


def people_on(answer):
    """The rows of the table, each as a person reads it, without what it offers to change."""
    body = re.search(r"<tbody>(.*?)</tbody>", answer.text, re.S)[1]
    shown = (re.sub(r"<details.*?</details>|<form.*?</form>", "", row, flags=re.S) for row in body.split("</tr>"))
    return [text_of(row).replace("\xa0", " ") for row in shown if "<tr>" in row]


def invite(client, headers=None, **changes):
    form = {"email": "dee@example.com", "name": "", "role": "member", **changes}
    return client.post("/people", data=form, headers=headers)


def test_a_stranger_is_sent_to_the_login_page(anonymous, ada):
    answer = anonymous.get("/people")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=%2Fpeople")


@pytest.mark.parametrize(("path", "form"), POSTS)
def test_only_admins_change_people(client, bens_client, anonymous, path, form):
    before = people_on(client.get("/people"))
    assert anonymous.post(path, data=form).status_code == 401
    assert bens_client.post(path, data=form).status_code == 403
    assert client.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert people_on(client.get("/people")) == before


def test_admins_see_everybody(app, client, ada, ben, cyd):
    lately = NOW - timedelta(hours=3, minutes=30)
    store_calls(app, ben, call(lately, machine="ben-pc"), call(lately, machine="ben-nas"))
    page = client.get("/people")
    assert people_on(page) == [
        "Ada Lovelace · you ada@example.com Admin 0 just now just now",
        "Ben ben@example.com Member 2 just now 3 h ago",
        "Cyd cyd@example.com Member 0 just now never",
    ]
    assert "3 people, 1 admin" in text_of(page)


def test_members_see_themselves(client, bens_client, cyd):
    page = bens_client.get("/people")
    assert people_on(page) == ["Ben · you ben@example.com Member 0 just now just now"]
    for other in ("Ada", "ada@", "Cyd", "Invite"):
        assert other not in page.text


def test_the_top_bar_has_people_for_admins_and_where_there_are_several(app, client, ada):
    link = 'class="nav-item" href="/people"'
    assert link in client.get("/").text
    client.post("/people", data={"email": "ben@example.com", "role": "admin"})
    page = client.get("/people")
    ben = re.search(r'action="(/people/\d+/role)"', page.text)[1]
    client.post(ben, data={"role": "member"})
    assert link in client.get("/").text


def test_a_member_alone_has_no_people_page_in_the_bar(app):
    alone = add_person(app.extensions["engine"], "ada@example.com", "member")
    assert 'href="/people"' not in signed_in(app, alone).get("/").text


def test_whoever_was_invited_signs_in_and_sees_only_their_own(app, client, ada):
    store_calls(app, ada, call(NOW, machine="ada-secret"))
    answer = invite(client, name="Dee D.")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/people?done=invited")
    page = client.get("/people?done=invited")
    assert people_on(page)[-1] == "Dee D. dee@example.com Member 0 just now never"
    assert "Invited" in text_of(page)
    number = int(re.search(r"/people/(\d+)/role", page.text)[1])
    with reading(app.extensions["engine"]) as db:
        dee = signed_in(app, account(db, number))
    assert "Nothing here yet" in dee.get("/").text
    assert "ada-secret" not in dee.get("/").text + dee.get("/settings").text


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"email": ""}, 400, "That is not an e-mail address."),
        ({"email": "dee@example.com\r\nBcc: eve@example.com"}, 400, "That is not an e-mail address."),
        ({"name": "x" * 101}, 400, "A name has"),
        ({"role": "owner"}, 400, "role is"),
        ({"email": "ada@example.com"}, 409, "is there already"),
    ],
)
def test_an_invitation_that_cannot_be_is_refused_beside_its_field(client, change, status, said):
    answer = invite(client, **change)
    assert answer.status_code == status
    assert said in text_of(answer)
    assert 'role="alert"' in answer.text
    assert len(people_on(client.get("/people"))) == 1


def test_a_swap_gets_the_table_alone(client):
    answer = invite(client, headers=SWAP)
    assert answer.status_code == 303
    table = client.get(answer.headers["Location"], headers=SWAP)
    assert table.text.startswith('<div class="panels" id="access"')
    assert "<html" not in table.text
    refused = invite(client, headers=SWAP)
    assert (refused.status_code, refused.headers["HX-Reswap"]) == (409, "outerMorph show:none")


def test_a_role_is_in_force_with_the_next_request(client, bens_client, ben):
    assert bens_client.get("/audit").status_code == 403
    assert client.post(f"/people/{ben.id}/role", data={"role": "admin"}).status_code == 303
    assert bens_client.get("/audit").status_code == 200
    client.post(f"/people/{ben.id}/role", data={"role": "member"})
    assert bens_client.get("/audit").status_code == 403


def test_whoever_is_shut_out_is_out_at_once(app, client, bens_client, ben):
    assert client.post(f"/people/{ben.id}/disable").headers["Location"] == "/people?done=disabled"
    assert bens_client.get("/").status_code == 303
    page = client.get("/people")
    assert people_on(page)[-1] == "Ben ben@example.com Shut out 0 just now never"
    assert client.post(f"/people/{ben.id}/enable").status_code == 303
    assert bens_client.get("/").status_code == 303  # the sessions of before stay ended
    assert signed_in(app, ben).get("/").status_code == 200


def test_somebody_stays_the_admin(client, ada):
    for path, form in ((f"/people/{ada.id}/role", {"role": "member"}), (f"/people/{ada.id}/disable", {})):
        answer = client.post(path, data=form)
        assert answer.status_code == 409
        assert "Somebody has to be the admin" in text_of(answer)
    assert "Admin" in people_on(client.get("/people"))[0]


def test_nobody_is_as_absent_as_nobody(client):
    for path in ("role", "disable", "enable"):
        assert client.post(f"/people/999/{path}", data={"role": "admin"}).status_code == 404
    assert client.post("/people/ada/role").status_code == 404
    assert browser_of(client.application).post("/people/1/nothing").status_code == 404


def test_many_people_stand_on_several_pages(app, client):
    for number in range(60):
        add_person(app.extensions["engine"], f"person{number:02}@example.com", name=f"Person {number:02}")
    first, second = client.get("/people"), client.get("/people?page=2")
    assert [len(people_on(page)) for page in (first, second)] == [50, 11]
    assert people_on(second)[-1].startswith("Person 59")
    assert 'href="/people?page=2">More' in first.text
    assert 'href="/people?page=1">‹ Before' in second.text
    assert "61 people, 1 admin" in text_of(second)
    action = re.search(r'action="(/people/\d+/role\?page=2)"', second.text)[1]
    assert client.post(action, data={"role": "admin"}).headers["Location"] == "/people?done=changed&page=2"
    for page in ("3", "0", "-1", "x", "1e3"):
        assert client.get(f"/people?page={page}").status_code == 400


def test_unknown_values_are_refused_by_name(client):
    answer = client.get("/people?done=everything")
    assert answer.status_code == 400
    assert "done is one of" in text_of(answer)


def test_names_from_outside_stay_text(client):
    invite(client, name="<b onclick=x>Dee</b>")
    assert "<b onclick" not in client.get("/people").text
