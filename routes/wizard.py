"""The setup wizard: four short steps, each of which can be skipped. It never asks who owns the installation again."""

from dataclasses import dataclass

from flask import Blueprint, Response, make_response, redirect, render_template

from meter.errors import Invalid
from meter.local import count_transcripts
from meter.setup import complete_setup, setup_state
from models.queries.usage import newest_call_at
from routes import _format
from routes._auth import actor, allow, scope, settings, viewer
from routes._db import db, engine
from routes._filters import Choice, one_of
from routes._links import bare
from routes._page import Frame, frame
from routes._said import Said, ask_again, typed_fields, wrong

bp = Blueprint("wizard", __name__)

STEPS = ("1", "2", "3", "4")
WHO = {"solo": "Only me", "team": "A team", "org": "An organisation"}
HOW = {
    "native-launchd": "On this machine, started at login",
    "docker-single": "In one container",
    "docker-compose": "By Docker Compose",
    "kubernetes": "On Kubernetes",
    "headless": "On a server without a screen",
}


@dataclass(frozen=True)
class Step:
    """A step of the list. `answer` is what a done one came to; `href` opens it."""

    number: str
    title: str
    is_open: bool
    answer: str
    href: str


@dataclass(frozen=True)
class Source:
    """Where figures come from: what lies on this machine, and the command that brings those of another one."""

    found: str
    has_files: bool
    how: str
    command: str


@dataclass(frozen=True)
class WizardView:
    """The page: four steps, one of them open. `scenario` is the answer of the first while the second is asked."""

    frame: Frame
    said: Said
    steps: tuple[Step, ...]
    who: tuple[Choice, ...]
    how: tuple[Choice, ...]
    scenario: str
    source: Source
    is_complete: bool


@bp.get("/setup")
@allow("admin")
def show_setup() -> Response:
    return _answer(Said(), one_of("step", STEPS), one_of("scenario", ("", *WHO)))


@bp.post("/setup")
@allow("admin")
def answer_setup() -> Response:
    typed = typed_fields("scenario", "infra")
    try:
        complete_setup(engine(), typed["scenario"], typed["infra"], actor())
    except Invalid as error:
        step = "1" if error.field == "scenario" else "2"
        return ask_again(_answer(wrong("setup", error, typed), step, typed["scenario"]), error)
    return make_response(redirect(bare("/setup", step=3), 303))


def _answer(said: Said, step: str, scenario: str) -> Response:
    return make_response(render_template("wizard/page.html", view=_view(said, step, scenario)))


def _view(said: Said, step: str, scenario: str) -> WizardView:
    state = setup_state(db())
    scenario = scenario or state.scenario or ""
    files = count_transcripts(settings())
    has_calls = newest_call_at(db(), scope(), None) is not None
    answers = (
        WHO.get(scenario, ""),
        HOW.get(state.infra or "", ""),
        "The first calls are here." if has_calls else "",
        "",
    )
    titles = ("Who will use it", "How it runs", "Where figures come from", "The first alert")
    numbered = zip(STEPS, titles, answers, strict=True)
    kept = scenario if not state.is_complete else None
    return WizardView(
        frame=frame("Setup"),
        said=said,
        steps=tuple(
            Step(number, title, number == step, said_, bare("/setup", step=number, scenario=kept or None))
            for number, title, said_ in numbered
        ),
        who=_choices(WHO, scenario or "solo"),
        how=_choices(HOW, said.typed_in("setup", "infra") or state.infra or "native-launchd"),
        scenario=scenario,
        source=_source(files),
        is_complete=state.is_complete,
    )


def _choices(words: dict[str, str], chosen: str) -> tuple[Choice, ...]:
    return tuple(Choice(value, label, value == chosen) for value, label in words.items())


def _source(files: int) -> Source:
    """What is found here, and the way from another machine: into a shared database, else by a copied folder."""
    found = f"Found {_format.plural(files, 'transcript')} of Claude Code here; they are read by themselves."
    none = "No transcripts of Claude Code on this machine, in the folders that are read."
    if settings().database_url.startswith("sqlite"):
        how = "Copy its folder ~/.claude here and read it; its calls are booked to this machine’s name."
        command = f"agentmeter sync --root FOLDER --user {viewer().email}"
    else:
        how = "Let it write into the same database, on its own command line:"
        command = f"AGENTMETER_DATABASE_URL=postgresql://… agentmeter sync --user {viewer().email}"
    return Source(found if files else none, bool(files), how, command)
