"""Handing a letter to the mail server of AGENTMETER_SMTP_URL, once. meter/mail.py decides whether to try again."""

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime, make_msgid
from urllib.parse import parse_qs, unquote, urlsplit

from meter.settings import LOOPBACK_NAMES, Settings

ANSWER_SECONDS = 8  # how long the server may take for each of its answers
SUBMISSION, SMTPS = 587, 465


@dataclass(frozen=True)
class Letter:
    """What stands in a mail: the subject and the same words twice, as plain text and as HTML."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class MailServer:
    """Where letters are handed over. tls: auto, starttls, on or off, see AGENTMETER_SMTP_URL."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    tls: str
    sender: str

    @property
    def is_local(self) -> bool:
        return self.host in LOOPBACK_NAMES


class MailFailed(Exception):
    """The letter was not taken, as far as we know; the text says why and is fit for a log."""


def mail_server(settings: Settings) -> MailServer | None:
    """The mail server of the settings; None without one."""
    if not settings.smtp_url:
        return None
    parts = urlsplit(settings.smtp_url)
    host, user = parts.hostname or "", unquote(parts.username or "")
    tls = parse_qs(parts.query).get("tls", ["on" if parts.scheme == "smtps" or parts.port == SMTPS else "auto"])[0]
    port = parts.port or (SMTPS if tls == "on" else SUBMISSION)
    own_name = urlsplit(settings.base_url).hostname or "localhost"
    sender = settings.mail_from or (user if "@" in user else f"agentmeter@{own_name}")
    return MailServer(host, port, user, unquote(parts.password or ""), tls, sender)


def deliver(server: MailServer, address: str, letter: Letter) -> None:
    """Hand a letter over to one address. Raises MailFailed, at the latest when an answer takes 8 seconds."""
    try:
        message = message_of(server, address, letter)
        connection = _connect(server)
        try:
            _introduce(server, connection)
            options = () if address.isascii() else ("SMTPUTF8",)
            connection.send_message(message, server.sender, [address], options)
            with suppress(OSError, smtplib.SMTPException):  # it has the letter; how it says goodbye changes nothing
                connection.quit()
        finally:
            connection.close()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise MailFailed(_reason(error)) from error


def message_of(server: MailServer, address: str, letter: Letter) -> EmailMessage:
    """The mail, text and HTML part. ValueError for an address that no header can hold."""
    message = EmailMessage(policy=SMTP if address.isascii() else SMTP.clone(utf8=True))
    (local, _, domain), (sender, _, sender_domain) = address.rpartition("@"), server.sender.rpartition("@")
    message["From"] = Address("Agentmeter", sender, sender_domain)
    message["To"] = Address("", local, domain)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = make_msgid(domain=sender_domain)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def _connect(server: MailServer) -> smtplib.SMTP:
    # Its own name is given: smtplib would ask the name service for it, which may take longer than the mail.
    name = server.sender.rpartition("@")[2]
    if server.tls == "on":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, name, timeout=ANSWER_SECONDS, context=context)
    return smtplib.SMTP(server.host, server.port, name, timeout=ANSWER_SECONDS)


def _introduce(server: MailServer, connection: smtplib.SMTP) -> None:
    """Encrypt as the settings say, then log in."""
    connection.ehlo_or_helo_if_needed()
    wants_tls = server.tls == "starttls" or (server.tls == "auto" and not server.is_local)
    is_encrypted = server.tls == "on"
    if wants_tls and (server.tls == "starttls" or connection.has_extn("starttls")):
        connection.starttls(context=ssl.create_default_context())
        is_encrypted = True
    if not server.user:
        return
    if not is_encrypted and not server.is_local and server.tls != "off":
        raise MailFailed("the mail server offers no encryption, and the password is not sent without; tls=off would")
    connection.login(server.user, server.password)


def _reason(error: Exception) -> str:
    """What went wrong in a line without addresses or passwords, which servers like to repeat."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"the recipient was refused: {', '.join(str(code) for code, _ in error.recipients.values())}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__}: {error.smtp_code}"
    if isinstance(error, OSError) and error.strerror and not isinstance(error, smtplib.SMTPException):
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__
