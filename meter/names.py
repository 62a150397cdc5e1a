"""Small ids for the names that calls carry: machines, projects, sessions of an owner; models and tools of everybody."""

import re
import uuid
from collections.abc import Callable
from typing import Any

from meter.labels import short_labels
from meter.logs.drafts import CallDraft
from meter.pricing import family_of, provider_of
from models.bulk import Store

FOREVER_MS = 1 << 62
_NOT_PLAIN = re.compile("[^A-Za-z0-9]")
UNKNOWN_MACHINE = "unknown"
NOTHING_YET = 99  # rank of a session that no source has reported calls of


class Names:
    """The ids behind the names in a batch of drafts, made where they are new. Inside the owner's transaction.

    `machines`, `projects`, `sessions`, `llm_models`, `tools` map a name to its id. By id of a session: `finest` is the
    rank of its finest source, `first_ms` its first call (None: none yet); `new_sessions` were made just now.
    """

    def __init__(self, store: Store, owner_id: int, drafts: list[CallDraft], source_agent: str, now_ms: int) -> None:
        self._store, self._owner_id = store, owner_id
        self.machines = self._machines({draft.machine_key for draft in drafts}, now_ms)
        self.projects = self._projects(drafts)
        self.llm_models = self._shared("llm_model", {draft.llm_model for draft in drafts}, _llm_model_row)
        self.tools = self._shared(
            "tool", {name for draft in drafts if draft.tools for name in draft.tools.values()}, _tool_row
        )
        self.finest: dict[int, int] = {}
        self.first_ms: dict[int, int | None] = {}
        self.new_sessions: set[int] = set()
        self.sessions = self._sessions(drafts, source_agent)

    def _next_id(self, table: str) -> int:
        sql = f"select coalesce(max(id), 0) + 1 from {table} where owner_id = ?"
        next_id: int = self._store.rows(sql, (self._owner_id,))[0][0]
        return next_id

    def _machines(self, keys: set[str], now_ms: int) -> dict[str, int]:
        sql = "select machine_key, id from machine where owner_id = ? and machine_key in {keys}"
        found = dict(self._store.rows_by_key(sql, (self._owner_id,), sorted(keys)))
        missing = sorted(keys - found.keys())
        if missing:
            ids = enumerate(missing, start=self._next_id("machine"))
            rows = [(self._owner_id, id_, key, key or UNKNOWN_MACHINE, now_ms) for id_, key in ids]
            self._store.run_many(
                "insert into machine (owner_id, id, machine_key, name, first_seen_at) values (?, ?, ?, ?, ?)", rows
            )
            found.update((row[2], row[1]) for row in rows)
        return found

    def _projects(self, drafts: list[CallDraft]) -> dict[str, int]:
        """Projects by key. The path is the working directory that the key was made of, else the earliest seen."""
        seen: dict[tuple[str, str], int] = {}
        for draft in drafts:
            place = draft.project_key, draft.project_path
            if draft.at_ms < seen.get(place, FOREVER_MS):
                seen[place] = draft.at_ms
        paths: dict[str, str] = {}
        for key, path in sorted(seen, key=lambda place: (folder_name(place[1]) != place[0], not place[1], seen[place])):
            paths.setdefault(key, path)
        sql = "select project_key, id, path from project where owner_id = ? and project_key in {keys}"
        rows = self._store.rows_by_key(sql, (self._owner_id,), sorted(paths))
        found = {key: id_ for key, id_, _ in rows}
        better = [
            (paths[key], self._owner_id, id_)
            for key, id_, known in rows
            if paths[key] not in ("", known) and (known == key or folder_name(paths[key]) == key != folder_name(known))
        ]
        self._store.run_many("update project set path = ? where owner_id = ? and id = ?", better)
        missing = sorted(paths.keys() - found.keys())
        if missing:
            ids = enumerate(missing, start=self._next_id("project"))
            new = [(self._owner_id, id_, key, paths[key] or key, "") for id_, key in ids]
            self._store.run_many(
                "insert into project (owner_id, id, project_key, path, label) values (?, ?, ?, ?, ?)", new
            )
            found.update((row[2], row[1]) for row in new)
        if missing or better:
            self._label_projects()
        return found

    def _label_projects(self) -> None:
        """Labels of all projects of the owner: a new one may need an old one to be told apart."""
        rows = self._store.rows("select id, path, label from project where owner_id = ?", (self._owner_id,))
        labels = short_labels({path for _, path, _ in rows})
        changed = [(labels[path], self._owner_id, id_) for id_, path, label in rows if labels[path] != label]
        self._store.run_many("update project set label = ? where owner_id = ? and id = ?", changed)

    def _sessions(self, drafts: list[CallDraft], source_agent: str) -> dict[str, int]:
        first: dict[str, CallDraft] = {}
        for draft in drafts:
            for key in (draft.session_key, *draft.also_in):
                if key not in first or draft.at_ms < first[key].at_ms:
                    first[key] = draft
        sql = (
            "select session_key, id, finest_source, first_ms from agent_session"
            " where owner_id = ? and source_agent = ? and session_key in {keys}"
        )
        rows = self._store.rows_by_key(sql, (self._owner_id, source_agent), sorted(first))
        found = {row[0]: row[1] for row in rows}
        self.finest.update((row[1], row[2]) for row in rows)
        self.first_ms.update((row[1], row[3]) for row in rows)
        missing = sorted(first.keys() - found.keys())
        if missing:
            ids = enumerate(missing, start=self._next_id("agent_session"))
            new = [self._session_row(id_, key, source_agent, first[key]) for id_, key in ids]
            marks = ", ".join("?" * len(new[0]))
            self._store.run_many(
                "insert into agent_session (owner_id, id, public_id, source_agent, session_key, machine_id, project_id,"
                " agent_version, finest_source, calls, input_tokens, output_tokens, cache_read_tokens,"
                " cache_write_5m_tokens, cache_write_1h_tokens, web_searches, cost_nanousd, unpriced_calls)"
                f" values ({marks})",
                new,
            )
            found.update((row[4], row[1]) for row in new)
            self.new_sessions.update(row[1] for row in new)
            self.finest.update((row[1], NOTHING_YET) for row in new)
            self.first_ms.update((row[1], None) for row in new)
        return found

    def _session_row(self, id_: int, key: str, source_agent: str, first: CallDraft) -> tuple[Any, ...]:
        public_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{self._owner_id}/{source_agent}/{key}")
        machine_id, project_id = self.machines[first.machine_key], self.projects[first.project_key]
        head = (self._owner_id, id_, str(public_id), source_agent, key, machine_id, project_id, first.agent_version)
        return (*head, NOTHING_YET, *([0] * 9))

    def _shared(
        self, table: str, names: set[str], make_row: Callable[[int, str], tuple[object, ...]]
    ) -> dict[str, int]:
        """Ids of names that all owners share; new ones are added under a lock of their own."""
        sql = f"select name, id from {table} where name in {{keys}}"
        found = dict(self._store.rows_by_key(sql, (), sorted(names)))
        if names - found.keys():
            self._store.lock_names()
            found = dict(self._store.rows_by_key(sql, (), sorted(names)))
            missing = sorted(names - found.keys())
            first_id = self._store.rows(f"select coalesce(max(id), 0) + 1 from {table}")[0][0]
            rows = [make_row(id_, name) for id_, name in enumerate(missing, start=first_id)]
            if rows:
                self._store.run_many(f"insert into {table} values ({', '.join('?' * len(rows[0]))})", rows)
            found.update((row[1], row[0]) for row in rows)
        return found


def folder_name(path: str) -> str:
    """How Claude Code names the folder of a working directory below `projects/`."""
    return _NOT_PLAIN.sub("-", path)


def _llm_model_row(id_: int, name: str) -> tuple[object, ...]:
    return (id_, name, family_of(name), provider_of(name))


def _tool_row(id_: int, name: str) -> tuple[object, ...]:
    return (id_, name)
