"""A real mail server on loopback, which tests switch between taking mail, refusing it, hanging and being down."""

import asyncio
import socket
import time
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.controller import Controller

HANG_SECONDS = 60


class MailServer:
    """`letters` are (recipients, message) in the order they came. answer: None takes mail, else what RCPT is told."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.letters: list[tuple[list[str], EmailMessage]] = []
        self.answer: str | None = None
        self.hangs = False
        self.asked = 0
        self._controller: Controller | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def wait_for(self, count: int, seconds: float = 30.0) -> list[tuple[list[str], EmailMessage]]:
        """The letters, once there are so many; AssertionError when they do not come."""
        deadline = time.monotonic() + seconds
        while len(self.letters) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.letters) >= count, f"{len(self.letters)} of {count} letters after {seconds} s"
        return self.letters

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(HANG_SECONDS)
        if self.answer:
            return self.answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        message = message_from_bytes(envelope.content, policy=default)
        self.letters.append((list(envelope.rcpt_tos), message))
        return "250 taken"


def link_in(message: EmailMessage) -> str:
    """The address in a letter's text."""
    text = message.get_body(("plain",)).get_content()
    [link] = [word for word in text.split() if word.startswith("http")]
    return link


def part(message: EmailMessage, kind: str) -> str:
    """The words of a letter's `plain` or `html` part."""
    return message.get_body((kind,)).get_content()
