"""The order in which copies of calls arrive, and how they are cut into batches, never matters."""

from itertools import count

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from meter.ingest import EVENT, OTLP, TRANSCRIPT, UPLOAD
from meter.logs.drafts import CallDraft
from stored import CALL, content, differences, write
from transcripts import NOON_MS

MINUTE_MS = 60_000
TIMES_MS = [
    0,
    1,
    14 * MINUTE_MS,
    15 * MINUTE_MS,
    59 * MINUTE_MS,
    60 * MINUTE_MS,
    12 * 60 * MINUTE_MS,
    40 * 1440 * MINUTE_MS,
]
MODELS = ("claude-opus-4-6", "claude-haiku-5-5", "claude-opus-9")
FOLDERS = ("/home/ada/shop", "/home/ada/infra")
SESSIONS = ("s1", "s2", "s3")
tokens = st.sampled_from((0, 1, 7, 90_000, 150_000))

SEARCH = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)


@st.composite
def copies(draw):
    """One line's view of a call: any session, machine, project, time, and any part of its counts."""
    folder = draw(st.sampled_from(FOLDERS))
    counts = tuple(draw(st.tuples(*[tokens] * 6, st.sampled_from((0, 2)))))
    return CallDraft(
        call_key=draw(st.sampled_from(("msg_a", "msg_b", "msg_c"))),
        at_ms=NOON_MS + draw(st.sampled_from(TIMES_MS)),
        session_key=draw(st.sampled_from(SESSIONS)),
        machine_key=draw(st.sampled_from(("laptop", "desk"))),
        project_key=folder.replace("/", "-"),
        project_path=folder,
        llm_model=draw(st.sampled_from(MODELS)),
        counts=counts,
        client_cost_nanousd=draw(st.sampled_from((None, None, 0, 5_000))),
        speed=draw(st.sampled_from(("", "", "fast"))),
        service_tier=draw(st.sampled_from(("", "", "batch"))),
        inference_geo=draw(st.sampled_from(("", "", "us"))),
        is_sidechain=draw(st.integers(0, 1)),
        is_copy=draw(st.integers(0, 1)),
        request_id=draw(st.sampled_from(("req_1", "req_2"))),
        agent_id=draw(st.sampled_from(("", "a1"))),
        git_branch=draw(st.sampled_from(("main", "fix"))),
        agent_version="2.1.44",
        stop_reason=draw(st.sampled_from(("", "end_turn", "tool_use"))),
        tools=draw(st.dictionaries(st.sampled_from(("t1", "t2", "t3")), st.just("Bash"), max_size=2)) or None,
    )


@st.composite
def histories(draw, sources=(TRANSCRIPT,), most=9):
    """Copies with their sources, in some order, cut into batches of one source."""
    drafts = draw(st.lists(st.tuples(st.sampled_from(sources), copies()), min_size=1, max_size=most))
    batches = []
    for source, draft in draw(st.permutations(drafts)):
        if not batches or batches[-1][0] != source or draw(st.booleans()):
            batches.append((source, []))
        batches[-1][1].append(draft)
    return drafts, batches


def settled(found):
    """Content without what has several right answers: where a session began that has two calls at its first moment."""
    first_ms = {row[0]: row[2] for row in found["agent_session"]}
    calls = [dict(zip(CALL, row, strict=True)) for row in found["call"]]
    counted = [(call["agent_session_id"], call["at_ms"]) for call in calls if not call["is_superseded"]]
    found["began"] = [row for row in found["began"] if counted.count((row[0], first_ms[row[0]])) == 1]
    return found


def check_histories(store, book, strategy, examples, between):
    """Write every history twice, each as owners of their own: as drawn and in the order of `between`."""
    owners = count(1, 2)

    @settings(SEARCH, max_examples=examples)
    @given(strategy)
    def check(history):
        drafts, batches = history
        one, other = (owner := next(owners)), owner + 1
        for source, group in between(drafts):
            write(store, book, *group, owner=one, source=source)
        for source, group in [*batches, *batches]:
            write(store, book, *group, owner=other, source=source)
        assert settled(content(store, other)) == settled(content(store, one))

    check()
    assert differences(store) == []


def test_any_order_and_any_batches_come_to_the_same_as_one_batch(store, book):
    examples = 80 if store.is_sqlite else 15
    check_histories(store, book, histories(), examples, lambda drafts: [(TRANSCRIPT, [draft for _, draft in drafts])])


def test_any_order_of_reports_from_all_sources_comes_to_the_same(store, book):
    examples = 80 if store.is_sqlite else 15
    everywhere = histories(sources=(TRANSCRIPT, OTLP, EVENT, UPLOAD))
    check_histories(store, book, everywhere, examples, lambda drafts: [(source, [draft]) for source, draft in drafts])
