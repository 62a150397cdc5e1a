"""Calls for tests that look at figures: made with round numbers, stored by the one writer."""

import hashlib
import time
from datetime import datetime

from flask import Flask

from meter.ingest import TRANSCRIPT, write_calls
from meter.login import Account
from meter.logs.drafts import CallDraft
from meter.prices import price_book
from models.bulk import open_store

OPUS = "claude-opus-4-6"  # $5, $25 and $0.50 a million input, output and cached tokens
SONNET = "claude-sonnet-4-6"  # $3, $15
UNPRICED = "qwen4-coder-next"
MILLION = 1_000_000


def call(
    at: datetime,
    *,
    llm_model: str = OPUS,
    input_tokens: int = 0,
    output_tokens: int = MILLION,
    cache_read_tokens: int = 0,
    machine: str = "ada-mbp",
    project: str = "/home/ada/shop",
    session: str = "first",
    tools: tuple[str, ...] = (),
) -> CallDraft:
    """A call; without more said it costs $25. Two calls of the same moment, model and session are one."""
    key = hashlib.sha256(f"{at} {llm_model} {session} {machine} {project}".encode()).hexdigest()[:24]
    return CallDraft(
        call_key=f"msg_{key}",
        at_ms=int(at.timestamp() * 1000),
        session_key=session,
        machine_key=machine,
        project_key=project.replace("/", "-"),
        project_path=project,
        llm_model=llm_model,
        counts=(input_tokens, output_tokens, cache_read_tokens, 0, 0, 0, 0),
        tools={f"{key[:8]}{number}": name for number, name in enumerate(tools)},
    )


def store_calls(app: Flask, owner: Account, *drafts: CallDraft) -> None:
    """Store calls of one person."""
    book_calls(app.extensions["settings"].database_url, owner.id, *drafts)


def book_calls(database: str, owner_id: int, *drafts: CallDraft) -> None:
    """Store calls of the person with this id in the database with this URL."""
    store = open_store(database)
    book, now_ms = price_book(store), time.time_ns() // 1_000_000
    with store.writing(owner_id):
        write_calls(store, owner_id, drafts, agent="claude_code", source=TRANSCRIPT, book=book, now_ms=now_ms)
    store.close()
