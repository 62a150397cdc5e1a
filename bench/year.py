"""A made-up year of calls, written straight into a migrated database: any number of calls at a million or so a minute.

Fifty people with two machines and ten projects each, six models, about 33 calls a session, office hours, few people
doing most of the work. Sessions are planned here; their calls are made inside the database by arithmetic both databases
do alike, so the same number of calls is the same data everywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from meter import rollups
from models.bulk import Store

PEOPLE, MACHINES_EACH, PROJECTS_EACH = 50, 2, 10
MODELS = (
    ("claude-opus-4-1", "opus", 5),
    ("claude-sonnet-4-5", "sonnet", 25),
    ("claude-opus-4-5", "opus", 20),
    ("claude-sonnet-5", "sonnet", 10),
    ("claude-opus-4-6", "opus", 30),
    ("claude-haiku-4-5", "haiku", 10),
)
HAIKU = len(MODELS)  # the model of subagents: about one call in eight, whatever the session's own
TOOLS = ("Bash", "Read", "Edit", "Grep", "Write", "Glob", "Task", "TodoWrite", "WebFetch", "mcp__github__get_issue")
END_AT = datetime(2026, 7, 1, 10, 17, 23, tzinfo=UTC)  # the year ends here, in the middle of an hour
DAYS = 365
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
CALLS_MAX = 6_000  # of one session
_PLAN = (
    ("owner_id", "bigint"),
    ("id", "bigint"),
    ("start_ms", "bigint"),
    ("calls", "bigint"),
    ("step_ms", "bigint"),
    ("break_after", "bigint"),
    ("break_ms", "bigint"),
    ("machine_id", "bigint"),
    ("project_id", "bigint"),
    ("llm_model_id", "bigint"),
    ("salt", "bigint"),
)


@dataclass(frozen=True)
class Planned:
    """A session to be: its calls are `step_ms` apart on average, with a break of `break_ms` after one of them."""

    owner_id: int
    id: int
    start_ms: int
    calls: int
    step_ms: int
    break_after: int
    break_ms: int
    machine_id: int
    project_id: int
    llm_model_id: int
    salt: int


def fill(store: Store, calls: int, people: int = PEOPLE) -> None:
    """Write a year with that many calls into empty tables, then its sums, then the statistics of the planner."""
    sessions = list(_plan(calls, people))
    with store.writing():
        _write_names(store, range(1, people + 1))
        _write_sessions(store, sessions)
        dropped = _drop_indexes(store)
        _write_calls(store, sessions)
        for statement in dropped:
            store.run(statement)
    rollups.rebuild(store)
    store.run("vacuum analyze" if not store.is_sqlite else "analyze")


def _plan(calls: int, people: int) -> Iterator[Planned]:
    """Sessions with that many calls in all, in order of time; ids count up per owner."""
    random, left, drafts = Random(3), calls, []
    end_ms = int(END_AT.timestamp() * 1000)
    midnight_ms = end_ms // DAY_MS * DAY_MS
    while left:
        owner = min(people, int(random.paretovariate(0.6)))
        size = min(left, CALLS_MAX, int(random.lognormvariate(2.9, 1.1)) + 1)
        hour = min(23, max(0, round(random.gauss(14, 4))))
        start_ms = midnight_ms - random.randint(0, DAYS - 1) * DAY_MS + hour * HOUR_MS + random.randrange(HOUR_MS)
        drafts.append((start_ms, owner, size))
        left -= size
    last_ids = dict.fromkeys(range(1, people + 1), 0)
    for start_ms, owner, size in sorted(drafts):
        last_ids[owner] += 1
        step_ms = 2_000 + int(random.expovariate(1 / 17_000))
        latest_ms = end_ms - (size + 1) * step_ms
        pauses = size > 30 and random.random() < 0.07
        yield Planned(
            owner,
            last_ids[owner],
            min(start_ms, latest_ms),
            size,
            step_ms,
            random.randrange(size) if pauses else CALLS_MAX,
            min(random.randint(HOUR_MS, 40 * HOUR_MS), max(0, latest_ms - start_ms)),
            owner * MACHINES_EACH - random.randrange(MACHINES_EACH),
            owner * PROJECTS_EACH - min(PROJECTS_EACH - 1, int(random.expovariate(0.5))),
            random.choices(range(1, len(MODELS) + 1), [weight for _, _, weight in MODELS])[0],
            random.randrange(1_000_000),
        )


def _write_names(store: Store, people: range) -> None:
    store.run_many(
        "insert into person (id, email, name, role, timezone, theme, created_at)"
        " values (?, ?, ?, ?, 'UTC', 'system', 0)",
        [(id_, f"person{id_}@example.com", f"Person {id_}", "admin" if id_ == 1 else "member") for id_ in people],
    )
    store.run_many(
        "insert into machine (owner_id, id, machine_key, name, first_seen_at) values (?, ?, ?, ?, 0)",
        [
            (owner, id_, name, name)
            for owner in people
            for id_ in _ids(owner, MACHINES_EACH)
            for name in [machine_name(id_)]
        ],
    )
    store.run_many(
        "insert into project (owner_id, id, project_key, path, label) values (?, ?, ?, ?, ?)",
        [
            (owner, id_, f"{path.replace('/', '-')}-{id_}", path, path.rpartition("/")[2])
            for owner in people
            for id_ in _ids(owner, PROJECTS_EACH)
            for path in [project_path(owner, id_)]
        ],
    )
    store.run_many(
        "insert into llm_model (id, name, family, provider) values (?, ?, ?, 'anthropic')",
        [(id_, name, family) for id_, (name, family, _) in enumerate(MODELS, start=1)],
    )
    store.run_many("insert into tool (id, name) values (?, ?)", list(enumerate(TOOLS, start=1)))


def machine_name(machine_id: int) -> str:
    return f"machine-{machine_id}"


def project_path(owner_id: int, project_id: int) -> str:
    """Person 2 shares a path with person 1; person 3 has two projects under one path."""
    same = {2 * PROJECTS_EACH: (1, PROJECTS_EACH), 3 * PROJECTS_EACH - 1: (3, 3 * PROJECTS_EACH)}
    owner_id, project_id = same.get(project_id, (owner_id, project_id))
    return f"/home/person{owner_id}/src/project-{project_id}"


def _ids(owner: int, each: int) -> range:
    return range((owner - 1) * each + 1, owner * each + 1)


def _write_sessions(store: Store, sessions: list[Planned]) -> None:
    """The sessions without their sums: the rebuild adds them."""
    store.stage("year_plan", _PLAN, [tuple(vars(session).values()) for session in sessions])
    key = "owner_id || '-' || id"
    store.run(
        "insert into agent_session (owner_id, id, public_id, source_agent, session_key, machine_id, project_id,"
        " agent_version, finest_source, calls, input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens,"
        " cache_write_1h_tokens, web_searches, cost_nanousd, unpriced_calls)"
        f" select owner_id, id, {key}, 'claude-code', {key}, machine_id, project_id, '2.1.219', 0,"
        " 0, 0, 0, 0, 0, 0, 0, 0, 0 from year_plan order by owner_id, id"
    )


def _drop_indexes(store: Store) -> list[str]:
    """Drop the secondary indexes of `call`: filling them afterwards is quicker. The statements that make them again."""
    if store.is_sqlite:
        found = store.rows(
            "select name, sql from sqlite_master where type = 'index' and tbl_name = 'call' and sql is not null"
        )
    else:
        found = store.rows(
            "select indexname, indexdef from pg_indexes where tablename = 'call' and indexname <> 'call_pkey'"
        )
    for name, _ in found:
        store.run(f"drop index {name}")
    return [statement for _, statement in found]


def _write_calls(store: Store, sessions: list[Planned]) -> None:
    """Unfold the plan. `h` is a number that looks random, different for every call."""
    store.stage("year_number", (("i", "bigint"),), [(i,) for i in range(max(s.calls for s in sessions))])
    store.run("create index year_number_by_i on year_number (i)")
    if not store.is_sqlite:
        store.run("analyze year_plan")
        store.run("analyze year_number")
    tool = "case {n} " + " ".join(f"when {i} then '{name}'" for i, name in enumerate(TOOLS)) + " end"
    first, second = (tool.format(n=f"(h / {divisor}) % {len(TOOLS)}") for divisor in (1009, 8017))
    made = (
        "insert into call (owner_id, call_key, at_ms, agent_session_id, machine_id, project_id, llm_model_id,"
        " input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, web_searches,"
        " cost_nanousd, rate_id, client_cost_nanousd, stated_5m_tokens, stated_write_tokens, speed, service_tier,"
        " inference_geo, source, is_superseded, is_sidechain, is_copy, request_id, agent_id, git_branch, stop_reason,"
        " tools, received_ms)"
        " select owner_id, 'msg_01' || (1000000000000000 + id * 10000 + i), at_ms, id, machine_id, project_id,"
        " llm_model_id,"
        " h % 12 + 1, h % 1977 + 5, 9000 + h % 151000, h % 6000, (h / 6000) % 7 / 6 * (h % 3000), h % 127 / 126,"
        " case when h % 211 = 0 then 0 else 1000000 + h % 99000000 end, case when h % 211 = 0 then null else 1 end,"
        " null, h % 6000, h % 6000, '', '', '', 0, case when h % 97 = 0 then 1 else 0 end, h % 8 / 7, 0,"
        " 'req_01' || (1000000000000000 + h), '', 'main', 'tool_use',"
        f" case when h % 5 = 0 then ''"
        f" when h % 5 = 4 then 'aaaaaaaaaaaa ' || {first} || '\n' || 'bbbbbbbbbbbb ' || {second}"
        f" else 'aaaaaaaaaaaa ' || {first} end, at_ms"
        " from (select p.owner_id, p.id, p.machine_id, n.i, (p.salt * 7919 + n.i * 104729 + p.id * 31) % 999983 as h,"
        # after the break some sessions go on in another project of their owner
        " case when n.i > p.break_after and p.salt % 3 = 0"
        f" then (p.owner_id - 1) * {PROJECTS_EACH} + p.project_id % {PROJECTS_EACH} + 1"
        " else p.project_id end as project_id,"
        f" case when (p.salt + n.i) % 8 = 0 then {HAIKU} else p.llm_model_id end as llm_model_id,"
        " p.start_ms + n.i * p.step_ms + (p.salt * 31 + n.i * 7919) % p.step_ms"
        " + case when n.i > p.break_after then p.break_ms else 0 end as at_ms"
        " from year_plan p join year_number n on n.i < p.calls) as made"
    )
    store.run(made if store.is_sqlite else made.replace("%", "%%"))  # psycopg takes a single % for a parameter
