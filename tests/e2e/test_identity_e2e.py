"""Coming in, setting up, and everything people change about themselves and others, in a real browser with real mail."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from e2e.driver import DESK, PHONE, Server, claim, line, swapped, violations, watch
from mail_server import MailServer, link_in

pytestmark = pytest.mark.e2e

ADA, BEN = "ada@example.com", "ben@example.com"
PAGES = ("/settings", "/people", "/audit", "/setup", "/setup?step=2", "/setup?step=3", "/setup?step=4")


@pytest.fixture(scope="module")
def mail():
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory, mail):
    """A server that sends mail, with some transcripts of Ada's."""
    server = Server(tmp_path_factory.mktemp("house"), AGENTMETER_SMTP_URL=mail.url, AGENTMETER_RATE_LIMITS="off")
    server.write(line("secret", datetime.now(UTC), project="/home/ada/secret", output_tokens=100_000))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def adas_state(browser, house):
    """The cookies of Ada, who has claimed the server."""
    context = browser.new_context()
    page = context.new_page()
    claim(page, house)
    page.get_by_role("heading", name="Cost per day").wait_for()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def open_as(browser, house, adas_state):
    """Open a page as Ada, or with state=None as nobody. At the end nothing may have gone wrong in it."""
    contexts, problems = [], []

    def open_(path, *, state=adas_state, **options):
        context = browser.new_context(storage_state=state, **{"viewport": DESK, **options})
        contexts.append(context)
        page = context.new_page()
        watch(page, house.url, problems)
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(house.url + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []


def sign_in_by_mail(page, mail, house, email):
    """As people do it: type the address, open the letter, press the button."""
    before = len(mail.letters)
    page.goto(f"{house.url}/login")
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("heading", name="Check your mail")).to_be_visible()
    assert violations(page) == []
    recipients, letter = mail.wait_for(before + 1)[before]
    assert recipients == [email]
    page.goto(link_in(letter))
    assert violations(page) == []
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{house.url}/")


def part(page, name):
    return page.locator(f"#{name}")


