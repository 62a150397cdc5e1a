"""The overview against a bare Flask page on the same server, and how many statements it takes."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import event

from app import create_app
from bench import places, year
from bench.measure import Table, calls_in_turn
from meter import login
from meter.settings import load
from models.bulk import open_store
from models.db import make_engine, upgrade

CALLS, FEW_CALLS = 100_000, 5_000
TEAMS = (6, year.PEOPLE)
REQUESTS = 200
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def tables(scratch: Path) -> Iterator[Table]:
    """One table a size of team."""
    for people in TEAMS:
        folder = scratch / f"team-{people}"
        folder.mkdir()
        yield _of_a_team(people, folder)


def _of_a_team(people: int, scratch: Path) -> Table:
    """Each person has two machines and ten projects, all of which the page's filters offer."""
    table = Table(f"The overview page of {people} people, 30 days of {CALLS:,} calls in a year, SQLite")
    many = _installation(scratch / "many", CALLS, people)
    few = _installation(scratch / "few", FEW_CALLS, people)
    statements = _statements(many)
    table.check("statements with more calls", abs(statements - _statements(few)), f"{statements} a page")
    bare = [sys.executable, str(places.ROOT / "bench" / "bare_page.py")]
    ours = [sys.executable, str(places.ROOT), "serve", "--no-open", "--no-sync"]
    with _server(bare, many) as bare_port, _server(ours, many) as port:
        cookie = {"Cookie": _cookie(port, many), **SAME_ORIGIN}
        pages = {
            "bare": _Page(bare_port, ["/"], {}),
            "fresh": _Page(port, _months(30), cookie),
            "swap": _Page(port, _months(29), {**cookie, "HX-Request": "true"}),
            "held": _Page(port, _months(28)[:1], cookie),
            "poll": _Page(port, ["/overview/version?seen=1"], cookie),
        }
        seconds = calls_in_turn({name: page.get for name, page in pages.items()}, REQUESTS)
        note = {name: f"{one * 1e3:.2f} ms, {pages[name].bytes:,} bytes" for name, one in seconds.items()}
    for name, what, goal in (
        ("fresh", "the page, asked for the first time", 6.0),
        ("swap", "its part for htmx, the first time", 6.0),
        ("held", "the page again, nothing changed", None),
        ("poll", "asking whether something changed", None),
    ):
        table.add(f"{what}, against a bare page", seconds[name] / seconds["bare"], goal, note=note[name])
    table.add("the bare page itself", seconds["bare"] * 1e3, unit="ms", note=note["bare"])
    return table


def _months(days: int = 30) -> list[str]:
    """The page for enough different ranges of so many days, all with calls, whatever today is."""
    last_days = [year.END_AT.date() - timedelta(days=number) for number in range(REQUESTS + 1)]
    return [f"/?from={last - timedelta(days=days - 1)}&to={last}" for last in last_days]


class _Page:
    """Some addresses, asked in turn over one connection."""

    def __init__(self, port: int, paths: Sequence[str], headers: Mapping[str, str]) -> None:
        self.paths, self.headers, self.bytes = cycle(paths), headers, 0
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def get(self) -> None:
        path = next(self.paths)
        self.connection.request("GET", path, headers=dict(self.headers))
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status not in (200, 204):
            raise RuntimeError(f"{path} answered {answer.status}")
        self.bytes = len(body)


def _installation(folder: Path, calls: int, people: int) -> dict[str, str]:
    """A home with a year of calls, as environment."""
    folder.mkdir()
    url = f"sqlite:///{folder / 'agentmeter.db'}"
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()
    store = open_store(url)
    year.fill(store, calls, people)
    store.close()
    return {
        "AGENTMETER_HOME": str(folder),
        "AGENTMETER_DATABASE_URL": url,
        "AGENTMETER_BIND": "127.0.0.1:0",
        "AGENTMETER_RATE_LIMITS": "off",
    }


def _statements(environment: Mapping[str, str]) -> int:
    """How many statements the page puts to the database."""
    app = create_app(load(dict(environment)))
    engine, count = app.extensions["engine"], 0

    def note(*_: object) -> None:
        nonlocal count
        count += 1

    client = app.test_client()
    link = login.make_login_link(engine, app.extensions["secret_keys"], "person1@example.com")
    client.post(f"/login/{link.token}", headers=SAME_ORIGIN)
    client.get(_months()[1], headers=SAME_ORIGIN)
    event.listen(engine, "before_cursor_execute", note)
    answer = client.get(_months()[0], headers=SAME_ORIGIN)
    if answer.status_code != 200:
        raise RuntimeError(f"the overview answered {answer.status_code}")
    engine.dispose()
    return count


@contextmanager
def _server(command: list[str], environment: Mapping[str, str]) -> Iterator[int]:
    """A server of its own for the time of a block; its port."""
    process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = ""
        while not (found := ADDRESS.search(said)):
            line = process.stderr.readline()
            if not line:
                raise RuntimeError(f"{' '.join(command)} did not start: {said}")
            said += line
        port = urlsplit(found[0]).port
        assert port is not None
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.communicate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _cookie(port: int, environment: Mapping[str, str]) -> str:
    """The cookie of a browser session, come by the front door."""
    done = subprocess.run(
        [sys.executable, str(places.ROOT), "login-link", "person1@example.com", "--json"],
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
    )
    path = urlsplit(json.loads(done.stdout)["url"]).path
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", path, headers={**SAME_ORIGIN, "Content-Length": "0"})
    answer = connection.getresponse()
    answer.read()
    cookie = answer.getheader("Set-Cookie")
    if not cookie:
        raise RuntimeError(f"signing in answered {answer.status} without a cookie")
    return cookie.partition(";")[0]
