"""What the tests share: databases, the application, and the cast: ada owns, ben is on her team, cyd is a stranger.

Every test that takes `app`, `client` or `database` runs on SQLite and on PostgreSQL. PostgreSQL comes from
AGENTMETER_TEST_POSTGRES; when nothing answers there its tests are skipped, or fail under AGENTMETER_REQUIRE_ALL=1.
"""

import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, inspect, text

from app import create_app
from meter import login
from meter.login import Account
from meter.settings import Settings, load
from models.db import make_engine, upgrade
from routes._cli import cli
from support import Client, browser_of, signed_in, skip_or_fail
from transcripts import answer

POSTGRES = os.environ.get("AGENTMETER_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
SHARED = Path(os.environ.get("AGENTMETER_SHARED") or Path(__file__).parents[2] / "shared")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the reference data: transcripts, expected counts, contracts."""
    if not SHARED.is_dir():
        skip_or_fail(f"no reference data at {SHARED}; set AGENTMETER_SHARED")
    return SHARED


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Engine]:
    """The server where test databases are made."""
    server = create_engine(POSTGRES.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    try:
        with server.connect():
            pass
    except Exception as error:
        skip_or_fail(f"no PostgreSQL at {POSTGRES}: {error}")
    yield server
    server.dispose()


class PostgresDatabase:
    """A database of this test process alone, emptied after every test: far quicker than making one for each."""

    def __init__(self, server: Engine) -> None:
        self.server = server
        self.name = f"agentmeter_test_{uuid.uuid4().hex[:12]}"
        self.url = f"{POSTGRES.rpartition('/')[0]}/{self.name}"
        self.make()
        self.tables = self.list_tables()

    def make(self) -> None:
        with self.server.connect() as db:
            db.execute(text(f"create database {self.name}"))
            db.execute(text(f"alter database {self.name} set synchronous_commit = off"))
        _migrate(self.url)

    def drop(self) -> None:
        with self.server.connect() as db:
            db.execute(text(f"drop database {self.name} with (force)"))

    def list_tables(self) -> list[str]:
        engine = make_engine(self.url)
        names = sorted(inspect(engine).get_table_names())
        engine.dispose()
        return names

    def empty(self) -> None:
        """Delete all rows; a test that took tables away gets them back in a new database."""
        if self.list_tables() != self.tables:
            self.drop()
            self.make()
            return
        engine = make_engine(self.url)
        with engine.begin() as db:
            others = "from pg_stat_activity where datname = :name and pid <> pg_backend_pid()"
            db.execute(text(f"select pg_terminate_backend(pid) {others}"), {"name": self.name})
            db.execute(text("set local session_replication_role = replica"))  # any order will do without foreign keys
            for table in self.tables:
                if table != "alembic_version":
                    db.execute(text(f'delete from "{table}"'))
        engine.dispose()


@pytest.fixture(scope="session")
def postgres(postgres_server: Engine) -> Iterator[PostgresDatabase]:
    made = PostgresDatabase(postgres_server)
    yield made
    made.drop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the newest schema and no rows."""
    path = tmp_path_factory.mktemp("template") / "agentmeter.db"
    _migrate(f"sqlite:///{path}")
    return path


def _migrate(url: str) -> None:
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()


@pytest.fixture
def sqlite(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a database file of this test alone, with the newest schema and no rows."""
    path = tmp_path / "agentmeter.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database of this test alone, with the newest schema and no rows: each test runs on both kinds.

    A module where nothing depends on the database says so: `def database(sqlite): return sqlite`.
    """
    made = request.getfixturevalue(request.param)
    yield made if request.param == "sqlite" else made.url
    if request.param == "postgres":
        made.empty()


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """An engine on the test's database."""
    engine = make_engine(database)
    yield engine
    engine.dispose()


@pytest.fixture
def environment(database: str, tmp_path: Path) -> dict[str, str]:
    """The variables of the test's installation; an empty home folder, no transcripts."""
    return {
        "AGENTMETER_DATABASE_URL": database,
        "AGENTMETER_HOME": str(tmp_path / "home"),
        "AGENTMETER_LOG_ROOTS": str(tmp_path / "transcripts"),
    }


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    return load(environment)


@pytest.fixture
def make_app(environment: dict[str, str]) -> Iterator[Callable[..., Flask]]:
    """Make the application with some settings changed: make_app(AGENTMETER_PUBLIC_URL="https://...")."""
    made = []

    def make(**changes: str) -> Flask:
        app = create_app(load({**environment, **changes}))
        app.testing = True
        app.test_client_class = Client
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["engine"].dispose()


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def ada(app: Flask) -> Account:
    """The owner: an admin in Berlin."""
    return login.add_person(app.extensions["engine"], "ada@example.com", "admin", "Ada Lovelace", "Europe/Berlin")


@pytest.fixture
def ben(app: Flask, ada: Account) -> Account:
    """A member of ada's installation."""
    return login.add_person(app.extensions["engine"], "ben@example.com", "member", "Ben", "UTC")


@pytest.fixture
def cyd(app: Flask, ada: Account) -> Account:
    """Another member, who has nothing to do with ben."""
    return login.add_person(app.extensions["engine"], "cyd@example.com", "member", "Cyd", "America/New_York")


@pytest.fixture
def anonymous(app: Flask) -> FlaskClient:
    """Somebody who is not signed in."""
    return browser_of(app)


@pytest.fixture
def client(app: Flask, ada: Account) -> FlaskClient:
    """Ada's browser, signed in."""
    return signed_in(app, ada)


@pytest.fixture
def bens_client(app: Flask, ben: Account) -> FlaskClient:
    """Ben's browser, signed in."""
    return signed_in(app, ben)


@pytest.fixture
def cyds_client(app: Flask, cyd: Account) -> FlaskClient:
    """Cyd's browser, signed in."""
    return signed_in(app, cyd)


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[..., Result]:
    """Run a command in this process: run("user add", "ada@example.com", AGENTMETER_THREADS="8")."""

    def call(command: str, *arguments: str, **changes: str) -> Result:
        return CliRunner().invoke(cli, [*command.split(), *arguments], obj=create_app, env={**environment, **changes})

    return call


@pytest.fixture
def transcripts(tmp_path: Path) -> Path:
    """A projects folder with one transcript of two calls."""
    folder = tmp_path / "transcripts" / "projects" / "-home-ada-shop"
    folder.mkdir(parents=True)
    lines = [answer("first"), answer("second", 60)]
    (folder / "session.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def owned(run: Callable[..., Result]) -> None:
    """An installation with ada as its admin."""
    assert run("user add", "ada@example.com", "--admin").exit_code == 0
