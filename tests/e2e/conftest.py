"""A real server with real transcripts, and a real browser in which nothing may go wrong."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from e2e.driver import DESK, Server, claim, watch, write_three_weeks
from support import skip_or_fail

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium; AGENTMETER_TEST_CHROMIUM names another."""
    path = os.environ.get("AGENTMETER_TEST_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        skip_or_fail("no Chromium; on Debian: sudo apt install chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Server]:
    """A server nobody has claimed and no transcript."""
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with three weeks of transcripts. Its owner is whoever `signed_in` claims it for."""
    server = Server(tmp_path_factory.mktemp("server"))
    write_three_weeks(server)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def signed_in(browser: Browser, server: Server) -> dict:
    """The cookies of the owner, once the transcripts are on the page."""
    context = browser.new_context()
    page = context.new_page()
    claim(page, server)
    page.get_by_role("heading", name="Cost per day").wait_for()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def open_page(browser: Browser, server: Server, signed_in: dict) -> Iterator:
    """Open a page as Ada: open_page("/?period=7d", viewport=PHONE, color_scheme="dark").

    At the end nothing may have gone wrong in it: no error on the console, no violation of the policy, no other origin.
    """
    contexts, problems = [], []

    def open_(path: str = "/", **options) -> Page:
        context = browser.new_context(**{"storage_state": signed_in, "viewport": DESK, **options})
        contexts.append(context)
        page = context.new_page()
        watch(page, server.url, problems)
        page.goto(server.url + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []
