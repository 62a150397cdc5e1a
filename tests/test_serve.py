"""The server as people start it: a process of its own, spoken to over the network."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

import pytest

from meter.version import VERSION

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


class Served:
    """A server in a process of its own; what it prints is read until it has said `until`."""

    def __init__(self, command, environment, until):
        env = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self.said = ""
        for line in self.process.stderr:
            self.said += line
            if until in line:
                break
        self.url = re.search(r"http://\S+?:\d+", self.said).group()
        self.browser = build_opener(HTTPCookieProcessor(CookieJar()))

    def get(self, path):
        return self.browser.open(self.url + path, timeout=10).read().decode()

    def post(self, path, **fields):
        request = Request(self.url + path, urlencode(fields).encode(), {"Origin": self.url})
        return self.browser.open(request, timeout=10).read().decode()

    def stop(self, with_signal=signal.SIGTERM):
        self.process.send_signal(with_signal)
        self.process.wait(10)
        self.process.stderr.close()
        return self.process.returncode


@pytest.fixture
def serve(environment):
    """Start a server: serve("--no-sync", until="owner yet")."""
    running = []

    def start(*arguments, until="claim it", command=(sys.executable, str(ROOT)), **changes):
        words = [*command, *arguments, "--no-open", "--bind", "127.0.0.1:0"]
        running.append(Served(words, {**environment, **changes}, until))
        return running[-1]

    yield start
    for served in running:
        if served.process.poll() is None:
            served.stop(signal.SIGKILL)


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_serve_can_be_claimed_and_shows_new_calls_by_itself(serve, transcripts):
    server = serve()
    secret = re.search(r"secret=(\S+)", server.said).group(1)
    page = server.post("/claim", secret=secret, email="ada@example.com", name="Ada", timezone="Europe/Berlin")
    assert "<title>Overview" in page
    assert json.loads(urlopen(server.url + "/status").read())["version"] == VERSION

    def synced():
        return json.loads(urlopen(server.url + "/healthz").read())["sync"] == "ok"

    assert wait_for(synced)
    assert wait_for(lambda: "claude-opus-4-6" in server.get("/?from=2026-06-15&to=2026-06-15"))
    assert server.stop() == 0


def test_a_server_that_has_an_owner_offers_no_claim(serve, run, owned):
    server = serve("--no-sync", until="on http")
    assert "claim" not in server.said
    with pytest.raises(HTTPError, match="409"):
        server.get("/claim")
    assert server.stop(signal.SIGINT) == 0


def test_a_new_start_makes_a_new_secret(serve):
    first = serve("--no-sync")
    first.stop()
    second = serve("--no-sync")
    old, new = (re.search(r"secret=(\S+)", server.said).group(1) for server in (first, second))
    assert old != new
    with pytest.raises(HTTPError, match="403"):
        second.post("/claim", secret=old, email="eve@example.com", name="", timezone="UTC")


def test_a_taken_port_is_one_sentence(environment, owned):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, str(ROOT), "--no-open", "--bind", bind]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert done.stderr == f"agentmeter: AGENTMETER_BIND: {bind}: Address already in use\n"


def test_demo_signs_in_by_its_link_and_leaves_nothing_behind(serve, tmp_path):
    server = serve("demo", until="Another link", TMPDIR=str(tmp_path))
    link = re.search(r"(/login/\S+)", server.said).group(1)
    assert "Log in as" in server.get(link)
    assert "<title>Overview" in server.post(link)
    assert list(tmp_path.glob("agentmeter-demo-*"))
    assert server.stop() == 0
    assert not list(tmp_path.glob("agentmeter-demo-*"))


def test_a_stop_takes_seconds_even_with_a_connection_held_open(serve):
    server = serve("--no-sync")
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as held:
        held.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        held.recv(100)
        started = time.monotonic()
        assert server.stop() == 0
    assert time.monotonic() - started < 5


def test_several_workers_count_tries_together_and_stop_together(serve):
    server = serve("--no-sync", AGENTMETER_WORKERS="3")

    def status():
        try:
            return urlopen(server.url + "/v1/api-tokens", timeout=10).status
        except HTTPError as error:
            return error.code

    answers = [status() for _ in range(66)]
    assert (answers.count(401), answers.count(429)) == (60, 6)
    assert server.stop() == 0


@pytest.mark.parametrize("start", ["python app.py", "flask --app app run"])
def test_the_other_ways_to_start_it(environment, start):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = {
        "python app.py": [sys.executable, "app.py", "serve", "--no-open", "--no-sync", "--bind", f"127.0.0.1:{port}"],
        "flask --app app run": [sys.executable, "-m", "flask", "--app", "app", "run", "--port", str(port)],
    }[start]
    env = {**os.environ, **environment}
    process = subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers():
        try:
            return urlopen(f"http://127.0.0.1:{port}/status", timeout=5).status == 200
        except OSError:
            return False

    try:
        assert wait_for(answers, 20)
    finally:
        process.terminate()
        process.wait(15)


def test_a_body_without_length_is_taken_whole_or_not_at_all(serve):
    server = serve("--no-sync")
    head = b"POST /claim HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"

    def status_of(rest):
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=10) as connection:
            connection.sendall(head + rest)
            connection.shutdown(socket.SHUT_WR)
            return int(connection.recv(1000).split()[1])

    def chunk(data):
        return b"%x\r\n%s\r\n" % (len(data), data)

    chunked = b"Transfer-Encoding: chunked\r\n\r\n"
    assert status_of(chunked + chunk(b"secret=claim-") + chunk(b"wrong&email=a@b") + chunk(b"")) == 403
    assert status_of(chunked + chunk(b"x" * 1_000_001) + chunk(b"")) == 413
    assert status_of(chunked + chunk(b"secret=claim-wrong&email=a@b")) == 400
    assert status_of(chunked + b"20\r\nsecret=claim-wrong&ema") == 400
    assert status_of(b"Content-Length: 40\r\n\r\nsecret=claim-wrong&email=a@b") == 400
    assert status_of(b"Content-Length: 1000001\r\n\r\n" + b"x" * 1_000_001) == 413
