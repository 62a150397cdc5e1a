"""What the filter bar offers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from models.queries.scope import Scope


@dataclass(frozen=True)
class Choices:
    """People as (id, label), machine names, projects as (path, label), model names; each in reading order."""

    people: tuple[tuple[int, str], ...]
    machines: tuple[str, ...]
    projects: tuple[tuple[str, str], ...]
    llm_models: tuple[str, ...]


_PEOPLE = "select id, case when name <> '' then name else email end from person {where} order by 2, 1"
_MACHINES = "select distinct name from machine {where} order by 1"
_PROJECTS = "select path, label from project {where}"
_MODELS = (
    "select name from llm_model where id in"
    " (select distinct llm_model_id from usage_month where owner_id = :owner) order by 1"
)


def choices(db: Connection, scope: Scope) -> Choices:
    """Everything in scope that has ever been seen."""
    owner = {"owner": scope.owner_id or 0}
    by_owner = "" if scope.owner_id is None else "where owner_id = :owner"
    by_id = "" if scope.owner_id is None else "where id = :owner"
    given = owner if scope.owner_id is not None else {}
    return Choices(
        tuple((id_, label) for id_, label in db.execute(text(_PEOPLE.format(where=by_id)), given)),
        tuple(db.execute(text(_MACHINES.format(where=by_owner)), given).scalars()),
        _projects(db.execute(text(_PROJECTS.format(where=by_owner)), given)),
        tuple(db.execute(text(_MODELS), owner).scalars()),
    )


def _projects(rows: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    """Each path once, by label. People's projects are labelled for them alone: of two labels the longer says more."""
    labels: dict[str, str] = {}
    for path, label in rows:
        labels[path] = longer_label(labels.get(path, ""), label)
    return tuple(sorted(labels.items(), key=lambda project: (project[1], project[0])))


def longer_label(one: str, other: str) -> str:
    """Which of two labels of the same path is shown: the longer, of two alike in length the later in the alphabet."""
    return max(one, other, key=lambda label: (len(label), label))
