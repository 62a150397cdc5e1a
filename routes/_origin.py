"""Requests another site makes a browser send: refused. The Host header: only names that are ours.

The first stops forged forms (CSRF), the second stops a foreign name that was pointed at this machine (DNS rebinding)
and links built from a forged Host.
"""

from functools import lru_cache
from urllib.parse import urlsplit

from flask import Flask, request

from meter.errors import Forbidden, Invalid
from meter.settings import LOOPBACK_NAMES, Settings
from routes._auth import REFRESH_COOKIE, sends_bearer

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def check_origins(app: Flask, settings: Settings) -> None:
    """Check the Host of every request, and where every request that may change something was sent from."""
    public_name = urlsplit(settings.base_url).hostname
    names = {*LOOPBACK_NAMES, settings.bind_host.lower(), public_name} - {"0.0.0.0", "::"}

    def check() -> None:
        name = host_name(request.host)
        if name not in names:
            raise Invalid("This server does not answer to that name; AGENTMETER_PUBLIC_URL says which it has.")
        if request.method not in SAFE_METHODS and request.endpoint is not None:
            _check_sender({settings.base_url} if settings.public_url and name == public_name else _own_origins())

    app.before_request(check)


@lru_cache(maxsize=64)
def host_name(host: str) -> str:
    """The name in a Host header, in lower case and without port and brackets; '' when it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _own_origins() -> set[str]:
    """What Origin says for a page of this server that was opened under a name of the list."""
    return {f"http://{request.host}", f"https://{request.host}"}


def _check_sender(origins: set[str]) -> None:
    """Raise Forbidden unless the request was sent by a page of ours or by no page at all.

    A bearer credential without any cookie is exempt: no browser adds one by itself. With a cookie beside it the rules
    hold. Browsers of the last years say Sec-Fetch-Site on https and loopback, and Origin on every POST. A request with
    neither comes from a program; it is let through only without a cookie that another site's page could make a browser
    send, so that it cannot act for anybody. The refresh cookie is none of those: it is SameSite=Strict.
    """
    if not request.cookies and sends_bearer():
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        is_ours = site in ("same-origin", "none")
    elif origin is not None:
        is_ours = origin in origins
    else:
        is_ours = not request.cookies.keys() - {REFRESH_COOKIE}
    if not is_ours:
        raise Forbidden("This request was sent by another site, so nothing was done.", code="CROSS_SITE")
