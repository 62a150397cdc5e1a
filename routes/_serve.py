"""The server: gunicorn started from here, one process with threads, and one background thread that keeps reading."""

import os
import socket
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

from flask import Flask
from gunicorn.app.base import BaseApplication

from meter import login
from meter.errors import Invalid
from meter.live import LiveSync
from meter.local import LocalSyncer
from meter.settings import Settings
from meter.version import VERSION
from routes._cli_base import say
from routes._log import write_log_to_stderr
from routes._mail import stop_postman, wake_postman
from routes._sync import keep_live

STOP_SECONDS = 8  # how long answers under way may take after SIGTERM
MAIL_STOP_SECONDS = 2  # how long a delivery may take then; one that is cut off is begun anew later
SILENT_SECONDS = 120  # a worker whose main loop is stuck this long is replaced


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with our options and an application that is there already."""

    def __init__(self, app: Flask, options: dict[str, object]) -> None:
        self.app = app
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self.app


Greeting = Callable[[Flask, Settings], str]  # says how to come in, returns the address a browser should open


def serve(
    make_app: Callable[[Settings], Flask], settings: Settings, greet: Greeting, *, opens_browser: bool, syncs: bool
) -> None:
    """Serve until told to stop; never returns.

    The socket is bound first, so that a taken port is an error of ours and port 0 has its number before links are made.
    """
    write_log_to_stderr()
    listener = listen(settings)
    settings = replace(settings, bind=_bind_text(settings, listener.getsockname()[1]))
    app = make_app(settings)
    say(f"Agentmeter {VERSION} on {settings.base_url}")
    if not settings.is_local and not settings.public_url:
        say("Set AGENTMETER_PUBLIC_URL to the address others use; under any other name the server does not answer.")
    address = greet(app, settings)
    app.extensions["engine"].dispose()  # connections must not be shared with the process forked below
    options = _options(settings, listener.detach())
    if opens_browser:
        options["when_ready"] = lambda _arbiter: open_browser(address)
    live = LiveSync(LocalSyncer(settings)) if syncs else None
    options["post_worker_init"] = lambda _worker: start_threads(app, live)
    options["worker_exit"] = lambda _arbiter, _worker: stop_threads(app, live)
    Server(app, options).run()


def greet_owner(app: Flask, settings: Settings) -> str:
    """While nobody owns the server, say how to claim it."""
    secret = login.start_claim(app.extensions["engine"])
    if secret is None:
        return settings.base_url
    address = f"{settings.base_url}/claim?{urlencode({'secret': secret})}"
    say(f"It has no owner yet. To claim it, open  {address}")
    return address


def listen(settings: Settings) -> socket.socket:
    """A listening socket for AGENTMETER_BIND. Invalid when the port is taken or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in settings.bind_host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.bind_host, settings.bind_port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise Invalid(f"AGENTMETER_BIND: {settings.bind}: {error.strerror}", field="AGENTMETER_BIND") from None
    return listener


def open_browser(address: str) -> None:
    """Open the page where there is somebody to see it."""
    has_display = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if has_display and sys.stderr.isatty():
        webbrowser.open(address)


def start_threads(app: Flask, live: LiveSync | None) -> None:
    """In the process that serves: send the mail that waits, and read this machine's transcripts as they grow."""
    wake_postman(app)
    if live is not None:
        keep_live(app, live)
        live.start()


def stop_threads(app: Flask, live: LiveSync | None) -> None:
    """Let what is under way come to its end: a delivery, a batch."""
    stop_postman(app, MAIL_STOP_SECONDS)
    if live is not None:
        live.stop(STOP_SECONDS)


def _options(settings: Settings, listener: int) -> dict[str, object]:
    """What gunicorn is told; `listener` is the file descriptor of the bound socket."""
    threads = settings.threads + settings.streams
    options: dict[str, object] = {
        "bind": f"fd://{listener}",
        "worker_class": "gthread",
        "workers": settings.workers,
        "threads": threads,
        "worker_connections": threads + 1000,
        "graceful_timeout": STOP_SECONDS,
        "timeout": SILENT_SECONDS,
        "keepalive": 5,
        "loglevel": "warning",
        "control_socket_disable": True,
    }
    if os.path.isdir("/dev/shm"):
        options["worker_tmp_dir"] = "/dev/shm"  # the sign of life is written there every second
    return options


def _bind_text(settings: Settings, port: int) -> str:
    return f"[{settings.bind_host}]:{port}" if ":" in settings.bind_host else f"{settings.bind_host}:{port}"
