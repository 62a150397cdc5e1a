"""The claim: whoever knows the secret from the terminal becomes the first admin, once."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from meter import login
from models.db import reading
from support import browser_of

ADA = {"email": "ada@example.com", "name": "Ada", "timezone": "Europe/Berlin"}


def secret_of(app):
    return login.start_claim(app.extensions["engine"])


def people(app):
    with reading(app.extensions["engine"]) as db:
        return db.execute(text("select email, name, role, timezone from person")).all()


def test_the_claim_link_fills_the_secret_in(app, anonymous):
    secret = secret_of(app)
    page = anonymous.get(f"/claim?secret={secret}").text
    assert secret in page
    assert "Europe/Berlin" in page


def test_a_claim_makes_a_signed_in_admin(app, anonymous):
    answer = anonymous.post("/claim", data={"secret": secret_of(app), **ADA})
    assert (answer.status_code, answer.location) == (303, "/")
    assert people(app) == [("ada@example.com", "Ada", "admin", "Europe/Berlin")]
    assert anonymous.get("/login").location == "/"


def test_without_an_owner_the_login_page_leads_to_the_claim(app, anonymous):
    assert anonymous.get("/login").location == "/claim"
    anonymous.post("/claim", data={"secret": secret_of(app), **ADA})
    assert browser_of(app).get("/login").status_code == 200


def test_a_wrong_secret_claims_nothing_and_keeps_what_was_typed(app, anonymous):
    secret_of(app)
    answer = anonymous.post("/claim", data={"secret": "claim-wrong", **ADA})
    assert answer.status_code == 403
    assert "not the secret" in answer.text
    assert "ada@example.com" in answer.text
    assert people(app) == []


def test_a_bad_field_is_told_beside_the_field(app, anonymous):
    answer = anonymous.post("/claim", data={"secret": secret_of(app), **ADA, "email": "ada"})
    assert answer.status_code == 400
    assert "not an e-mail address" in answer.text
    assert people(app) == []


def test_after_the_claim_it_never_opens_again(app, anonymous):
    secret = secret_of(app)
    anonymous.post("/claim", data={"secret": secret, **ADA})
    stranger = browser_of(app)
    assert stranger.get("/claim").status_code == 409
    answer = stranger.post("/claim", data={"secret": secret, **ADA, "email": "eve@example.com"})
    assert answer.status_code == 409
    assert len(people(app)) == 1


def test_of_fifty_claims_at_once_right_and_wrong_one_wins(app):
    secret = secret_of(app)

    def attempt(number):
        data = {"secret": secret if number % 2 else "claim-wrong", **ADA, "email": f"p{number}@example.com"}
        return browser_of(app).post("/claim", data=data).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(attempt, range(50)))
    assert statuses.count(303) == 1
    assert set(statuses) <= {303, 403, 409}
    assert len(people(app)) == 1


def test_text_from_the_address_is_shown_as_text(app, anonymous):
    page = anonymous.get("/claim?secret=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").text
    assert "<script>alert" not in page
