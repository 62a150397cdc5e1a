"""docs/api.md says of every address who may call it; here it is held against the application."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
ROW = re.compile(r"^\| `(/[^`]*)` \| ([A-Z]+) \| ([^|]+) \| ([^|]+) \|$", re.M)


@pytest.fixture
def database(sqlite):
    return sqlite


def said():
    """(address, method) -> who, as the page has it."""
    rows = ROW.findall(PAGE.read_text())
    assert len(rows) == len({row[:2] for row in rows}), "an address stands there twice"
    return {(address, method): who.strip() for address, method, who, _ in rows}


def in_words(rule):
    """Who may call a route, in the words of the page."""
    others = (f"token `{rule.scope}`" if rule.scope else "", "Apple" if rule.apple else "")
    named = [rule.who if rule.who != "token" else "", *others, "signed in just now" if rule.fresh else ""]
    return ", ".join(filter(None, named))


def test_every_address_is_on_the_page_with_who_may_call_it(app):
    known = {
        (re.sub(r"<\w+:", "<", route.rule), method): in_words(app.view_functions[route.endpoint].allowed)
        for route in app.url_map.iter_rules()
        for method in route.methods - {"HEAD", "OPTIONS"}
    }
    assert said() == known