def test_claim_wizard_and_the_first_sign_in_by_mail(browser, tmp_path, mail):
    problems = []
    server = Server(tmp_path, AGENTMETER_SMTP_URL=mail.url)
    page = browser.new_context().new_page()
    watch(page, server.url, problems)
    claim(page, server)
    page.get_by_role("link", name="Start the setup").click()
    page.get_by_label("A team").check()
    page.get_by_role("button", name="Next").click()
    assert "A team" in page.locator(".steps-list").inner_text()
    expect(page.get_by_label("On this machine, started at login")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No transcripts of Claude Code on this machine")).to_be_visible()
    assert "In one container" in page.locator(".steps-list").inner_text()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Later: this version has no alerts yet.")).to_be_visible()
    page.get_by_role("link", name="Done, to the overview").click()
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    page.locator("summary.avatar").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{server.url}/login")
    sign_in_by_mail(page, mail, server, ADA)
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    page.context.close()
    server.stop()
    assert problems == []


def test_a_token_is_made_copied_and_revoked(open_as, house, browser):
    page = open_as("/settings", permissions=["clipboard-read", "clipboard-write"])
    tokens = part(page, "tokens")
    tokens.get_by_label("Label").fill("Spreadsheet")
    tokens.get_by_label("Scope").select_option("admin")
    swapped(page, lambda: tokens.get_by_role("button", name="Make token").click())
    expect(tokens.get_by_text("Token made.")).to_be_visible()
    expect(tokens.get_by_role("button", name="Make token")).to_be_focused()
    expect(tokens.get_by_label("Label")).to_have_value("")
    assert page.url.endswith("/settings")
    tokens.get_by_role("button", name="Copy").click()
    expect(page.locator(".toast")).to_have_text("Copied.")
    secret = page.evaluate("navigator.clipboard.readText()")
    assert secret.startswith("am_admin_")
    program = browser.new_context(extra_http_headers={"Authorization": f"Bearer {secret}"}).request
    assert program.get(f"{house.url}/api/admin/tokens").status == 200
    page.reload()
    assert secret not in page.content()
    swapped(page, lambda: tokens.get_by_role("button", name="Revoke Spreadsheet").click())
    expect(tokens.get_by_role("rowheader")).to_have_count(0)
    expect(tokens.get_by_text("Revoked")).to_be_visible()
    expect(tokens).to_be_focused()
    assert program.get(f"{house.url}/api/admin/tokens").status == 401


def test_going_back_shows_no_secret(open_as, house):
    page = open_as("/settings")
    part(page, "tokens").get_by_label("Label").fill("once")
    swapped(page, lambda: page.get_by_role("button", name="Make token").click())
    secret = part(page, "tokens").locator("code").inner_text()
    page.goto(f"{house.url}/audit")
    page.go_back()
    page.get_by_role("heading", name="API tokens").wait_for()
    assert secret not in page.content()


def test_the_profile_is_saved_without_leaving_the_field(open_as):
    page = open_as("/settings", color_scheme="light")
    profile = part(page, "profile")
    profile.get_by_label("Name").fill("Ada Byron")
    profile.get_by_label("Time zone").select_option("Asia/Tokyo")
    profile.get_by_text("Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    profile.get_by_label("One-key shortcuts").uncheck()
    swapped(page, lambda: profile.get_by_role("button", name="Save profile").click())
    expect(profile.get_by_text("Saved")).to_be_visible()
    expect(profile.get_by_role("button", name="Save profile")).to_be_focused()
    expect(page.locator("summary.avatar")).to_contain_text("AB")
    expect(page.locator("footer")).to_contain_text("Times in Asia/Tokyo")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    profile.get_by_label("One-key shortcuts").check()
    profile.get_by_text("System").click()
    swapped(page, lambda: profile.get_by_role("button", name="Save profile").click())
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()


def test_an_error_stands_beside_its_field_and_keeps_what_was_typed(browser, house, adas_state):
    page = browser.new_context(storage_state=adas_state).new_page()  # a refused form is an error on the console
    page.goto(f"{house.url}/settings")
    whitelist = part(page, "whitelist")
    whitelist.get_by_label("Address or domain").fill("not an address")
    swapped(page, lambda: whitelist.get_by_role("button", name="Add").click())
    expect(whitelist.get_by_role("alert")).to_have_text("That is not an e-mail address.")
    expect(whitelist.get_by_label("Address or domain")).to_have_value("not an address")
    assert violations(page) == []
    page.context.set_offline(True)
    whitelist.get_by_label("Address or domain").fill("@example.org")
    whitelist.get_by_role("button", name="Add").click()
    expect(page.locator(".toast")).to_contain_text("The server does not answer.")
    page.context.set_offline(False)
    swapped(page, lambda: page.get_by_role("button", name="Try again").click())
    expect(whitelist.get_by_role("rowheader", name="@example.org")).to_be_visible()
    page.context.close()


def test_a_machine_is_renamed_by_keys_alone(open_as):
    page = open_as("/settings")
    rename = part(page, "machines").locator("summary", has_text="Rename")
    rename.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(rename).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("the desk")
    swapped(page, lambda: page.keyboard.press("Enter"))
    expect(part(page, "machines").get_by_role("rowheader")).to_have_text("the desk")
    expect(part(page, "machines").locator("summary")).to_be_focused()


def test_an_invited_person_signs_in_as_a_member_and_sees_only_their_own(open_as, house, mail):
    admin = open_as("/people")
    before = len(mail.letters)
    admin.get_by_label("E-mail").fill(BEN)
    swapped(admin, lambda: admin.get_by_role("button", name="Invite").click())
    expect(admin.get_by_role("rowheader", name="ben")).to_be_visible()
    expect(admin.get_by_label("E-mail")).to_have_value("")
    recipients, letter = mail.wait_for(before + 1)[before]
    assert recipients == [BEN]
    page = open_as("/login", state=None)
    page.goto(link_in(letter))
    sign_in_by_mail(page, mail, house, BEN)
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    for path in ("/", "/people", "/settings"):
        page.goto(house.url + path)
        assert "secret" not in page.content()
        assert ADA not in page.content()
    expect(part(page, "whitelist")).to_have_count(0)
    page.locator("summary.avatar").click()
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)
    assert page.request.get(f"{house.url}/audit").status == 403


def test_shut_out_and_let_in(open_as):
    page = open_as("/people")
    page.locator("summary", has_text="Change").click()
    page.get_by_label("Role").first.select_option("admin")
    swapped(page, lambda: page.get_by_role("button", name="Save").click())
    expect(page.get_by_text("2 admins")).to_have_count(0)  # the line beside the title is no part of the table
    page.locator("summary", has_text="Change").click()
    swapped(page, lambda: page.get_by_role("button", name="Shut out").click())
    expect(page.get_by_role("cell", name="Shut out")).to_be_visible()
    swapped(page, lambda: page.get_by_role("button", name="Let in ben").click())
    page.locator("summary", has_text="Change").click()
    page.get_by_label("Role").first.select_option("member")
    swapped(page, lambda: page.get_by_role("button", name="Save").click())


def test_signing_out_everywhere_and_deleting_an_account(open_as, house, mail):
    first, second = (open_as("/login", state=None) for _ in range(2))
    for page in (first, second):
        sign_in_by_mail(page, mail, house, BEN)
    first.goto(f"{house.url}/settings")
    assert part(first, "browsers").locator("tbody tr").count() == 2
    first.get_by_role("button", name="Sign out everywhere").click()
    first.wait_for_url(f"{house.url}/login")
    second.goto(f"{house.url}/settings")
    assert "/login" in second.url
    sign_in_by_mail(first, mail, house, BEN)
    first.goto(f"{house.url}/settings")
    deletion = part(first, "delete")
    expect(deletion).to_contain_text("and your account.")
    deletion.get_by_role("textbox").fill(BEN)
    deletion.get_by_role("button", name="Delete everything of mine").click()
    expect(first.get_by_role("heading", name="Your data is gone")).to_be_visible()
    assert violations(first) == []
    first.goto(f"{house.url}/settings")
    assert "/login" in first.url
    admin = open_as("/audit")
    assert BEN not in admin.content()
    expect(admin.get_by_text("chain intact")).to_be_visible()


def test_the_audit_log_narrows_and_comes_back(open_as):
    page = open_as("/audit")
    every = page.locator("tbody tr").count()
    page.get_by_label("Action", exact=True).select_option("token")
    swapped(page, lambda: page.get_by_role("button", name="Show").click())
    assert "action=token" in page.url
    assert 0 < page.locator("tbody tr").count() < every
    swapped(page, lambda: page.get_by_role("link", name="Remove Action: token").click())
    assert page.locator("tbody tr").count() == every
    expect(page.get_by_label("Action", exact=True)).to_have_value("")
    page.go_back()
    expect(page.get_by_label("Action", exact=True)).to_have_value("token")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_for_axe_to_find_and_nothing_scrolls_sideways(open_as, house, scheme, viewport):
    page = open_as("/settings", color_scheme=scheme, viewport=viewport)
    for path in PAGES:
        page.goto(house.url + path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
        page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
        assert violations(page) == [], path


def test_everything_works_without_scripts(open_as, house):
    page = open_as("/settings", java_script_enabled=False)
    part(page, "profile").get_by_label("Name").fill("Ada Lovelace")
    page.get_by_role("button", name="Save profile").click()
    assert page.url == f"{house.url}/settings?done=profile#profile"
    expect(part(page, "profile").get_by_text("Saved")).to_be_visible()
    part(page, "tokens").get_by_label("Label").fill("plain")
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_text("Token made.")).to_be_visible()
    assert "am_" not in page.url
    page.get_by_role("button", name="Revoke plain").click()
    assert page.url == f"{house.url}/settings?done=revoked#tokens"
    part(page, "machines").locator("summary").click()
    part(page, "machines").get_by_label("New name").fill("plain desk")
    part(page, "machines").get_by_role("button", name="Rename").click()
    expect(part(page, "machines").get_by_role("rowheader")).to_have_text("plain desk")
    page.goto(f"{house.url}/people")
    page.get_by_label("E-mail").fill("cyd@example.com")
    page.get_by_role("button", name="Invite").click()
    assert page.url == f"{house.url}/people?done=invited"
    page.goto(f"{house.url}/audit")
    page.get_by_label("Action", exact=True).select_option("person.add")
    page.get_by_role("button", name="Show").click()
    assert re.search(r"action=person\.add", page.url)
    assert page.locator("tbody tr").count() == 2
