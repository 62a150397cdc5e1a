"""The demonstration: a generated half year of a small team in a database that is gone afterwards."""

import os
import shutil
import tempfile
from typing import Any

import click

from routes._cli_base import Progress, read_settings, say


@click.command()
@click.option("--bind", metavar="HOST:PORT", help="Listen there instead of AGENTMETER_BIND; port 0 takes a free one.")
@click.option("--no-open", is_flag=True, help="Do not open the browser.")
@click.pass_obj
def demo(make_app: Any, bind: str | None, no_open: bool) -> None:
    """Show Agentmeter with the invented half year of a small team.

    The figures live in a temporary folder that is removed at the end; your own are neither read nor touched. Prints
    the address and a link that signs you in as the team's admin.
    """
    from routes._serve import serve

    folder, maker = tempfile.mkdtemp(prefix="agentmeter-demo-"), os.getpid()
    try:
        settings = read_settings(bind=bind, home=folder, database_url=f"sqlite:///{folder}/agentmeter.db")
        admin = _fill(settings)

        def greet(app: Any, settings: Any) -> str:
            from meter import login

            link = login.make_login_link(app.extensions["engine"], app.extensions["secret_keys"], admin)
            address = f"{settings.base_url}/login/{link.token}"
            say(f"To sign in, open  {address}")
            say(f"Another link:     AGENTMETER_HOME={folder} agentmeter login-link {admin}")
            return address

        serve(make_app, settings, greet, opens_browser=not no_open, syncs=False)
    finally:
        if os.getpid() == maker:  # the process forked to serve passes here too when it ends
            shutil.rmtree(folder, ignore_errors=True)


def _fill(settings: Any) -> str:
    """Make the team; the admin's address."""
    from datetime import UTC, datetime

    from meter.database import database
    from meter.demo_fill import fill_demo
    from meter.local import writer

    with database(settings) as engine, writer(settings) as store, Progress("Making half a year") as progress:
        admin = fill_demo(engine, store, datetime.now(UTC), lambda day, days: progress.at(day, days, f"day {day}"))
    return admin.email


COMMANDS: tuple[click.Command, ...] = (demo,)
