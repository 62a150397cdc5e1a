"""The schema: made by the migrations, described by the table classes, the same on both databases."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from models.db import MIGRATIONS, make_engine, reading, schema_is_current, schema_revision, upgrade, writing
from models.revision import HEAD
from models.tables import metadata


@pytest.fixture
def empty(request, database, tmp_path):
    """The URL of a database without any table."""
    if database.startswith("sqlite"):
        return f"sqlite:///{tmp_path}/new.db"
    engine = make_engine(database)
    with writing(engine) as db:
        db.execute(text("drop schema public cascade"))
        db.execute(text("create schema public"))
    engine.dispose()
    return database


def test_the_migrations_make_what_the_table_classes_say(engine):
    with reading(engine) as db:
        assert compare_metadata(MigrationContext.configure(db, opts={"compare_server_default": True}), metadata) == []


def test_tables_that_are_their_key_are_made_so(sqlite):
    engine = make_engine(sqlite)
    with reading(engine) as db:
        made = dict(db.execute(text("select name, sql from sqlite_master where type = 'table'")).fetchall())
    engine.dispose()
    for table in metadata.tables.values():
        without_rowid = table.dialect_options["sqlite"]["with_rowid"] is False
        assert ("WITHOUT ROWID" in made[table.name]) == without_rowid, table.name


def test_every_whole_number_has_64_bits(engine):
    inspector = inspect(engine)
    for table in metadata.tables:
        for column in inspector.get_columns(table):
            assert str(column["type"]) in ("BIGINT", "TEXT"), f"{table}.{column['name']}"


def test_the_owner_leads_the_key_of_what_people_own(engine):
    inspector = inspect(engine)
    for table in metadata.tables:
        if "owner_id" in {column["name"] for column in inspector.get_columns(table)}:
            assert inspector.get_pk_constraint(table)["constrained_columns"][0] == "owner_id"
            indexes = [index["column_names"] for index in inspector.get_indexes(table)]
            assert all(columns[0] == "owner_id" for columns in indexes if "public_id" not in columns)


def test_the_newest_migration_is_the_one_the_program_needs():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_upgrading_makes_the_schema_once(empty):
    engine = make_engine(empty)
    assert schema_revision(engine) is None
    upgrade(engine)
    assert schema_is_current(engine)
    with writing(engine) as db:
        db.execute(text("insert into model_alias (name, llm_model, is_override) values ('a', 'b', 1)"))
    upgrade(engine)
    with reading(engine) as db:
        assert db.execute(text("select name from model_alias")).all() == [("a",)]
    engine.dispose()


def test_processes_that_start_together_upgrade_once(empty):
    errors = []

    def start():
        engine = make_engine(empty)
        try:
            upgrade(engine)
        except Exception as error:
            errors.append(error)
        engine.dispose()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    engine = make_engine(empty)
    assert schema_is_current(engine)
    engine.dispose()


def test_an_upgrade_that_breaks_off_leaves_nothing(empty):
    engine = make_engine(empty)
    with writing(engine) as db:
        db.execute(text("create table machine (id bigint)"))  # in the way of the first migration
    with pytest.raises(SQLAlchemyError):
        upgrade(engine)
    assert inspect(engine).get_table_names() == ["machine"]
    with writing(engine) as db:
        db.execute(text("drop table machine"))
    upgrade(engine)
    assert schema_is_current(engine)
    engine.dispose()


def test_a_database_of_a_newer_program_is_refused_by_name(engine):
    with writing(engine) as db:
        db.execute(text("update alembic_version set version_num = '2099_01_01'"))
    with pytest.raises(SQLAlchemyError, match="schema 2099_01_01"):
        upgrade(engine)
    with writing(engine) as db:
        db.execute(text("update alembic_version set version_num = :head"), {"head": HEAD})
