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
from meter.home import kept_secret_key
from meter.settings import Settings, load
from routes import login, ops, overview, setup
from routes import settings as personal
from routes._auth import allow, check_every_route_is_declared, guard_routes
from routes._body import receive_whole_bodies
from routes._db import connect
from routes._errors import answer_errors
from routes._headers import add_headers
from routes._limits import limit_tries
from routes._links import asset, here, link
from routes._origin import check_origins

SUBJECTS = (overview, login, ops, personal, setup)
LARGEST_BODY_BYTES = 1_000_000  # forms; a route that takes more says so itself


def create_app(settings: Settings | None = None) -> Flask:
    """The application of one installation; its settings come from the environment unless given.

    Brings the database to the newest schema. Raises Invalid naming the setting that cannot be used.
    """
    settings = settings or load()
    key = settings.secret_key or kept_secret_key(settings.home)
    app = Flask("agentmeter", root_path=str(HERE), instance_path=str(settings.home.absolute()))
    app.config.update(SECRET_KEY=key, MAX_CONTENT_LENGTH=LARGEST_BODY_BYTES)
    app.extensions["settings"] = settings
    app.json.sort_keys = False  # type: ignore[attr-defined]
    _prepare_templates(app)
    connect(app, open_database(settings))
    # The order is the order of the checks: name the request, whose page sent it, how often, who may, is it whole.
    add_headers(app, settings)
    check_origins(app, settings)
    limit_tries(app, settings)
    guard_routes(app, settings, key)
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
