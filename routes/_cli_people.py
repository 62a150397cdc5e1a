"""Commands about people: add somebody, make them a login link."""

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


@click.command("login-link")
@click.argument("email")
@json_option
def login_link(email: str, as_json: bool) -> None:
    """Print a link that signs in the person with the address EMAIL.

    It works once and for ten minutes; links made before for the same person stop working.

    With --json: {url, expires_at}.
    """
    from meter import login
    from meter.database import database

    settings = read_settings()
    with database(settings) as engine:
        link = login.make_login_link(engine, email)
    url = f"{settings.base_url}/login/{link.token}"
    if as_json:
        print_json({"url": url, "expires_at": link.expires_at.isoformat(timespec="seconds").replace("+00:00", "Z")})
    else:
        click.echo(url)
    say(f"Works once, until {link.expires_at.astimezone():%H:%M}.")


COMMANDS: tuple[click.Command, ...] = (user, login_link)
