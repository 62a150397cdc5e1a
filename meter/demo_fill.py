"""The demonstration team put into a database, through the writer every call goes through."""

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine

from meter import login
from meter.demo import DAYS, TEAM, DemoCall, demo_calls
from meter.ingest import TRANSCRIPT, write_calls
from meter.login import Account
from meter.prices import price_book
from meter.pricing import PriceBook
from models.bulk import Store

CALLS_PER_COMMIT = 5_000


def fill_demo(engine: Engine, store: Store, now: datetime, progress: Callable[[int, int], None]) -> Account:
    """Make the team and its half year up to `now` in an empty database; the first of the team, an admin.

    progress: days done, days in all.
    """
    people = {
        person.email: login.add_person(engine, person.email, "member" if number else "admin", person.name)
        for number, person in enumerate(TEAM)
    }
    book = price_book(store)
    waiting: list[DemoCall] = []
    today = now.astimezone(UTC)
    first_day = today.toordinal() - DAYS
    for call in demo_calls(today.date(), until_hour=today.hour):
        waiting.append(call)
        if len(waiting) == CALLS_PER_COMMIT:
            _write(store, people, book, waiting)
            waiting = []
            progress(datetime.fromtimestamp(call.at_ms / 1000, UTC).toordinal() - first_day, DAYS)
    _write(store, people, book, waiting)
    return people[TEAM[0].email]


def _write(store: Store, people: dict[str, Account], book: PriceBook, calls: list[DemoCall]) -> None:
    batches = defaultdict(list)
    for call in calls:
        batches[call.owner_email, call.agent].append(call.draft())
    for (email, agent), drafts in batches.items():
        owner_id = people[email].id
        with store.writing(owner_id):
            now_ms = time.time_ns() // 1_000_000
            write_calls(store, owner_id, drafts, agent=agent, source=TRANSCRIPT, book=book, now_ms=now_ms)
