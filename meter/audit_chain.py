"""The chain of the audit log: how a row is hashed, and whether all rows still stand as they were written."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from models.audit import AuditHead, AuditPrivate, AuditRow
from models.types import to_ms

DELETIONS = ("account.delete", "person.delete")  # the acts that may take words out of earlier rows
ROWS_A_TIME = 1_000

_row = AuditRow.__table__  # type: ignore[attr-defined]
_head = AuditHead.__table__  # type: ignore[attr-defined]
_actor_part = AuditPrivate.__table__.alias("actor_part")  # type: ignore[attr-defined]
_target_part = AuditPrivate.__table__.alias("target_part")  # type: ignore[attr-defined]


@dataclass(frozen=True)
class AuditCheck:
    """Whether the log is whole. entries: how many rows there are. first_bad: number of the first row that was changed,
    removed or added behind the program's back; None when there is none. head: the newest hash, to be kept elsewhere.
    """

    ok: bool
    entries: int
    first_bad: int | None
    head: str = ""


def hash_of_row(row: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the previous hash followed by everything else of a row as canonical JSON."""
    content = {name: value for name, value in row.items() if name not in ("hash", "previous_hash")}
    return hashlib.sha256((row["previous_hash"] + canonical({**content, "at": to_ms(row["at"])})).encode()).hexdigest()


def seal_of(salt: str, content: str) -> str:
    """SHA-256 (hex) by which a row knows words that stand elsewhere; the salt keeps it from being guessed."""
    return hashlib.sha256(f"{salt}\n{content}".encode()).hexdigest()


def canonical(facts: Mapping[str, object]) -> str:
    """JSON in the one form that is hashed: sorted names, no spaces, ASCII."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def verify(db: Connection) -> AuditCheck:
    """Go through the whole log from its first row; stops at the first one that is not as it was written."""
    last_hash, count = "", 0
    erased: dict[int, list[int]] = defaultdict(list)  # number of a deletion -> rows it took words from
    announced: dict[int, int] = {}
    everything = rows_with_words().order_by(_row.c.id)
    with db.execute(everything, execution_options={"yield_per": ROWS_A_TIME}) as rows:
        for row in rows:
            if not _follows(row, count, last_hash):
                return AuditCheck(False, count, count + 1, last_hash)
            for _, part in _parts(row):
                if part["erased_by"] is not None:
                    erased[part["erased_by"]].append(row.id)
            if row.action in DELETIONS:
                announced[row.id] = json.loads(row.meta).get("erased", 0)
            last_hash, count = row.hash, row.id
    bad = _unannounced(erased, announced) or _beyond(db, count, last_hash)
    return AuditCheck(bad is None, count, bad, last_hash)


def _follows(row: Row[Any], count: int, last_hash: str) -> bool:
    """Whether a row is the one that comes after `count` others, and as it was written."""
    is_next = row.id == count + 1 and row.previous_hash == last_hash and row.hash == hash_of_row(_hashed(row))
    return is_next and all(_is_sealed(seal, part) for seal, part in _parts(row))


def rows_with_words() -> Select[Any]:
    """Every row with its private words."""
    parts = []
    for name, part in (("actor", _actor_part), ("target", _target_part)):
        parts += [part.c[column].label(f"{name}_{column}") for column in ("salt", "content", "erased_by")]
    joined = _row.outerjoin(_actor_part, (_actor_part.c.audit_id == _row.c.id) & (_actor_part.c.part == "actor"))
    joined = joined.outerjoin(_target_part, (_target_part.c.audit_id == _row.c.id) & (_target_part.c.part == "target"))
    return select(_row, *parts).select_from(joined)


def _hashed(row: Row[Any]) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in _row.c}


def _parts(row: Row[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ("actor", "target"):
        part = {column: getattr(row, f"{name}_{column}") for column in ("salt", "content", "erased_by")}
        yield getattr(row, f"{name}_seal"), part


def _is_sealed(seal: str, part: dict[str, Any]) -> bool:
    """Whether private words are those the row was written with, or were taken out as a deletion does it."""
    if not seal:
        return part["salt"] is None
    if part["salt"] is None:
        return False
    if part["erased_by"] is not None:
        return bool(part["salt"] == part["content"] == "")
    return seal == seal_of(part["salt"], part["content"])


def _unannounced(erased: dict[int, list[int]], announced: dict[int, int]) -> int | None:
    """The first row that lost words without a deletion that says how many it took."""
    bad = [min(rows) for deletion, rows in erased.items() if announced.get(deletion) != len(rows)]
    return min(bad, default=None)


def _beyond(db: Connection, count: int, last_hash: str) -> int | None:
    """The first row that is missing at the end, or that nobody counted."""
    head = db.execute(select(_head.c.entries, _head.c.hash).where(_head.c.id == 1)).first()
    known, known_hash = (head.entries, head.hash) if head else (0, "")
    if known != count:
        return min(int(known), count) + 1
    return None if known_hash == last_hash else max(count, 1)
