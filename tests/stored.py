"""What is in a database, in names instead of ids: histories that should come to the same can be compared."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from meter import rollups
from meter.ingest import TRANSCRIPT, Ingested, write_calls
from meter.logs.drafts import CallDraft
from meter.pricing import PriceBook
from meter.rollups import EVERYBODY, SUMS, Difference
from models.bulk import Store
from transcripts import MODEL, NOON_MS, PROJECT, SESSION, message_id

NOW_MS = 1_790_000_000_000
AGENT = "claude-code"
_NAMES = {
    "agent_session_id": ("agent_session", "session_key"),
    "machine_id": ("machine", "machine_key"),
    "project_id": ("project", "project_key"),
    "llm_model_id": ("llm_model", "name"),
    "tool_id": ("tool", "name"),
}
_OF_EVERYBODY = ("llm_model", "tool")
CALL = (
    "call_key", "at_ms", "agent_session_id", "machine_id", "project_id", "llm_model_id", *SUMS[1:8], "rate_id",
    "client_cost_nanousd", "stated_5m_tokens", "stated_write_tokens", "speed", "service_tier", "inference_geo",
    "source", "is_superseded", "is_sidechain", "is_copy", "request_id", "agent_id", "git_branch", "stop_reason",
    "tools",
)  # fmt: skip
TABLES = {
    "call": CALL,
    **{rollup.table: (*(name for name, _ in rollup.key), *SUMS) for rollup in rollups.ROLLUPS},
    **{tally.table: (*tally.key, tally.counted) for tally in rollups.TALLIES},
}
SESSION_ROW = ("session_key", "finest_source", "first_ms", "last_ms", *SUMS)


def a_call(name: object = "first", ms: int = 0, **fields: Any) -> CallDraft:
    """A call, so many milliseconds after noon; `counts` may be cut short."""
    counts = (*fields.pop("counts", (3, 100)), *([0] * 7))[:7]
    known = {"session_key": SESSION, "machine_key": "box", "project_key": PROJECT, "project_path": "/home/ada/shop"}
    return CallDraft(message_id(name), NOON_MS + ms, **{**known, "llm_model": MODEL, "counts": counts, **fields})


def merged(drafts: Iterable[CallDraft]) -> list[CallDraft]:
    """Each key once, as readers hand calls over. The drafts given stay as they are."""
    found: dict[str, CallDraft] = {}
    for draft in drafts:
        copy = CallDraft(*draft.as_tuple())
        known = found.setdefault(draft.call_key, copy)
        if known is not copy:
            known.merge(copy)
    return list(found.values())


def write(
    store: Store, book: PriceBook, *drafts: CallDraft, owner: int = 1, source: int = TRANSCRIPT, agent: str = AGENT
) -> Ingested:
    """Store one batch in one transaction; the owner is made when there is none."""
    with store.writing(owner):
        add_owner(store, owner)
        return write_calls(store, owner, merged(drafts), agent=agent, source=source, book=book, now_ms=NOW_MS)


def add_owner(store: Store, owner: int) -> None:
    """Somebody with that number, unless there is one: calls of nobody are refused."""
    store.run(
        "insert into person (id, email, name, role, timezone, theme, created_at)"
        " values (?, ?, 'Somebody', 'member', 'UTC', 'system', 0) on conflict do nothing",
        (owner, f"person{owner}@example.com"),
    )


def content(store: Store, owner: int = 1) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of an owner (0: everybody) that says something, sorted."""
    found = {table: _rows(store, table, columns, owner) for table, columns in TABLES.items()}
    if owner != EVERYBODY:
        found["agent_session"] = _rows(store, "agent_session", SESSION_ROW, owner)
        found["began"] = _began(store, owner)
        found["hang_together"] = _families(links(store, owner))
    return found


def _rows(store: Store, table: str, columns: tuple[str, ...], owner: int) -> list[tuple[Any, ...]]:
    """Rows of a table without those whose sums are all 0: what left a place leaves such a row."""
    chosen, joined = [], ""
    for column in columns:
        other, name = _NAMES.get(column, ("", ""))
        chosen.append(f"{other}.{name}" if other else f"t.{column}")
        if other:
            same_owner = "" if other in _OF_EVERYBODY else f" and {other}.owner_id = t.owner_id"
            joined += f" join {other} on {other}.id = t.{column}{same_owner}"
    rows = store.rows(f"select {', '.join(chosen)} from {table} t{joined} where t.owner_id = ?", (owner,))
    sums = [place for place, name in enumerate(columns) if name in (*SUMS, "sessions", "uses")]
    return sorted((tuple(row) for row in rows if table == "call" or any(row[place] for place in sums)), key=repr)


def _began(store: Store, owner: int) -> list[tuple[Any, ...]]:
    """Machine and project of sessions with calls."""
    sql = (
        "select s.session_key, m.machine_key, p.project_key from agent_session s"
        " join machine m on m.owner_id = s.owner_id and m.id = s.machine_id"
        " join project p on p.owner_id = s.owner_id and p.id = s.project_id where s.owner_id = ? and s.calls > 0"
    )
    return sorted(store.rows(sql, (owner,)))


def links(store: Store, owner: int = 1) -> list[tuple[str, str]]:
    """(session, session whose calls it repeats)."""
    sql = (
        "select s.session_key, o.session_key from session_link l"
        " join agent_session s on s.owner_id = l.owner_id and s.id = l.session_id"
        " join agent_session o on o.owner_id = l.owner_id and o.id = l.origin_session_id where l.owner_id = ?"
    )
    return sorted(store.rows(sql, (owner,)))


def _families(pairs: list[tuple[str, str]]) -> list[tuple[Any, ...]]:
    """Sessions that hang together: which of them owns what they share may have changed on the way."""
    families: dict[str, set[str]] = {}
    for pair in pairs:
        joined = set().union(*(families.get(key, {key}) for key in pair))
        families.update((key, joined) for key in joined)
    return sorted({tuple(sorted(family)) for family in families.values()})


def calls(store: Store, owner: int = 1) -> list[dict[str, Any]]:
    """Every stored call of an owner by key; sessions, machines, projects and models by name."""
    return [dict(zip(CALL, row, strict=True)) for row in _rows(store, "call", CALL, owner)]


def differences(store: Store) -> list[Difference]:
    """What `verify` would find."""
    with store.reading():
        return list(rollups.differences(store))


def usage_of(store: Store, owner: int = 1) -> dict[str, int]:
    """The sums over everything an owner has, from the month table."""
    sums = ", ".join(f"cast(coalesce(sum({name}), 0) as bigint)" for name in SUMS)
    (row,) = store.rows(f"select {sums} from usage_month where owner_id = ?", (owner,))
    return dict(zip(SUMS, row, strict=True))


@contextmanager
def kept_database(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[str]:
    """The URL of a database that several tests read: a copy of the empty one, for a fixture of a module."""
    if kind == "sqlite":
        path = folder / "agentmeter.db"
        path.write_bytes(request.getfixturevalue("sqlite_template").read_bytes())
        yield f"sqlite:///{path}"
        return
    made = type(request.getfixturevalue("postgres"))(request.getfixturevalue("postgres_server"))
    yield made.url
    made.drop()
