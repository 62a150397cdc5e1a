"""Commands about people: add somebody, list them, change what they may, make them a login link."""

from typing import Any

import click

from routes._cli_base import json_option, print_json, read_settings, say


@click.group()
def user() -> None:
    """The people of this installation."""


@user.command("add")
@click.argument("email")
@click.option("--admin", is_flag=True, help="May see everybody's figures and manage people, prices and tokens.")
@click.option("--name", default="", help="How the person is called on pages; else the part before the @.")
@click.option("--timezone", help="Their time zone, such as Europe/Berlin; else AGENTMETER_TIMEZONE.")
@json_option
def add_user(email: str, admin: bool, name: str, timezone: str | None, as_json: bool) -> None:
    """Add the person with the address EMAIL.

    Adding an admin also settles who owns the server: the claim link printed at the start stops working. How the person
    comes in: `agentmeter login-link EMAIL`.

    With --json: {id, email, role}.
    """
    from meter import login
    from meter.database import database

    settings = read_settings()
    role = "admin" if admin else "member"
    with database(settings) as engine:
        account = login.add_person(engine, email, role, name, timezone or settings.timezone)
    if as_json:
        print_json({"id": account.id, "email": account.email, "role": account.role})
    say(f"Added {account.email} ({account.role}). To sign in: agentmeter login-link {account.email}")


@user.command("list")
@json_option
def list_users(as_json: bool) -> None:
    """List everybody by name, those who are shut out last.

    With --json: {people: [{id, email, name, role, disabled, machines, createdAt, lastSeenAt}]}.
    """
    from meter.database import reader
    from models.queries.people import people
    from models.queries.scope import Scope
    from routes._wire import hub

    with reader(read_settings()) as db:
        found = people(db, Scope(owner_id=None))
    if as_json:
        print_json(hub.people(found))
        return
    for one in found:
        click.echo(f"{one.email}  {one.name}  {one.role}{', disabled' if one.disabled_at else ''}")


@user.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice(("member", "admin")))
def change_role(email: str, role: str) -> None:
    """Make the person with the address EMAIL a member or an admin, from their next request on. One admin must stay."""
    account = _change("set_role", email, role)
    say(f"{account.email} is {account.role} now.")


@user.command("disable")
@click.argument("email")
def disable_user(email: str) -> None:
    """Shut the person with the address EMAIL out: sessions end, tokens are refused. Their figures stay."""
    say(f"{_change('disable_person', email).email} is shut out.")


@user.command("enable")
@click.argument("email")
def enable_user(email: str) -> None:
    """Let the person with the address EMAIL in again. Their tokens work again; they have to sign in anew."""
    say(f"{_change('enable_person', email).email} may come in again.")


def _change(verb: str, email: str, *given: str) -> Any:
    """One of the verbs of meter/roles.py for the person with that address; the account as it is then."""
    from meter import roles
    from meter.audit import CLI
    from meter.database import database

    with database(read_settings()) as engine:
        return getattr(roles, verb)(engine, roles.person_id_of(engine, email), *given, actor=CLI)


@click.command("login-link")
@click.argument("email")
@json_option
def login_link(email: str, as_json: bool) -> None:
    """Print a link that signs in the person with the address EMAIL.

    It works once and for ten minutes; links made before for the same person stop working. The whitelist and the mail
    server are not asked. Run it with the settings of the server: its key has to sign the link.

    With --json: {url, expires_at}.
    """
    from meter import login
    from meter.database import database
    from meter.keys import secret_keys

    settings = read_settings()
    with database(settings) as engine:
        link = login.make_login_link(engine, secret_keys(settings), email)
    url = f"{settings.base_url}/login/{link.token}"
    if as_json:
        print_json({"url": url, "expires_at": link.expires_at.isoformat(timespec="seconds").replace("+00:00", "Z")})
    else:
        click.echo(url)
    say(f"Works once, until {link.expires_at.astimezone():%H:%M}.")


COMMANDS: tuple[click.Command, ...] = (user, login_link)
