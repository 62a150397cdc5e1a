"""The only writer of calls: merge with what is stored, price, supersede coarser reports, roll up; one transaction.

Every collector ends here: transcripts, uploads, the gateway, telemetry. The order of reports never matters, and a
report that says nothing new changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from meter import rollups
from meter.call_rows import (
    CALL_COLUMNS,
    EVENT,
    GATEWAY,
    MESSAGES,
    OTLP,
    PLACE,
    RANK,
    TRANSCRIPT,
    UNPRICED,
    UPLOAD,
    draft_of,
    known_tools,
    sums_of,
    tools_text,
)
from meter.errors import NotFound
from meter.logs.drafts import CallDraft, split_writes
from meter.names import Names
from meter.pricing import PriceBook
from meter.rollups import Changes
from models.bulk import Store
from models.measures import EVERYBODY, SUMS

__all__ = ["EVENT", "GATEWAY", "MESSAGES", "OTLP", "TRANSCRIPT", "UPLOAD", "Ingested", "note_change", "write_calls"]

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Ingested:
    """What became of the calls of a batch."""

    calls_new: int = 0
    calls_grown: int = 0
    calls_unchanged: int = 0

    def __add__(self, other: "Ingested") -> "Ingested":
        return Ingested(
            self.calls_new + other.calls_new,
            self.calls_grown + other.calls_grown,
            self.calls_unchanged + other.calls_unchanged,
        )


def write_calls(
    store: Store, owner_id: int, drafts: Sequence[CallDraft], *, agent: str, source: int, book: PriceBook, now_ms: int
) -> Ingested:
    """Store a batch of calls and everything that follows from them. Inside `store.writing(owner_id)`.

    Each key stands once in `drafts`. Nothing is visible, and nothing may be acknowledged, before that transaction ends.
    Raises NotFound when the owner was deleted: a writer that waited for the deletion must leave nothing behind.
    """
    if not store.rows("select 1 from person where id = ?", (owner_id,)):
        raise NotFound("The person these calls belong to was deleted.")
    if not drafts:
        return Ingested()
    batch = _Batch(store, owner_id, list(drafts), agent, source, book, now_ms)
    result = batch.merge()
    batch.write()
    return result


class _Batch:
    """One batch on its way into the tables."""

    def __init__(
        self,
        store: Store,
        owner_id: int,
        drafts: list[CallDraft],
        agent: str,
        source: int,
        book: PriceBook,
        now_ms: int,
    ) -> None:
        self.store, self.owner_id, self.source, self.book, self.now_ms = store, owner_id, source, book, now_ms
        self.drafts = drafts
        self.names = Names(store, owner_id, drafts, agent, now_ms)
        self.changes = Changes()
        self.rows: list[tuple[Any, ...]] = []
        # A session's first call (time, machine, project, agent version), and the time of its last.
        self.firsts: dict[int, tuple[int, int, int, str]] = {}
        self.lasts: dict[int, int] = {}
        self.moved_from: set[int] = set()  # sessions that lost a call, maybe the one they began with
        self.links: set[tuple[int, int]] = set()

    def merge(self) -> Ingested:
        """Work out the new row of every call that changes, and what that does to the sums."""
        self._supersede_coarser()
        stored = self._stored()
        new = grown = 0
        for draft in self.drafts:
            before = stored.get(draft.call_key)
            if before is None:
                new += 1
                self._put(draft, self.source, self.now_ms)
            elif self._regrow(before, draft):
                grown += 1
        return Ingested(new, grown, len(self.drafts) - new - grown)

    def _stored(self) -> dict[str, tuple[Any, ...]]:
        """Stored calls of the batch's keys, each followed by the names its draft would carry."""
        columns = ", ".join(f"c.{name}" for name, _ in CALL_COLUMNS)
        rows = self.store.rows_by_key(
            f"select {columns}, s.session_key, m.machine_key, p.project_key, p.path, l.name from call c"
            " join agent_session s on s.owner_id = c.owner_id and s.id = c.agent_session_id"
            " join machine m on m.owner_id = c.owner_id and m.id = c.machine_id"
            " join project p on p.owner_id = c.owner_id and p.id = c.project_id"
            " join llm_model l on l.id = c.llm_model_id where c.owner_id = ? and c.call_key in {keys}",
            (self.owner_id,),
            [draft.call_key for draft in self.drafts],
        )
        return {row[1]: row for row in rows}

    def _regrow(self, row: tuple[Any, ...], draft: CallDraft) -> bool:
        """Merge a draft into a stored call; False if that changes nothing."""
        known = draft_of(row)
        before, source = known.as_tuple(), row[PLACE["source"]]
        self._adopt_names(row, known)
        known.merge(draft)
        finer = RANK[self.source] < RANK[source]
        if draft.also_in or known.also_in:
            self._link(known)
        if known.as_tuple()[:-1] == before[:-1] and not finer:
            return False
        if not row[PLACE["is_superseded"]]:
            self.changes.take(row[2], row[3:7], sums_of(row))
            self._count_tools(row[2], row[PLACE["project_id"]], known_tools(row[PLACE["tools"]]), -1)
            if (known.session_key, known.machine_key, known.project_key) != (before[2], before[3], before[4]):
                self.moved_from.add(row[3])
        self._put(known, self.source if finer else source, row[PLACE["received_ms"]])
        return True

    def _adopt_names(self, row: tuple[Any, ...], known: CallDraft) -> None:
        """What a stored call is named after: this batch may have named none of it."""
        names, session_id = self.names, row[3]
        if known.session_key not in names.sessions:
            sql = "select finest_source, first_ms from agent_session where owner_id = ? and id = ?"
            ((finest, first_ms),) = self.store.rows(sql, (self.owner_id, session_id))
            names.sessions[known.session_key] = session_id
            names.finest[session_id], names.first_ms[session_id] = finest, first_ms
        names.machines.setdefault(known.machine_key, row[4])
        names.projects.setdefault(known.project_key, row[5])
        names.llm_models.setdefault(known.llm_model, row[6])

    def _put(self, draft: CallDraft, source: int, received_ms: int) -> None:
        """Price a call and note its row and its sums."""
        names, counts = self.names, draft.counts
        session_id = names.sessions[draft.session_key]
        place = (
            session_id,
            names.machines[draft.machine_key],
            names.projects[draft.project_key],
            names.llm_models[draft.llm_model],
        )
        write_5m, write_1h = split_writes(counts[3], counts[4], counts[5])
        tokens = (counts[0], counts[1], counts[2], write_5m, write_1h, counts[6])
        at_ms = draft.at_ms
        cost, rate_id = self.book.cost_nanousd(
            draft.llm_model, draft.speed, draft.service_tier, draft.inference_geo, at_ms, *tokens
        )
        unpriced = 0
        if rate_id is None:
            cost, unpriced = UNPRICED if draft.client_cost_nanousd is None else (draft.client_cost_nanousd, 0)
        superseded = 1 if RANK[source] > names.finest.get(session_id, RANK[source]) else 0
        self.rows.append(
            (
                self.owner_id,
                draft.call_key,
                at_ms,
                *place,
                *tokens,
                cost,
                rate_id,
                draft.client_cost_nanousd,
                counts[3],
                counts[5],
                draft.speed,
                draft.service_tier,
                draft.inference_geo,
                source,
                superseded,
                draft.is_sidechain,
                draft.is_copy,
                draft.request_id,
                draft.agent_id,
                draft.git_branch,
                draft.stop_reason,
                tools_text(draft.tools) if draft.tools else "",
                received_ms,
            )
        )
        if draft.also_in:
            self._link(draft)
        if superseded:
            return
        self.changes.add(at_ms, place, (1, *tokens, cost, unpriced))
        if draft.tools:
            self._count_tools(at_ms, place[2], draft.tools, 1)
        first = self.firsts.get(session_id)
        if first is None or at_ms < first[0]:
            self.firsts[session_id] = (at_ms, place[1], place[2], draft.agent_version)
        if at_ms > self.lasts.get(session_id, 0):
            self.lasts[session_id] = at_ms

    def _count_tools(self, at_ms: int, project_id: int, tools: dict[str, str] | None, step: int) -> None:
        for name in (tools or {}).values():
            if name not in self.names.tools:
                self.names.tools[name] = self.store.rows("select id from tool where name = ?", (name,))[0][0]
            self.changes.tools[at_ms // HOUR_MS, project_id, self.names.tools[name]] += step

    def _link(self, draft: CallDraft) -> None:
        """Sessions that repeat this call are linked to the one that owns it."""
        origin = self.names.sessions[draft.session_key]
        self.links.update((self.names.sessions[key], origin) for key in draft.also_in)

    def _supersede_coarser(self) -> None:
        """Where this source is finer than what a session had, the coarser calls stay stored but count no more."""
        rank = RANK[self.source]
        sessions = {self.names.sessions[key] for draft in self.drafts for key in (draft.session_key, *draft.also_in)}
        risen = sorted(session for session in sessions if rank < self.names.finest[session])
        if not risen:
            return
        change = "update agent_session set finest_source = ? where owner_id = ? and id in {keys}"
        self.store.run_by_key(change, (rank, self.owner_id), risen)
        self.names.finest.update((session, rank) for session in risen)
        known = [session for session in risen if session not in self.names.new_sessions]
        if not known:
            return
        columns = ", ".join(name for name, _ in CALL_COLUMNS)
        coarser = ", ".join(str(source) for source, fineness in RANK.items() if fineness > rank) or "-1"
        where = f"where owner_id = ? and is_superseded = 0 and source in ({coarser}) and agent_session_id in {{keys}}"
        for row in self.store.rows_by_key(f"select {columns} from call {where}", (self.owner_id,), known):
            self.changes.take(row[2], row[3:7], sums_of(row))
            self._count_tools(row[2], row[PLACE["project_id"]], known_tools(row[PLACE["tools"]]), -1)
        self.moved_from.update(known)
        self.store.run_by_key(f"update call set is_superseded = 1 {where}", (self.owner_id,), known)

    def write(self) -> None:
        """Write the changed calls and everything that sums them."""
        if self.rows:
            self.store.upsert("call", CALL_COLUMNS, "owner_id, call_key", self.rows)
        if self.links:
            self.store.run_many(
                "insert into session_link (owner_id, session_id, origin_session_id) values (?, ?, ?)"
                " on conflict do nothing",
                [(self.owner_id, *link) for link in sorted(self.links)],
            )
        if not self.changes.usage:
            return
        self._write_sessions()
        rollups.apply(self.store, self.owner_id, self.changes, self.names.new_sessions)
        for whose in (self.owner_id, EVERYBODY):
            note_change(self.store, whose)

    def _write_sessions(self) -> None:
        """Sums, first and last call of every touched session; what they began with decides machine and project."""
        totals: dict[int, list[int]] = {}
        for (_, session_id, *_), sums in self.changes.usage.items():
            kept = totals.setdefault(session_id, [0] * len(sums))
            for index, value in enumerate(sums):
                kept[index] += value
        columns = [(name, "bigint") for name in ("id", *SUMS, "first_ms", "last_ms")]
        rows = [
            (
                session_id,
                *sums,
                self.firsts[session_id][0] if session_id in self.firsts else None,
                self.lasts.get(session_id),
            )
            for session_id, sums in totals.items()
        ]
        self.store.stage("session_change", columns, rows)
        least = self.store.least
        self.store.run(
            "update agent_session set "
            + ", ".join(f"{name} = agent_session.{name} + d.{name}" for name in SUMS)
            + f", first_ms = {least}(coalesce(agent_session.first_ms, d.first_ms),"
            " coalesce(d.first_ms, agent_session.first_ms))"
            + f", last_ms = {self.store.greatest}(coalesce(agent_session.last_ms, d.last_ms),"
            " coalesce(d.last_ms, agent_session.last_ms))"
            " from session_change d where agent_session.owner_id = ? and agent_session.id = d.id",
            (self.owner_id,),
        )
        began = [
            (machine, project, version, self.owner_id, session_id)
            for session_id, (at_ms, machine, project, version) in self.firsts.items()
            if (known := self.names.first_ms.get(session_id)) is None or at_ms < known
        ]
        change = (
            "update agent_session set machine_id = ?, project_id = ?, agent_version = ? where owner_id = ? and id = ?"
        )
        self.store.run_many(change, began)
        self._recount_ends(sorted(self.changes.shrunk_sessions))
        self._recount_beginnings(sorted(self.moved_from))

    def _recount_ends(self, sessions: list[int]) -> None:
        """First and last call of sessions whose calls were taken away or replaced, from their calls."""
        if not sessions:
            return
        sql = (
            "select agent_session_id, min(at_ms), max(at_ms) from call"
            " where owner_id = ? and is_superseded = 0 and agent_session_id in {keys} group by 1"
        )
        ends = {row[0]: row[1:] for row in self.store.rows_by_key(sql, (self.owner_id,), sessions)}
        self.store.run_many(
            "update agent_session set first_ms = ?, last_ms = ? where owner_id = ? and id = ?",
            [(*ends.get(session_id, (None, None)), self.owner_id, session_id) for session_id in sessions],
        )

    def _recount_beginnings(self, sessions: list[int]) -> None:
        """Machine and project of sessions that may begin with another call now, from their calls."""
        if not sessions:
            return
        sql = (
            "select machine_id, project_id, owner_id, agent_session_id from"
            " (select owner_id, agent_session_id, machine_id, project_id,"
            " row_number() over (partition by agent_session_id order by at_ms, call_key) as place from call"
            " where owner_id = ? and is_superseded = 0 and agent_session_id in {keys}) as ranked where place = 1"
        )
        firsts = self.store.rows_by_key(sql, (self.owner_id,), sessions)
        change = "update agent_session set machine_id = ?, project_id = ? where owner_id = ? and id = ?"
        self.store.run_many(change, firsts)


def note_change(store: Store, owner_id: int) -> None:
    """Tell pages that something changed."""
    store.run(
        "insert into change_count (owner_id, changes) values (?, 1)"
        " on conflict (owner_id) do update set changes = change_count.changes + 1",
        (owner_id,),
    )
