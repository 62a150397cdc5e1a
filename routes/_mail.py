"""Mail: what stands in it, and the thread of this process that sends it."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from flask import Flask, current_app, render_template

from meter import login
from meter.errors import NotFound
from meter.login import NewLink
from meter.mail import Outgoing, Postman
from meter.periods import read_zone
from meter.roles import INVITATION
from meter.settings import Settings
from meter.smtp import Letter, mail_server
from routes._links import bare


@dataclass(frozen=True)
class LoginMail:
    """What templates/email/login.* print. Times are of the clock in `zone`; `asked_from` a browser in words."""

    email: str
    url: str
    asked_from: str
    asked_ip: str
    asked_at: str
    until_at: str
    zone: str


@dataclass(frozen=True)
class InvitationMail:
    """What templates/email/invitation.* print. There is no secret in it: whoever opens `url` asks for a link there."""

    email: str
    url: str
    invited_by: str


def prepare_mail(app: Flask, settings: Settings) -> None:
    """Give the application its postman, if the settings name a mail server."""
    server = mail_server(settings)
    app.extensions["postman"] = Postman(app.extensions["engine"], server, partial(compose, app)) if server else None


def wake_postman(app: Flask) -> None:
    """Have what waits sent now; nothing happens without a mail server."""
    postman: Postman | None = app.extensions["postman"]
    if postman is not None:
        postman.wake()


def stop_postman(app: Flask, wait_seconds: float) -> None:
    """End the thread, after a delivery under way."""
    postman: Postman | None = app.extensions["postman"]
    if postman is not None:
        postman.stop(wait_seconds)


def login_url(token: str, next_path: str) -> str:
    """The whole address of a login link; it begins with AGENTMETER_PUBLIC_URL whatever name the server is called by."""
    settings: Settings = current_app.extensions["settings"]
    return settings.base_url + bare(f"/login/{token}", next=next_path if next_path != "/" else None)


def compose(app: Flask, outgoing: Outgoing) -> Letter | None:
    """The letter of an outgoing row; None when its link was used or replaced meanwhile."""
    with app.app_context():
        if outgoing.kind == INVITATION:
            return _invitation(outgoing)
        try:
            link = login.renew_token(app.extensions["engine"], app.extensions["secret_keys"], outgoing.link_id or "")
        except NotFound:
            return None
        return _login_letter(outgoing, link)


def _login_letter(outgoing: Outgoing, link: NewLink) -> Letter:
    facts = outgoing.facts
    zone = read_zone(facts["timezone"])

    def clock(at: datetime) -> str:
        return at.astimezone(zone).strftime("%H:%M")

    view = LoginMail(
        email=outgoing.address,
        url=login_url(link.token, facts["next"]),
        asked_from=facts["asked_from"],
        asked_ip=facts["asked_ip"],
        asked_at=clock(link.created_at),
        until_at=clock(link.expires_at),
        zone=facts["timezone"],
    )
    text, html = (render_template(name, view=view) for name in ("email/login.txt", "email/login.html"))
    return Letter("Log in to Agentmeter", text, html)


def _invitation(outgoing: Outgoing) -> Letter:
    settings: Settings = current_app.extensions["settings"]
    view = InvitationMail(outgoing.address, settings.base_url + bare("/login"), outgoing.facts["invited_by"])
    text, html = (render_template(name, view=view) for name in ("email/invitation.txt", "email/invitation.html"))
    return Letter("You are invited to Agentmeter", text, html)
