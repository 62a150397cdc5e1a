"""The overview in a real browser: from the claim link to the chart, by mouse and by keys, with and without scripts."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from e2e.driver import PHONE, claim, line, swapped, violations, watch

pytestmark = pytest.mark.e2e

COLOURS = ".chart .barlayer .trace"  # the bars of one legend entry


def tile_of(page, label):
    return page.locator(".tile", has=page.get_by_role("link", name=label, exact=True)).locator(".tile-value")


def bar_colours(page):
    return page.evaluate("[...document.querySelectorAll('.chart .bars .point path')].map((bar) => bar.style.fill)")


def test_claiming_leads_to_the_first_chart_which_turns_up_by_itself(browser, fresh_server):
    problems = []
    page = browser.new_context(timezone_id="Asia/Kathmandu").new_page()
    watch(page, fresh_server.url, problems)
    page.goto(fresh_server.claim_url)
    assert page.get_by_label("Your time zone").input_value() in ("Asia/Kathmandu", "Asia/Katmandu")
    assert violations(page) == []
    claim(page, fresh_server)
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    assert violations(page) == []
    fresh_server.write(line("first", datetime.now(UTC), output_tokens=100_000))
    expect(page.get_by_role("heading", name="Cost per day")).to_be_visible(timeout=15_000)
    expect(page.locator(COLOURS).first).to_be_visible()
    assert "Kat" in page.locator("footer").inner_text()
    page.context.close()
    assert problems == []


def test_overview_draws_what_the_transcripts_say(open_page):
    page = open_page()
    expect(tile_of(page, "Cost")).to_have_text(re.compile(r"^\$\d"))
    assert page.locator(COLOURS).count() == 3
    assert page.locator(".legend-item").all_inner_texts()[0].startswith("Opus")
    assert page.get_by_text("claude-opus-4-6").count() >= 1
    assert page.get_by_role("img", name=re.compile("^Cost per day. Highest")).count() == 1


def test_filters_swap_the_body_keep_focus_and_go_back(open_page):
    page = open_page()
    whole = tile_of(page, "Cost").inner_text()
    swapped(page, lambda: page.get_by_role("link", name="90d").click())
    assert page.url.endswith("/?period=90d")
    expect(page.get_by_role("link", name="90d")).to_be_focused()
    page.get_by_label("Project", exact=True).focus()
    swapped(page, lambda: page.get_by_label("Project", exact=True).select_option("/home/ada/atlas"))
    assert "project=%2Fhome%2Fada%2Fatlas" in page.url
    expect(page.get_by_label("Project", exact=True)).to_be_focused()
    expect(tile_of(page, "Cost")).not_to_have_text(whole)
    assert page.locator(".chip").inner_text().startswith("Project: ")
    swapped(page, lambda: page.get_by_role("link", name=re.compile("^Remove Project")).click())
    expect(page.get_by_label("Project", exact=True)).to_have_value("")
    for _ in range(3):
        page.go_back()
    expect(tile_of(page, "Cost")).to_have_text(whole)
    assert page.locator(COLOURS).count() == 3


def test_the_address_alone_brings_the_screen_back(open_page):
    page = open_page()
    for act in (
        lambda: page.get_by_role("link", name="Sessions", exact=True).click(),
        lambda: page.get_by_role("link", name="Compare").click(),
        lambda: page.get_by_label("Model", exact=True).select_option("claude-opus-4-6"),
    ):
        swapped(page, act)
    seen = page.locator("#content").inner_text()
    again = open_page(page.url[page.url.index("/?") :])
    assert again.locator("#content").inner_text() == seen


def test_own_dates(open_page):
    page = open_page()
    page.locator("summary", has_text="Custom").click()
    page.get_by_label("From", exact=True).fill("2020-01-01")
    page.get_by_label("To", exact=True).fill("2020-01-07")
    swapped(page, lambda: page.get_by_role("button", name="Show").click())
    expect(page.get_by_role("heading", name="No usage from 1 to 7 Jan 2020")).to_be_visible()
    swapped(page, lambda: page.get_by_role("link", name="Show the last 30 days").click())
    expect(page.get_by_role("heading", name="Cost per day")).to_be_visible()


def test_new_calls_appear_while_scroll_focus_and_open_parts_stay(open_page, server):
    page = open_page()
    page.locator("summary", has_text="As table").click()
    page.get_by_role("button", name=re.compile("Sonnet")).click()
    page.get_by_role("link", name="30d").focus()
    page.evaluate("scrollTo(0, 200)")
    before = tile_of(page, "Cost").inner_text()
    server.write(line(f"live{before}", datetime.now(UTC), output_tokens=400_000))
    expect(tile_of(page, "Cost")).not_to_have_text(before, timeout=15_000)
    assert page.evaluate("scrollY") == 200
    expect(page.get_by_role("link", name="30d")).to_be_focused()
    expect(page.get_by_role("region", name=re.compile("as table"))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Sonnet"))).to_have_attribute("aria-pressed", "false")


def test_the_legend_switches_a_colour_off_and_on(open_page):
    page = open_page()
    button = page.get_by_role("button", name=re.compile("Haiku"))
    button.click()
    expect(page.locator(COLOURS)).to_have_count(2)
    button.click()
    expect(page.locator(COLOURS)).to_have_count(3)


def test_dark_is_kept_and_repaints_the_chart(open_page):
    page = open_page(color_scheme="light")
    light = bar_colours(page)
    page.locator("summary", has_text="System").click()
    with page.expect_response(re.compile("/settings/theme")):
        page.get_by_role("button", name="Dark").first.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert len(bar_colours(page)) == len(light)
    assert bar_colours(page) != light
    page.reload()
    assert page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor") == "rgb(15, 17, 21)"
    page.locator("summary", has_text="Dark").click()
    with page.expect_response(re.compile("/settings/theme")):
        page.get_by_role("button", name="System").first.click()


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_never_scrolls_sideways(open_page, width):
    page = open_page("/?by=project&compare=1&period=90d", viewport={"width": width, "height": 800})
    page.locator(COLOURS).first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_filters_fold_on_a_phone(open_page):
    page = open_page(viewport=PHONE, has_touch=True)
    expect(page.get_by_label("Project", exact=True)).to_be_hidden()
    page.locator("summary", has_text="Filter").tap()
    swapped(page, lambda: page.get_by_label("Project", exact=True).select_option("/home/ada/atlas"))
    assert page.locator(".chip").count() == 1


def test_keys(open_page):
    page = open_page()
    for key, ending in (("w", "?period=7d"), ("q", "?period=90d"), ("x", "?period=90d&compare=1"), ("d", "period=24h")):
        swapped(page, lambda key=key: page.keyboard.press(key))
        assert ending in page.url
    swapped(page, lambda: page.keyboard.press("["))
    assert "from=" in page.url
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    with page.expect_navigation():
        page.keyboard.press("o")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


def test_an_error_in_a_swap_leaves_the_content_and_offers_another_try(browser, server, signed_in):
    page = browser.new_context(storage_state=signed_in).new_page()
    page.goto(server.url)
    before = page.locator("#content").inner_text()
    page.route(re.compile("period=7d"), lambda route: route.fulfill(status=503, body="<p data-error>Busy.</p>"))
    page.get_by_role("link", name="7d").click()
    expect(page.locator(".toast")).to_contain_text("Not updated. Busy.")
    assert page.url == f"{server.url}/"
    assert page.locator("#content").inner_text() == before
    page.unroute(re.compile("period=7d"))
    swapped(page, lambda: page.get_by_role("button", name="Try again").click())
    assert page.url.endswith("?period=7d")
    expect(page.locator(".toast")).to_have_count(0)
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/?metric=cache_hit&compare=1&period=7d", "/?from=2020-01-01&to=2020-01-02"])
def test_nothing_for_axe_to_find(open_page, path, scheme):
    page = open_page(path, color_scheme=scheme)
    page.locator("#content").wait_for()
    assert violations(page) == []


def test_nothing_for_axe_to_find_on_a_phone_with_everything_open(open_page):
    page = open_page(viewport=PHONE)
    page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
    assert violations(page) == []


@pytest.mark.parametrize("path", ["/login", "/login/used", "/nowhere"])
def test_nothing_for_axe_to_find_at_the_door(browser, server, signed_in, path):
    page = browser.new_context().new_page()
    page.goto(server.url + path)
    assert violations(page) == []
    page.context.close()


def test_the_page_works_without_scripts(open_page):
    page = open_page(java_script_enabled=False)
    expect(page.locator(".chart")).to_be_hidden()
    page.locator("summary", has_text="As table").click()
    expect(page.get_by_role("region", name="Cost per day, as table")).to_be_visible()
    page.get_by_label("Project", exact=True).select_option("/home/ada/atlas")
    page.get_by_role("button", name="Apply").click()
    assert "project=%2Fhome%2Fada%2Fatlas" in page.url
    page.get_by_role("link", name="7d").click()
    assert "project=%2Fhome%2Fada%2Fatlas" in page.url
    assert "period=7d" in page.url
    assert page.locator(".chip").count() == 1


def test_thirty_swaps_leave_nodes_and_listeners_flat(open_page):
    page = open_page()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def count():
        session.send("HeapProfiler.collectGarbage")
        values = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        return values["Nodes"], values["JSEventListeners"]

    def go(name):
        swapped(page, lambda: page.get_by_role("link", name=name).click())

    for name in ("7d", "90d", "30d"):
        go(name)
    nodes, listeners = count()
    for _ in range(10):
        for name in ("7d", "90d", "30d"):
            go(name)
    nodes_after, listeners_after = count()
    assert nodes_after <= nodes * 1.1
    assert listeners_after <= listeners + 5
