"""The web application: `create_app()` puts its parts together. What they do stands in routes/, meter/ and models/."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(
        0, str(HERE)
    )  # installed as the package `agentmeter`: models, meter and routes lie beside this file

from flask import Flask
from jinja2 import StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix

from meter.database import open_database
from meter.keys import secret_keys
from meter.settings import Settings, load
from meter.whitelist import enforce
from routes import (
    account,
    admin,
    admin_tokens,
    api_tokens,
    audit_page,
    login,
    ops,
    overview,
    people,
    refresh,
    setup,
    wizard,
)
from routes import settings as personal
from routes._auth import allow, check_every_route_is_declared, guard_routes
from routes._body import receive_whole_bodies
from routes._db import connect
from routes._errors import answer_errors
from routes._headers import add_headers
from routes._limits import limit_tries
from routes._links import asset, here, link
from routes._mail import prepare_mail
from routes._origin import check_origins

PAGES = (overview, people, personal, audit_page, setup, wizard, login)
SUBJECTS = (*PAGES, ops, api_tokens, admin_tokens, refresh, admin, account)
LARGEST_BODY_BYTES = 1_000_000  # forms; a route that takes more says so itself


def create_app(settings: Settings | None = None) -> Flask:
    """The application of one installation; its settings come from the environment unless given.

    Brings the database to the newest schema. Raises Invalid naming the setting that cannot be used.
    """
    settings = settings or load()
    keys = secret_keys(settings)
    app = Flask("agentmeter", root_path=str(HERE), instance_path=str(settings.home.absolute()))
    app.config.update(SECRET_KEY=keys[0], MAX_CONTENT_LENGTH=LARGEST_BODY_BYTES)
    app.extensions["settings"] = settings
    app.json.sort_keys = False  # type: ignore[attr-defined]
    _prepare_templates(app)
    engine = open_database(settings)
    connect(app, engine)
    enforce(engine, settings.allowed_emails)
    prepare_mail(app, settings)
    # The order is the order of the checks: name the request, whose page sent it, how often, who may, is it whole.
    add_headers(app, settings)
    check_origins(app, settings)
    limit_tries(app, settings)
    guard_routes(app, settings, keys)
    receive_whole_bodies(app)
    answer_errors(app)
    for subject in SUBJECTS:
        app.register_blueprint(subject.bp)
    allow("anyone")(app.view_functions["static"])
    check_every_route_is_declared(app)
    if settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=0, x_host=0)  # type: ignore[method-assign]
    return app


def _prepare_templates(app: Flask) -> None:
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(link=link, here=here, asset=asset)


def main() -> None:
    """`python app.py`: the same command line as `agentmeter`."""
    from routes._cli import cli

    cli(obj=create_app, prog_name="agentmeter")


if __name__ == "__main__":
    main()
