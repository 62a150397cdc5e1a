"""Commands about API tokens: make one, list them, take one back."""

import re

import click

from routes._cli_base import json_option, print_json, read_settings, say

_LIFE = re.compile(r"(\d{1,5})([hd])", re.ASCII)


@click.group()
def token() -> None:
    """API tokens: what programs send instead of signing in."""


@token.command("create")
@click.option("--user", "email", required=True, metavar="EMAIL", help="The person whose data it opens.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    metavar="SCOPE",
    help="ingest, read, gateway, metrics, admin or embed; may be repeated. admin includes read, ingest and metrics.",
)
@click.option("--label", default="", help="What it is for, so that you know it again.")
@click.option(
    "--expires", metavar="WHEN", help="A time (2027-01-31T12:00Z), a day (its end, UTC), or 90d, 12h; else never."
)
@json_option
def create(email: str, scopes: tuple[str, ...], label: str, expires: str | None, as_json: bool) -> None:
    """Make a token and print it, this once.

    With --json: {token, id, user, scope, label, hint, createdAt, expiresAt, revokedAt, lastUsedAt}.
    """
    from meter import api_tokens
    from meter.audit import CLI
    from meter.database import database
    from routes._wire import hub

    settings = read_settings()
    expires_at = api_tokens.read_expiry(_time(expires))
    with database(settings) as engine:
        made = api_tokens.issue(engine, email, scopes, label, expires_at, fixed=settings.allowed_emails, actor=CLI)
    if as_json:
        print_json(hub.new_admin_token(made.text, made.row))
    else:
        click.echo(made.text)
    say(f"Made {made.row.id} for {made.row.email}. The token is shown only now.")


@token.command("list")
@json_option
def list_tokens(as_json: bool) -> None:
    """List all tokens, newest first; none of them in full.

    With --json: {tokens: [{id, user, scope, label, hint, createdAt, expiresAt, revokedAt, lastUsedAt}]}.
    """
    from datetime import UTC, datetime

    from meter import api_tokens
    from meter.database import database
    from routes._wire import hub

    with database(read_settings()) as engine:
        rows = api_tokens.all_tokens(engine)
    if as_json:
        print_json(hub.admin_tokens(rows))
        return
    now_at = datetime.now(UTC)
    for row in rows:
        words = (row.id, f"{row.hint:<22}", f"{row.state(now_at):<8}", row.email, row.label)
        click.echo("  ".join(words).rstrip())
    if not rows:
        say("There are no tokens.")


@token.command("revoke")
@click.argument("token_id", metavar="ID")
def revoke(token_id: str) -> None:
    """Take the token with that ID back; programs that use it are refused from their next request on."""
    from meter import api_tokens
    from meter.audit import CLI
    from meter.database import database
    from models.queries.scope import Scope

    with database(read_settings()) as engine:
        api_tokens.revoke(engine, Scope(owner_id=None), token_id, CLI)
    say(f"Revoked {token_id}.")


def _time(expires: str | None) -> str | float | None:
    """A time as given, or the one that is so many hours or days from now, in epoch seconds."""
    life = _LIFE.fullmatch(expires or "")
    if not life:
        return expires
    from time import time

    return time() + int(life[1]) * {"h": 3_600, "d": 86_400}[life[2]]


COMMANDS: tuple[click.Command, ...] = (token,)
