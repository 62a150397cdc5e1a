"""`python bench/identity.py [--rounds N]`: a credential taken back is refused by every process from then on.

Four server processes share one PostgreSQL database. Eight clients send requests with a credential all the time; it is
taken back in one process, and whatever was sent after that was confirmed must be refused in all four. Then wrong tokens
are timed: those that begin like a living one must not be told from others. Exit code 1 when anything is not so.
"""

import argparse
import os
import re
import secrets
import string
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import cycle
from math import exp, sqrt
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # `python bench/identity.py` puts this folder there

from itsdangerous import Signer  # noqa: E402
from sqlalchemy import Engine, create_engine, text  # noqa: E402

from meter import api_tokens, people, refresh, roles, sessions, whitelist  # noqa: E402
from meter.audit import CLI  # noqa: E402
from meter.people import Account  # noqa: E402
from meter.sessions import Browser, NewSession  # noqa: E402
from models.db import make_engine, reading, upgrade  # noqa: E402

POSTGRES = os.environ.get("AGENTMETER_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
PROCESSES, CLIENTS = 4, 8
BEFORE_SECONDS, AFTER_SECONDS = 0.02, 0.03  # of load around the moment it is taken back
# Answers 404 to whoever is let in and 401 or 403 to everybody else, and costs next to nothing.
ADMINS_DOOR = ("DELETE", "/api/admin/tokens/none")
MEMBERS_DOOR = ("DELETE", "/v1/api-tokens/none")
REFUSED = (401, 403)
LEAST_PROBABILITY = 0.01


@dataclass
class Tally:
    """What happened in the rounds of one kind. `late`: requests that got through though sent after the confirmation."""

    name: str
    rounds: int = 0
    let_in: int = 0
    refused: int = 0
    after: int = 0
    late: int = 0
    odd: set[int] = field(default_factory=set)

    def line(self) -> str:
        odd = f", odd answers {sorted(self.odd)}" if self.odd else ""
        counts = f"{self.rounds:>6,} {self.let_in:>9,} {self.refused:>9,} {self.after:>12,} {self.late:>6,}"
        return f"{self.name:<34} {counts}{odd}"


@dataclass
class Fleet:
    """The processes, their database and the key they sign with."""

    urls: list[str]
    engine: Engine
    key: str

    def __post_init__(self) -> None:
        self.next_url = cycle(self.urls)

    def cookie(self, session: NewSession) -> dict[str, str]:
        value = Signer(self.key, salt="browser_session").sign(session.secret).decode()
        return {"Cookie": f"agentmeter={value}", "Sec-Fetch-Site": "same-origin"}

    def access(self, session: NewSession) -> dict[str, str]:
        with reading(self.engine) as db:
            signed_in = sessions.find_session_by_id(db, session.session_id)
        return bearer(refresh.sign_access(self.key, signed_in))


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1_000, help="tokens taken back; of the other kinds a fifth each")
    rounds: int = parser.parse_args().rounds
    with fleet() as ready:
        ada = people.add_person(ready.engine, "ada@example.com", "admin")
        eve = people.add_person(ready.engine, "eve@example.com", "admin")
        admin = bearer(token(ready.engine, ada, "admin"))
        kinds = {
            "API token revoked": (rounds, lambda: revoked_token(ready, eve, admin)),
            "cookie copied before logout": (rounds // 5, lambda: copied_cookie(ready, eve)),
            "access token of an ended session": (rounds // 5, lambda: ended_session(ready, eve)),
            "token of a disabled person": (rounds // 5, lambda: disabled_person(ready, eve)),
            "admin token after a role drop": (rounds // 5, lambda: dropped_role(ready, eve)),
            "token after whitelist removal": (rounds // 5, lambda: delisted(ready, eve)),
        }
        print(f"{'taken back':<34} {'rounds':>6} {'let in':>9} {'refused':>9} {'sent after':>12} {'late':>6}")
        tallies = []
        for name, (count, one) in kinds.items():
            tallies.append(storm(ready, name, count, one))
            print(tallies[-1].line(), flush=True)
        probability = prefix_timing(ready, ada, rounds * 20)
    is_right = not any(tally.late or tally.odd for tally in tallies)
    print("\nNothing got through." if is_right else "\nSOMETHING GOT THROUGH: see above.")
    print(f"Unknown tokens, {rounds * 20:,} that begin like a living one and as many others: KS p = {probability:.3f}")
    return 0 if is_right and probability > LEAST_PROBABILITY else 1


# One round: the headers of a credential, the door it opens, and what takes it back.
Round = tuple[dict[str, str], tuple[str, str], Callable[[], None]]


def revoked_token(ready: Fleet, eve: Account, admin: dict[str, str]) -> Round:
    made = api_tokens.issue(ready.engine, eve.email, ["admin"], fixed=(), actor=CLI)
    url = next(ready.next_url)
    gone = lambda: expect(204, send(url, "DELETE", f"/api/admin/tokens/{made.row.id}", admin))  # noqa: E731
    return bearer(made.text), ADMINS_DOOR, gone


def copied_cookie(ready: Fleet, eve: Account) -> Round:
    cookie = ready.cookie(sessions.open_session(ready.engine, eve.id, Browser()))
    url = next(ready.next_url)
    return cookie, MEMBERS_DOOR, lambda: expect(303, send(url, "POST", "/logout", cookie))


def ended_session(ready: Fleet, eve: Account) -> Round:
    session = sessions.open_session(ready.engine, eve.id, Browser())
    cookie, url = ready.cookie(session), next(ready.next_url)
    return ready.access(session), MEMBERS_DOOR, lambda: expect(303, send(url, "POST", "/logout", cookie))


def disabled_person(ready: Fleet, eve: Account) -> Round:
    roles.enable_person(ready.engine, eve.id, actor=CLI)
    secret = token(ready.engine, eve, "admin")
    return bearer(secret), ADMINS_DOOR, lambda: done(roles.disable_person(ready.engine, eve.id, actor=CLI))


def dropped_role(ready: Fleet, eve: Account) -> Round:
    roles.enable_person(ready.engine, eve.id, actor=CLI)
    roles.set_role(ready.engine, eve.id, "admin", actor=CLI)
    secret = token(ready.engine, eve, "admin")
    return bearer(secret), ADMINS_DOOR, lambda: done(roles.set_role(ready.engine, eve.id, "member", actor=CLI))


def delisted(ready: Fleet, eve: Account) -> Round:
    roles.set_role(ready.engine, eve.id, "admin", actor=CLI)
    with reading(ready.engine) as db:
        is_listed = eve.email in {rule.rule for rule in whitelist.rules(db)}
    if not is_listed:
        whitelist.add(ready.engine, eve.email, CLI)
    secret = token(ready.engine, eve, "admin")
    return bearer(secret), ADMINS_DOOR, lambda: done(whitelist.remove(ready.engine, eve.email, (), CLI))


def token(engine: Engine, account: Account, scope: str) -> str:
    return api_tokens.issue(engine, account.email, [scope], fixed=(), actor=CLI).text


def done(_result: object) -> None:
    """It has happened once the call is back."""


def expect(status: int, sent: tuple[float, int]) -> None:
    if sent[1] != status:
        raise RuntimeError(f"taking it back was answered {sent[1]}, not {status}")


def storm(ready: Fleet, name: str, rounds: int, one: Callable[[], Round]) -> Tally:
    """So many rounds of one kind under load."""
    tally = Tally(name)
    with ThreadPoolExecutor(CLIENTS) as pool:
        for _ in range(rounds):
            headers, door, take_back = one()
            is_over, sent = threading.Event(), []
            work = [
                pool.submit(hammer, url, door, headers, is_over, sent) for url in ready.urls * (CLIENTS // PROCESSES)
            ]
            time.sleep(BEFORE_SECONDS)
            take_back()
            confirmed_at = time.monotonic()
            time.sleep(AFTER_SECONDS)
            is_over.set()
            for client in work:
                client.result()
            count(tally, sent, confirmed_at)
    return tally


def hammer(
    url: str, door: tuple[str, str], headers: dict[str, str], is_over: threading.Event, sent: list[tuple[float, int]]
) -> None:
    """Send until it is over; when each request began, and what it was answered."""
    while not is_over.is_set():
        sent.append(send(url, *door, headers))


def count(tally: Tally, sent: list[tuple[float, int]], confirmed_at: float) -> None:
    tally.rounds += 1
    for began_at, status in sent:
        tally.refused += status in REFUSED
        tally.let_in += status == 404
        tally.after += began_at > confirmed_at
        tally.late += began_at > confirmed_at and status not in REFUSED
        if status not in (404, *REFUSED):
            tally.odd.add(status)


_kept = threading.local()


def send(url: str, method: str, path: str, headers: dict[str, str]) -> tuple[float, int]:
    """When a request began and the status of its answer, over this thread's open connection to that server.

    A connection that lay idle may have been closed by the server just now: then once more over a new one.
    """
    connections: dict[str, HTTPConnection] = _kept.__dict__.setdefault("connections", {})
    for is_last in (False, True):
        if url not in connections:
            parts = urlsplit(url)
            connections[url] = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        began_at = time.monotonic()
        try:
            connections[url].request(method, path, headers=headers)
            answer = connections[url].getresponse()
            answer.read()
            return began_at, answer.status
        except ConnectionError:
            connections.pop(url).close()
            if is_last:
                raise
    raise AssertionError("never comes here")


def prefix_timing(ready: Fleet, ada: Account, count: int) -> float:
    """How likely such a difference in time is by chance, if right first letters of a token change nothing.

    Two-sample Kolmogorov-Smirnov test over `count` answers to each kind of wrong token, all with a right checksum.
    """
    living = token(ready.engine, ada, "read")
    seconds: tuple[list[float], list[float]] = ([], [])
    order = [kind for kind in (0, 1) for _ in range(count)]
    Random(1).shuffle(order)
    for kind in order:
        start = living[:-16] if kind else living[:8] + random_letters(len(living) - 24)
        body = start + random_letters(10)
        headers = bearer(body + api_tokens.checksum(body))
        started = time.perf_counter()
        _, status = send(ready.urls[0], *MEMBERS_DOOR, headers)
        seconds[kind].append(time.perf_counter() - started)
        assert status == 401
    return ks_probability(*(sorted(some) for some in seconds))


def random_letters(count: int) -> str:
    return "".join(secrets.choice(string.ascii_letters) for _ in range(count))


def ks_probability(first: list[float], second: list[float]) -> float:
    """Asymptotic p of the two-sample Kolmogorov-Smirnov test; both sorted."""
    furthest = max(
        abs(bisect_right(first, at) / len(first) - bisect_right(second, at) / len(second)) for at in (*first, *second)
    )
    root = sqrt(len(first) * len(second) / (len(first) + len(second)))
    scaled = (root + 0.12 + 0.11 / root) * furthest
    return min(1.0, max(0.0, 2 * sum((-1) ** (n - 1) * exp(-2 * (n * scaled) ** 2) for n in range(1, 101))))


@contextmanager
def fleet() -> Iterator[Fleet]:
    """Four servers over a database of their own; all of it gone at the end."""
    name = f"agentmeter_bench_{uuid.uuid4().hex[:12]}"
    server = create_engine(POSTGRES.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with ExitStack() as stack:
        with server.connect() as db:
            db.execute(text(f"create database {name}"))
        stack.callback(drop, server, name)
        url = f"{POSTGRES.rpartition('/')[0]}/{name}"
        engine = make_engine(url)
        stack.callback(engine.dispose)
        upgrade(engine)
        home, key = stack.enter_context(tempfile.TemporaryDirectory()), secrets.token_urlsafe(48)
        given = {"DATABASE_URL": url, "HOME": home, "SECRET_KEY": key, "RATE_LIMITS": "off"}
        environment = {**os.environ, **{f"AGENTMETER_{name}": value for name, value in given.items()}}
        urls = [start(stack, environment) for _ in range(PROCESSES)]
        yield Fleet(urls, engine, key)


def start(stack: ExitStack, environment: dict[str, str]) -> str:
    """The address of one more server, which ends with the stack."""
    words = [sys.executable, str(ROOT), "serve", "--no-open", "--no-sync", "--bind", "127.0.0.1:0"]
    process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    stack.callback(stop, process)
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"http://\S+?:\d+", line)
        if found:
            threading.Thread(target=lambda: list(process.stderr or ()), daemon=True).start()  # keep the pipe empty
            return found.group()
    raise RuntimeError("a server did not start")


def stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    process.wait(20)


def drop(server: Engine, name: str) -> None:
    with server.connect() as db:
        db.execute(text(f"drop database {name} with (force)"))
    server.dispose()


if __name__ == "__main__":
    sys.exit(main())
