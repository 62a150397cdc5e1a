"""User-Agents as people call them."""

import pytest

from routes._browsers import browser_name

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
CASES = {
    f"{MOZILLA} (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Linux",
    f"{MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/18.1 Safari/605.1.15": "Safari on macOS",
    f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0 Safari/537.36 Edg/142.0": "Edge on Windows",
    f"{MOZILLA} (Linux; Android 15) {WEBKIT} Chrome/142.0 Mobile Safari/537.36": "Chrome on Android",
    f"{MOZILLA} (iPhone; CPU iPhone OS 18_1 like Mac OS X) {WEBKIT} CriOS/142.0 Mobile Safari/604.1": "Chrome on iOS",
    "curl/8.5.0": "curl",
    "python-requests/2.32": "Python",
    "": "Unknown browser",
    "<script>alert(1)</script> Linux": "Unknown browser on Linux",
}


@pytest.mark.parametrize(("user_agent", "name"), CASES.items())
def test_browsers_are_called_as_people_call_them(user_agent, name):
    assert browser_name(user_agent) == name
