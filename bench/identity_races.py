"""`python bench/identity_races.py [--rounds N] [--only NAME]`: what may happen once happens once, whoever races for it.

links: 50 browsers redeem one link at once, on PostgreSQL over four processes and on SQLite in one; then used, older and
foreign tokens are shown again. claims: 50 claim a fresh server at once. limits: 600 requests in ten seconds with one
token over four processes, and on until the window has moved on. gone: the counts or the database are taken away under
load. even: how long a server that tells nothing takes for four kinds of address. Exit code 1 when anything is not so.
"""

import argparse
import json
import os
import secrets
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from itertools import combinations, cycle
from pathlib import Path
from random import Random
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # `python bench/identity_races.py` puts this folder there

from sqlalchemy import Engine, create_engine, text  # noqa: E402

from bench.identity import POSTGRES, PROCESSES, bearer, drop, ks_probability, start, token  # noqa: E402
from meter import login, people, roles, sessions  # noqa: E402
from meter.audit import CLI  # noqa: E402
from meter.login import Browser  # noqa: E402
from meter.settings import Settings, load  # noqa: E402
from models.db import make_engine, reading, upgrade, writing  # noqa: E402

RACERS = 50
DOOR = "/v1/api-tokens"  # 200 for a person, 403 for a token that was let through
TOKEN_LIMIT, WINDOW_SECONDS = 100, 60
LEAST_PROBABILITY, MOST_APART_SECONDS = 0.01, 0.005
COMING = "team.example"  # addresses there may come in


@dataclass
class Servers:
    """Processes over one database, which this process uses as well."""

    urls: list[str]
    engine: Engine
    settings: Settings
    key: str

    def __post_init__(self) -> None:
        self.next_url = cycle(self.urls)


@dataclass(frozen=True)
class Said:
    """An answer: when it was asked for and there (monotonic seconds), and what it says."""

    began_at: float
    ended_at: float
    status: int
    cookies: int

    @property
    def seconds(self) -> float:
        return self.ended_at - self.began_at


def main() -> int:
    groups = {"links": links, "claims": claims, "limits": limits, "gone": gone, "even": even}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="races for a link on each database")
    parser.add_argument("--only", action="append", choices=groups, help="may be repeated")
    options = parser.parse_args()
    faults = [fault for name in options.only or groups for fault in groups[name](options.rounds)]
    print("\nAll as it should be." if not faults else "\nNOT SO:\n  " + "\n  ".join(faults))
    return 1 if faults else 0


def links(rounds: int) -> Iterator[str]:
    for kind, processes in (("postgresql", PROCESSES), ("sqlite", 1)):
        with servers(kind, processes, RATE_LIMITS="off", ALLOWED_EMAILS=f"@{COMING}") as ready:
            people.add_person(ready.engine, "ada@example.com", "admin")
            logins, shown_again, looks = Counter[int](), Counter[int](), 0
            with ThreadPoolExecutor(RACERS) as pool:
                for number in range(rounds):
                    older, newest = (_link(ready, number) for _ in range(2))
                    looks += _is_looked_at(ready, newest)
                    said = race(pool, [partial(_redeem, url, newest) for url in _spread(ready)])
                    logins[sum(one.status == 303 and one.cookies == 2 for one in said)] += 1
                    shown_again.update(_show_again(ready, [newest, older, _foreign(ready, newest)]))
        print(f"{kind}, {processes} process(es), {rounds} races of {RACERS}: logins in a race {dict(logins)},")
        print(f"  human after scanners {looks}/{rounds}, dead tokens shown again {dict(shown_again)}", flush=True)
        if logins != {1: rounds} or set(shown_again) != {401, 404} or looks != rounds:
            yield f"links on {kind}"


def _link(ready: Servers, number: int) -> str:
    """A link: every other one for somebody who is not here yet."""
    if number % 2:
        return login.make_login_link(ready.engine, [ready.key], "ada@example.com").token
    email, browser = f"new{number}@{COMING}", Browser("Firefox", "127.0.0.1")
    made = login.ask_for_link(ready.engine, ready.settings, [ready.key], email, browser).link
    assert made is not None
    return made.token


def _foreign(ready: Servers, token: str) -> str:
    """The same row, signed by our key for another purpose."""
    content = login.signer([ready.key], login.LOGIN).loads(token)
    return str(login.signer([ready.key], "download").dumps(content))


def _is_looked_at(ready: Servers, token: str) -> bool:
    """A scanner opens the link in every way that changes nothing; True when it still works."""
    methods = ("HEAD", *["GET"] * 5)
    return all(send(next(ready.next_url), method, f"/login/{token}").status == 200 for method in methods)


def _redeem(url: str, token: str) -> Said:
    return send(url, "POST", f"/login/{token}", urlencode({"next": "/"}), FORM)


