"""Taking one owner out of what all owners share: the sums over everybody, and the names of models and tools.

Inside a transaction in which no owner has another writer.
"""

from sqlalchemy import Connection, Table, delete, exists, select, tuple_, update

from meter.call_rows import known_tools
from models import rollups
from models.bulk import Store
from models.measures import EVERYBODY

# Every table of sums: `owner_id` and the rest of the key, then what is summed.
_SUMS: tuple[Table, ...] = tuple(table.__table__ for table in vars(rollups).values() if hasattr(table, "__table__"))


def shared_sums(db: Connection) -> tuple[Table, ...]:
    """The tables that hold sums over everybody beside those of every owner."""
    return tuple(table for table in _SUMS if db.execute(select(exists().where(table.c.owner_id == EVERYBODY))).scalar())


def take_out(db: Connection, table: Table, owner_id: int) -> int:
    """Take an owner's sums out of those over everybody, and then away; how many rows of theirs those were.

    By what the owner has there, to the last nanodollar: nothing of the others is counted again.
    """
    key = [column for column in table.primary_key if column.name != "owner_id"]
    sums = [column for column in table.c if not column.primary_key]
    theirs = select(table).where(table.c.owner_id == owner_id).subquery("theirs")
    is_same = [column == theirs.c[column.name] for column in key]
    change = {column.name: column - theirs.c[column.name] for column in sums}
    db.execute(update(table).where(table.c.owner_id == EVERYBODY, *is_same).values(change))
    places = select(*(theirs.c[column.name] for column in key))
    nothing = [column == 0 for column in sums]
    db.execute(delete(table).where(table.c.owner_id == EVERYBODY, *nothing, tuple_(*key).in_(places)))
    return db.execute(delete(table).where(table.c.owner_id == owner_id)).rowcount


def drop_unused_names(store: Store) -> None:
    """Forget names of models and tools that no call carries any more.

    What counts stands in the sums over everybody; calls that a finer report superseded are asked only when needed.
    """
    unused = {
        table: dict(store.rows(f"select name, id from {table} where id not in ({used})"))
        for table, used in (
            ("llm_model", f"select llm_model_id from usage_month where owner_id = {EVERYBODY}"),
            ("tool", f"select tool_id from tool_day where owner_id = {EVERYBODY}"),
        )
    }
    if not any(unused.values()):
        return
    for llm_model_id, tools in store.rows("select distinct llm_model_id, tools from call where is_superseded = 1"):
        unused["llm_model"] = {name: id_ for name, id_ in unused["llm_model"].items() if id_ != llm_model_id}
        for name in (known_tools(tools) or {}).values():
            unused["tool"].pop(name, None)
    for table, names in unused.items():
        store.run_by_key(f"delete from {table} where id in {{keys}}", (), sorted(names.values()))
