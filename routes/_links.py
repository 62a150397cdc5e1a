"""The only builders of internal addresses: `link()`, `here()`, `bare()`, `asset()`.

`local()` judges the addresses that are sent to us.
"""

import hashlib
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from flask import current_app, request
from werkzeug.exceptions import HTTPException

from routes._families import PAGE, family_of

# Query parameters that go along from page to page; `metric`, `sort` and page numbers belong to one page and stay there.
FILTERS = ("period", "from", "to", "machine", "project", "model", "person", "compare")


def link(path: str, /, **changes: object) -> str:
    """The address of another page with the filters of this one; `changes` win, None takes a parameter away.

    `from` is a Python keyword: pass it as `**{"from": day}`.
    """
    kept = {name: request.args[name] for name in FILTERS if name in request.args}
    return _address(path, kept, changes)


def here(**changes: object) -> str:
    """The address of this very screen with some parameters changed; the page number is never kept."""
    kept = {name: value for name, value in request.args.items() if name not in ("page", "after", "before")}
    return _address(request.path, kept, changes)


def bare(path: str, /, **parameters: object) -> str:
    """An address with just these parameters."""
    return _address(path, {}, parameters)


def _address(path: str, kept: dict[str, str], changes: dict[str, object]) -> str:
    wanted = {**kept, **changes}
    query = urlencode({name: str(value) for name, value in wanted.items() if value is not None})
    return f"{path}?{query}" if query else path


def asset(name: str) -> str:
    """The address of a file below static/, with its content's hash so that browsers may keep it for a year."""
    return f"/static/{name}?v={asset_hash(name)}"


def asset_hash(name: str) -> str:
    """First 10 hex digits of the SHA-256 of a file below static/; read again only when the file has changed."""
    path = Path(str(current_app.static_folder)) / name
    return _hash(path, path.stat().st_mtime_ns)


@cache
def _hash(path: Path, _modified_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]


def local(target: str) -> str:
    """`target` if it is a page for people who are signed in, else '/'. What a form sends back never leads off the site.

    A page is a route that GET reaches, that declares member or admin, and that is in no family of the API.
    """
    path = target.partition("?")[0]
    if not path.startswith("/") or path.startswith(("//", "/\\")) or not target.isprintable():
        return "/"
    try:
        endpoint, _ = current_app.create_url_adapter(request).match(path, method="GET")  # type: ignore[union-attr]
    except HTTPException:
        return "/"
    who = getattr(current_app.view_functions[endpoint], "allowed").who  # noqa: B009 - mypy knows no such name
    return target if who in ("member", "admin") and family_of(path) == PAGE else "/"
