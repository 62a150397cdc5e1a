"""Somebody with a history who is about to leave, and what of them is left afterwards."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Text, select

from meter.audit import Actor
from meter.ingest import TRANSCRIPT, UPLOAD, write_calls
from meter.logs.drafts import CallDraft
from models.db import reading
from models.tables import metadata
from stored import write
from transcripts import NOON_MS

CANARY = "CANARY"
EMAIL = "canary@example.com"


def out(output_tokens, ms, name, **fields):
    """A call, so many milliseconds after noon."""
    counts = (3, output_tokens, 0, 0, 0, 0, 0)
    known = {"machine_key": "box", "project_key": "p", "project_path": "/p", "counts": counts}
    return CallDraft(call_key=f"msg_{name}", at_ms=NOON_MS + ms, **{**known, **fields})


def in_threads(*jobs):
    """Run jobs at the same time; an error of any comes out here."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()


def oneself(person):
    """A person as the one who acts."""
    return Actor(person.id, None, person.email, f"{CANARY} address")


def rows_of(engine, person_id):
    """How many rows each table has of a person."""
    with reading(engine) as db:
        tables = [table for table in metadata.sorted_tables if {"owner_id", "person_id"} & set(table.c.keys())]
        counts = {}
        for table in tables:
            column = table.c.owner_id if "owner_id" in table.c else table.c.person_id
            counts[table.name] = len(db.execute(select(column).where(column == person_id)).all())
    return {name: count for name, count in counts.items() if count}


def history(store, book, owner, times=20):
    """Calls on several days, machines and projects, with tools, some superseded by a finer source."""
    mark = CANARY if owner > 1 else "ben"
    for number in range(times):
        names = {"session_key": f"{mark}{number % 4}", "machine_key": f"{mark} box {number % 2}"}
        more = {"project_path": f"/home/{mark}/p{number % 3}", "tools": {"t": "Bash", "u": f"mcp__{mark}"}}
        model = "claude-opus-4-6" if number % 3 else f"model-{mark}"
        coarse = out(9, number * 40_000_000, f"{mark}-old{number}", llm_model=f"old-{mark}", **{**names, **more})
        write(store, book, coarse, owner=owner, source=UPLOAD)
        if number % 5:
            write(
                store,
                book,
                out(5, number * 40_000_000, f"{mark}{number}", llm_model=model, **names, **more),
                owner=owner,
            )


def write_now(store, book, owner, name):
    """One call in a session of its own, in a transaction that is open."""
    draft = out(5, 1000, name, session_key=name, llm_model="claude-opus-4-6", tools={"t": "Bash"})
    write_calls(store, owner, [draft], agent="claude-code", source=TRANSCRIPT, book=book, now_ms=1)


def canaries(engine):
    """Every place of the database where a canary stands: {'table.column', ...}."""
    found = set()
    with reading(engine) as db:
        for table in metadata.sorted_tables:
            for column in table.c:
                if isinstance(column.type, Text):
                    words = db.execute(select(column)).scalars()
                    if any(word and (CANARY in word or EMAIL in word) for word in words):
                        found.add(f"{table.name}.{column.name}")
    return found
