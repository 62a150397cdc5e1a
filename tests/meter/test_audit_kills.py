"""Killed at any moment, no act is without its row in the audit log, and no row without its act."""

import multiprocessing
import os
import random
import time

import pytest
from sqlalchemy import text

from acts import FIRST_ADMIN, act_until_killed, people_by_log, people_there
from meter import audit
from meter.people import add_person
from models.db import make_engine, reading

KILLS = int(os.environ.get("AGENTMETER_TEST_KILLS", "8"))  # for a soak: 200


@pytest.mark.slow
def test_no_kill_parts_an_act_from_its_row(database):
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["acts"])
    generator = random.Random(53)
    engine = make_engine(database)
    add_person(engine, FIRST_ADMIN, "admin")
    acts = 0
    for round_ in range(KILLS):
        process = processes.Process(target=act_until_killed, args=(database, round_))
        process.start()
        waited = time.monotonic()
        while count(engine) == acts and time.monotonic() - waited < 30:
            time.sleep(0.002)
        time.sleep(generator.random() * 0.05)
        process.kill()
        process.join()
        with reading(engine) as db:
            assert people_there(db) == people_by_log(db)
            check = audit.verify(db)
        assert check.ok
        assert check.entries > acts
        acts = check.entries
    engine.dispose()


def count(engine):
    """How many acts were committed so far."""
    with reading(engine) as db:
        return db.execute(text("select entries from audit_head")).scalar_one()