def _show_again(ready: Servers, tokens: Sequence[str]) -> Iterator[int]:
    for one in tokens:
        for url in ready.urls:
            yield _redeem(url, one).status
            yield send(url, "POST", "/api/auth/redeem", json.dumps({"token": one}), JSON).status


def claims(rounds: int) -> Iterator[str]:
    """Half of those who claim know the secret. Each fresh server: (admins, people, let in, refused)."""
    outcomes, count = Counter[tuple[int, ...]](), max(3, rounds // 10)
    with servers("postgresql", PROCESSES, RATE_LIMITS="off") as ready, ThreadPoolExecutor(RACERS) as pool:
        for _ in range(count):
            _forget_everybody(ready.engine)
            older, newest = (login.start_claim(ready.engine) or "" for _ in range(2))
            secrets_tried = cycle((newest, older, newest, "claim-x"))
            said = race(pool, [partial(_claim, url, next(secrets_tried)) for url in _spread(ready)])
            told = Counter(one.status for one in said)
            outcomes[*_people(ready.engine), told[303], told[403] + told[409]] += 1
            late = {_claim(url, newest).status for url in ready.urls}
            if late != {409}:
                yield f"a claim after the claim: {late}"
    print(
        f"{count} fresh servers, {RACERS} claims each: (admins, people, let in, refused) {dict(outcomes)}", flush=True
    )
    if outcomes != {(1, 1, 1, RACERS - 1): count}:
        yield "claims"


def _forget_everybody(engine: Engine) -> None:
    with writing(engine) as db:
        for table in ("browser_session", "allowed_email", "person", "installation"):
            db.execute(text(f"delete from {table}"))


def _people(engine: Engine) -> tuple[int, int]:
    with reading(engine) as db:
        roles_now = db.execute(text("select role from person")).scalars().all()
    return roles_now.count("admin"), len(roles_now)


def _claim(url: str, secret: str) -> Said:
    email = f"p{secrets.token_hex(4)}@example.com"
    typed = {"secret": secret, "email": email, "name": "", "timezone": "UTC"}
    return send(url, "POST", "/claim", urlencode(typed), FORM)


def limits(_rounds: int) -> Iterator[str]:
    at_once = [number / 60 for number in range(600)]  # 600 in ten seconds
    behind = [50 + number / 10 for number in range(250)]  # and on until a second window has passed
    with servers("postgresql", PROCESSES) as ready, ThreadPoolExecutor(16) as pool:
        ada = people.add_person(ready.engine, "ada@example.com", "admin")
        busy, other = (bearer(token(ready.engine, ada, "gateway")) for _ in range(2))
        alone = _paced(pool, ready, other, [number / 20 for number in range(60)])
        beside = pool.submit(_paced_alone, ready, other, [number * 1.5 for number in range(50)])
        said = _paced(pool, ready, busy, [*at_once, *behind])
        meanwhile = beside.result()
    began_at = min(one.began_at for one in said)
    let_in = sorted(one.ended_at - began_at for one in said if one.status == 403)
    first, second = sum(at < 12 for at in let_in), sum(at >= WINDOW_SECONDS for at in let_in)
    most = max(sum(start <= at < start + WINDOW_SECONDS for at in let_in) for start in let_in)
    told, others = (Counter(one.status for one in some) for some in (said, meanwhile))
    print(f"600 requests in 10 s, then 250 in 25 s, with one token over {PROCESSES} processes: {dict(told)}")
    print(f"  let in at first {first}, at most {most} in any {WINDOW_SECONDS} s, then {second} in the next window")
    print(
        f"  another token meanwhile {dict(others)}, p95 {_p95(meanwhile):.1f} ms, alone {_p95(alone):.1f} ms",
        flush=True,
    )
    if abs(first - TOKEN_LIMIT) > 1 or most > TOKEN_LIMIT + 1 or second < TOKEN_LIMIT - 1 or set(told) != {403, 429}:
        yield "limits"
    if set(others) != {403}:
        yield "another token was hindered"


def _paced(pool: ThreadPoolExecutor, ready: Servers, headers: dict[str, str], seconds: list[float]) -> list[Said]:
    """One request at each of these seconds from now, over all processes in turn."""
    started = time.monotonic()

    def one(url: str, at: float) -> Said:
        time.sleep(max(0.0, started + at - time.monotonic()))
        return send(url, "GET", DOOR, "", headers)

    return [work.result() for work in [pool.submit(one, next(ready.next_url), at) for at in seconds]]


def _paced_alone(ready: Servers, headers: dict[str, str], seconds: list[float]) -> list[Said]:
    with ThreadPoolExecutor(1) as pool:
        return _paced(pool, ready, headers, seconds)


def _p95(said: Sequence[Said]) -> float:
    """Milliseconds."""
    return statistics.quantiles([one.seconds for one in said], n=20)[-1] * 1000


def gone(rounds: int) -> Iterator[str]:
    """Requests with every kind of credential, and without, while what decides about them is not there."""
    paths = (DOOR, "/", "/settings", "/api/admin/tokens")
    for table in ("rate_limit_try", "rate_limit", "person"):
        with servers("postgresql", PROCESSES) as ready, ThreadPoolExecutor(16) as pool:
            ada = people.add_person(ready.engine, "ada@example.com", "admin")
            session = sessions.open_session(ready.engine, ada.id, Browser(), sessions.BEARER)
            credentials = (bearer(token(ready.engine, ada, "read")), bearer(session.secret), {})
            with writing(ready.engine) as db:
                db.execute(text(f"alter table {table} rename to {table}_gone"))
            wanted = zip(range(rounds * 10), cycle(paths), cycle(credentials), strict=False)
            work = [pool.submit(send, next(ready.next_url), "GET", path, "", who) for _, path, who in wanted]
            told = Counter(one.result().status for one in work)
        print(f"without {table}: {sum(told.values()):,} requests, answers {dict(told)}", flush=True)
        if any(200 <= status < 300 for status in told):
            yield f"let in without {table}"


def even(rounds: int) -> Iterator[str]:
    with servers("postgresql", PROCESSES, RATE_LIMITS="off", ALLOWED_EMAILS=f"@{COMING}", UNIFORM="1") as ready:
        people.add_person(ready.engine, "ada@example.com", "admin")
        roles.disable_person(ready.engine, people.add_person(ready.engine, "ben@example.com").id, actor=CLI)
        emails = {
            "here": "ada@example.com",
            "new": f"new@{COMING}",
            "disabled": "ben@example.com",
            "other": "e@x.example",
        }
        order = [kind for kind in emails for _ in range(rounds * 5)]
        Random(1).shuffle(order)
        with ThreadPoolExecutor(8) as pool:
            said = list(pool.map(lambda kind: _ask(next(ready.next_url), emails[kind]), order))
    took = {name: sorted(one.seconds for one, kind in zip(said, order, strict=True) if kind == name) for name in emails}
    medians = {kind: statistics.median(seconds) for kind, seconds in took.items()}
    probability = min(ks_probability(took[one], took[other]) for one, other in combinations(emails, 2))
    shown = ", ".join(f"{kind} {median * 1000:.2f}" for kind, median in medians.items())
    told = dict(Counter(one.status for one in said))
    print(f"{rounds * 5} wishes for a link of each kind, answers {told}: median ms {shown},")
    print(f"  least KS p of all pairs {probability:.3f}", flush=True)
    if max(medians.values()) - min(medians.values()) >= MOST_APART_SECONDS or probability <= LEAST_PROBABILITY:
        yield "even"


def _ask(url: str, email: str) -> Said:
    return send(url, "POST", "/api/auth", json.dumps({"email": email}), JSON)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


def race(pool: ThreadPoolExecutor, runners: Sequence[Callable[[], Said]]) -> list[Said]:
    """All of them at the same moment."""
    gate = threading.Barrier(len(runners))

    def run(runner: Callable[[], Said]) -> Said:
        gate.wait(30)
        return runner()

    return [work.result() for work in [pool.submit(run, runner) for runner in runners]]


def _spread(ready: Servers) -> list[str]:
    return [next(ready.next_url) for _ in range(RACERS)]


def send(url: str, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> Said:
    """One request over a connection of its own."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.connect()
        began_at = time.monotonic()
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        answer.read()
        cookies = len(answer.headers.get_all("Set-Cookie") or ())
        return Said(began_at, time.monotonic(), answer.status, cookies)
    finally:
        connection.close()


@contextmanager
def servers(kind: str, processes: int, **changes: str) -> Iterator[Servers]:
    """So many processes over a database of their own; all of it gone at the end. UNIFORM stands for AUTH_UNIFORM."""
    with ExitStack() as stack:
        home, key = stack.enter_context(tempfile.TemporaryDirectory()), secrets.token_urlsafe(48)
        url = f"sqlite:///{home}/agentmeter.db" if kind == "sqlite" else _new_database(stack)
        engine = make_engine(url)
        stack.callback(engine.dispose)
        upgrade(engine)
        uniform = changes.pop("UNIFORM", "")
        given = {"DATABASE_URL": url, "HOME": home, "SECRET_KEY": key, **changes}
        environment = {**{f"AGENTMETER_{name}": value for name, value in given.items()}, "AUTH_UNIFORM": uniform}
        urls = [start(stack, {**os.environ, **environment}) for _ in range(processes)]
        yield Servers(urls, engine, load(environment), key)


def _new_database(stack: ExitStack) -> str:
    name = f"agentmeter_bench_{uuid.uuid4().hex[:12]}"
    server = create_engine(POSTGRES.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with server.connect() as db:
        db.execute(text(f"create database {name}"))
    stack.callback(drop, server, name)
    return f"{POSTGRES.rpartition('/')[0]}/{name}"


if __name__ == "__main__":
    sys.exit(main())
