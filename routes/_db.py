"""The database of a request. The only module of routes/ that knows SQLAlchemy."""

from flask import Flask, current_app, g
from sqlalchemy import Connection, Engine, exc

from models.db import reading, schema_is_current

DatabaseError = exc.SQLAlchemyError  # whatever goes wrong with the database, for those who must fail closed


def connect(app: Flask, engine: Engine) -> None:
    """Give the application its engine; every request closes what it opened."""
    app.extensions["engine"] = engine
    app.teardown_appcontext(_close)


def engine() -> Engine:
    """For the verbs of meter/, which open their own transaction."""
    found: Engine = current_app.extensions["engine"]
    return found


def db() -> Connection:
    """The request's one connection for questions; opened at the first call, closed with the request."""
    if "db" not in g:
        context = reading(engine())
        g.db = context.__enter__()
        g.db_context = context
    connection: Connection = g.db
    return connection


def reread() -> None:
    """What this request asks from now on shows what was written meanwhile, by itself too."""
    _close(None)


def _close(_error: BaseException | None) -> None:
    context = g.pop("db_context", None)
    g.pop("db", None)
    if context is not None:
        context.__exit__(None, None, None)


def is_database_down(error: BaseException) -> bool:
    """Whether an exception means that the database cannot be used now, rather than that we asked it nonsense."""
    if isinstance(error, (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)):
        return True
    return isinstance(error, exc.DBAPIError) and error.connection_invalidated


def is_current() -> bool:
    """Whether the database answers and has the schema this code needs. Raises DatabaseError when it does not answer."""
    return schema_is_current(engine())
