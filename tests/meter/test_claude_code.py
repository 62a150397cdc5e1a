"""What counts in a Claude Code transcript: every line that carries usage, once, with all it says."""

from itertools import permutations

import pytest

from meter.logs import claude_code
from meter.logs.drafts import CallDraft, split_writes
from transcripts import (
    COUNTS,
    DATA,
    FOLDER,
    FORK,
    MACHINE,
    MODEL,
    NOON_MS,
    PROJECT,
    SESSION,
    answer,
    line,
    message_id,
    only_call,
    progress,
    read,
    read_lines,
    reasons,
    stamp,
    tool_use,
    usage,
    user,
)


def written(call: CallDraft) -> tuple[int, int]:
    """Five-minute and one-hour cache writes that count."""
    return split_writes(*call.counts[3:6])


def outputs(reading):
    return {key: call.counts[1] for key, call in reading.calls.items()}


def test_an_answer_is_read_with_all_its_fields(tmp_path):
    full = usage(
        server_tool_use={"web_search_requests": 2, "web_fetch_requests": 1},
        service_tier="priority",
        speed="fast",
        inference_geo="us",
    )
    message = {"usage": full, "stop_reason": "tool_use", "content": [tool_use("toolu_01AbCdEfGhIjKlMn", "Bash")]}
    call = only_call(read_lines(tmp_path, answer(message=message, agentId="a1b2c3d", costUSD=0.25)))
    assert call == CallDraft(
        call_key=message_id(),
        at_ms=NOON_MS,
        session_key=SESSION,
        machine_key=MACHINE,
        project_key=PROJECT,
        project_path=FOLDER,
        llm_model=MODEL,
        counts=(3, 100, 20000, 1000, 4000, 5000, 2),
        client_cost_nanousd=250_000_000,
        speed="fast",
        service_tier="priority",
        inference_geo="us",
        request_id="req_first",
        agent_id="a1b2c3d",
        git_branch="main",
        agent_version="2.1.44",
        stop_reason="tool_use",
        tools={"CdEfGhIjKlMn": "Bash"},
    )


def test_lines_of_other_kinds_carry_no_calls(tmp_path):
    others = [
        user(),
        {"type": "summary", "summary": 'says "input_tokens":5', "leafUuid": "x"},
        {"type": "system", "subtype": "turn_duration", "durationMs": 5, "usage": usage()},
        {"type": "file-history-snapshot", "messageId": "x", "snapshot": {"input_tokens": 5}},
        {"type": "progress", "data": {"type": "bash_progress", "output": '"input_tokens":5'}},
        {
            "type": "progress",
            "data": {"type": "hook_progress", "message": "input_tokens", "usage": {"input_tokens": 5}},
        },
        {"type": "attachment", "attachment": {"usage": usage()}},
    ]
    reading = read_lines(tmp_path, *others)
    assert (reading.calls, reading.problems) == ({}, [])


def test_the_summary_of_a_subagent_in_a_tool_result_is_no_call(tmp_path):
    result = {"status": "completed", "totalTokens": 25103, "usage": usage(), "content": []}
    reading = read_lines(tmp_path, user(toolUseResult=result))
    assert (reading.calls, reading.problems) == ({}, [])


def test_a_synthetic_answer_is_no_call(tmp_path):
    zero = usage(input_tokens=0, output_tokens=0, service_tier=None)
    reading = read_lines(tmp_path, answer(message={"model": "<synthetic>", "usage": zero}, isApiErrorMessage=True))
    assert (reading.calls, reading.problems) == ({}, [])


def test_an_answer_without_usage_is_no_call(tmp_path):
    reading = read_lines(tmp_path, answer(message={"usage": None, "content": [{"type": "x", "input_tokens": 1}]}))
    assert (reading.calls, reading.problems) == ({}, [])


@pytest.mark.parametrize("order", [*permutations((1, 1.5, 250))])
def test_streamed_lines_of_an_answer_in_any_order_are_one_call_with_the_largest_output(tmp_path, order):
    records = [
        answer(seconds=output, message={"usage": usage(output_tokens=int(output)), "stop_reason": None})
        for output in order
    ]
    call = only_call(read_lines(tmp_path, *records, *records))
    assert call.counts == (3, 250, *COUNTS[2:])
    assert call.at_ms == NOON_MS + 1000


def test_every_count_has_its_own_maximum(tmp_path):
    first = usage(input_tokens=9, output_tokens=1, cache_read_input_tokens=7)
    second = usage(input_tokens=3, output_tokens=8, cache_read_input_tokens=1, cache_creation_input_tokens=6000)
    call = only_call(
        read_lines(tmp_path, answer(message={"usage": first}), answer(seconds=1, message={"usage": second}))
    )
    assert call.counts == (9, 8, 7, 1000, 4000, 6000, 0)


def test_writes_without_a_split_are_five_minute_writes(tmp_path):
    old = {name: count for name, count in usage().items() if name != "cache_creation"}
    assert written(only_call(read_lines(tmp_path, answer(message={"usage": old})))) == (5000, 0)


def test_what_a_total_has_beyond_its_parts_is_five_minute_writes(tmp_path):
    residual = usage(cache_creation_input_tokens=5500)
    assert written(only_call(read_lines(tmp_path, answer(message={"usage": residual})))) == (1500, 4000)


def test_parts_beyond_their_total_are_believed(tmp_path):
    short = usage(cache_creation_input_tokens=100)
    assert written(only_call(read_lines(tmp_path, answer(message={"usage": short})))) == (1000, 4000)


def test_a_total_without_split_and_a_split_without_total_are_joined(tmp_path):
    total = usage(cache_creation=None, cache_creation_input_tokens=5000)
    split = usage(cache_creation={"ephemeral_1h_input_tokens": 5000}, cache_creation_input_tokens=0)
    for records in permutations((answer(message={"usage": total}), answer(message={"usage": split}))):
        assert written(only_call(read_lines(tmp_path, *records))) == (0, 5000)


def test_the_clients_own_cost_is_kept_where_it_is_one(tmp_path):
    def cost_of(value):
        return only_call(read_lines(tmp_path, answer(costUSD=value))).client_cost_nanousd

    assert cost_of(0.0123456789) == 12_345_679
    assert cost_of(0) == 0
    assert cost_of(100_000) == 100_000_000_000_000
    for strange in (None, -0.01, 100_001, True, "0.5"):
        assert cost_of(strange) is None


def test_the_largest_of_several_client_costs_counts(tmp_path):
    records = [answer(seconds=number, costUSD=cost) for number, cost in enumerate((0.1, 0.3, 0.2))]
    assert only_call(read_lines(tmp_path, *records, answer(seconds=9))).client_cost_nanousd == 300_000_000


def test_an_answer_seen_in_progress_is_a_call_of_the_subagent(tmp_path):
    call = only_call(read_lines(tmp_path, progress(answer(seconds=5), agent_id="a1b2c3d")))
    assert (call.call_key, call.at_ms, call.counts) == (message_id(), NOON_MS + 5000, COUNTS)
    assert (call.session_key, call.project_path, call.request_id) == (SESSION, FOLDER, "req_first")
    assert (call.is_sidechain, call.agent_id) == (1, "a1b2c3d")


def test_progress_and_the_subagents_own_lines_are_one_call(tmp_path):
    own = answer(isSidechain=True, agentId="a1b2c3d", message={"usage": usage(output_tokens=250)})
    for records in permutations((own, progress(own), progress(answer()))):
        assert only_call(read_lines(tmp_path, *records)).counts[1] == 250


def test_progress_has_the_time_of_the_inner_answer_or_else_of_its_line(tmp_path):
    seen = progress(answer(seconds=5), "a")
    seen["timestamp"] = stamp(60)
    assert only_call(read_lines(tmp_path, seen)).at_ms == NOON_MS + 5000
    del seen["data"]["message"]["timestamp"]
    assert only_call(read_lines(tmp_path, seen)).at_ms == NOON_MS + 60_000


def test_side_threads_are_counted_and_marked(tmp_path):
    reading = read_lines(tmp_path, answer("main"), answer("side", isSidechain=True))
    assert [call.is_sidechain for call in reading.calls.values()] == [0, 1]


def test_a_side_thread_that_replays_an_answer_under_a_new_request_adds_nothing(tmp_path):
    replay = answer(seconds=0, isSidechain=True, requestId="req_other")
    for records in permutations((answer(), replay)):
        call = only_call(read_lines(tmp_path, *records))
        assert (call.is_sidechain, call.request_id) == (0, "req_first")


def advised(*parts):
    return answer(message={"usage": usage(iterations=list(parts))})


ADVICE = {
    "type": "advisor_message",
    "model": "claude-opus-5",
    "input_tokens": 700,
    "output_tokens": 80,
    "cache_read_input_tokens": 9,
    "cache_creation_input_tokens": 40,
    "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 0},
}


def test_an_advisor_is_a_call_of_its_own_beside_the_answer(tmp_path):
    reading = read_lines(tmp_path, advised({"type": "message", **usage()}, ADVICE))
    own, advice = reading.calls.values()
    assert (own.call_key, own.llm_model, own.counts) == (message_id(), MODEL, COUNTS)
    assert (advice.call_key, advice.llm_model) == (f"{message_id()}#1", "claude-opus-5")
    assert advice.counts == (700, 80, 9, 40, 0, 40, 0)
    assert (advice.tools, advice.client_cost_nanousd, advice.session_key) == (None, None, SESSION)


def test_advisors_of_streamed_lines_are_counted_once_each(tmp_path):
    grown = {**ADVICE, "output_tokens": 90}
    records = [advised(ADVICE, ADVICE), advised(grown, ADVICE), answer(seconds=9)]
    for order in permutations(records):
        reading = read_lines(tmp_path, *order)
        assert outputs(reading) == {message_id(): 100, f"{message_id()}#0": 90, f"{message_id()}#1": 80}


def test_an_advisors_absurd_counts_are_left_out(tmp_path):
    reading = read_lines(tmp_path, advised({**ADVICE, "input_tokens": -5, "output_tokens": 1 << 62}))
    assert reading.calls[f"{message_id()}#0"].counts == (0, 0, 9, 40, 0, 40, 0)


def test_a_copied_answer_belongs_to_the_session_that_had_it_first(tmp_path):
    original, copy = answer(), answer(seconds=1, sessionId=FORK)
    for records in permutations((original, copy)):
        call = only_call(read_lines(tmp_path, *records))
        assert (call.session_key, call.also_in) == (SESSION, (FORK,))


def test_of_two_sessions_with_the_same_moment_the_smaller_name_owns_the_call(tmp_path):
    for records in permutations((answer(), answer(sessionId=FORK))):
        call = only_call(read_lines(tmp_path, *records))
        assert (call.session_key, call.also_in) == (SESSION, (FORK,))


def test_a_line_that_says_it_is_forked_never_owns_a_call_against_the_original(tmp_path):
    fork = answer(sessionId="0000", forkedFrom={"sessionId": SESSION, "messageUuid": "x"})
    for records in permutations((answer(), fork)):
        call = only_call(read_lines(tmp_path, *records))
        assert (call.session_key, call.also_in, call.is_copy) == (SESSION, ("0000",), 0)


def test_tool_uses_are_united_over_the_lines_of_an_answer(tmp_path):
    blocks = [[tool_use("toolu_01AAAAAAAAAAAAAA", "Bash")], [tool_use("toolu_01BBBBBBBBBBBBBB", "Bash")], [], "text"]
    records = [answer(seconds=number, message={"content": block}) for number, block in enumerate(blocks)]
    for order in permutations(records):
        tools = only_call(read_lines(tmp_path, *order, *order)).tools
        assert tools == {"AAAAAAAAAAAA": "Bash", "BBBBBBBBBBBB": "Bash"}


@pytest.mark.parametrize(("field", "value"), [("speed", "fast"), ("service_tier", "batch"), ("inference_geo", "us")])
def test_what_decides_the_price_counts_whichever_line_says_it(tmp_path, field, value):
    plain, special = answer(), answer(seconds=1, message={"usage": usage(**{field: value})})
    for records in ((plain, special), (special, plain), (special, special), (plain, special, plain)):
        assert getattr(only_call(read_lines(tmp_path, *records)), field) == value


def test_the_standard_way_of_serving_is_the_empty_text(tmp_path):
    plain = usage(speed="standard", service_tier="standard", inference_geo="not_available")
    call = only_call(read_lines(tmp_path, answer(message={"usage": plain})))
    assert (call.speed, call.service_tier, call.inference_geo) == ("", "", "")


def test_the_constant_id_of_a_relay_stands_for_many_calls(tmp_path):
    records = [
        answer(message={"id": "msg_relay"}),
        answer(message={"id": "msg_relay"}, sessionId=FORK),
        answer(message={"id": "msg_relay"}, requestId="req_2"),
        answer(message={"id": "msg_relay"}, requestId=None),
        answer(message={"id": "msg_relay"}, requestId=None, seconds=1),
        answer(message={"id": "msg_relay"}, requestId=None, seconds=1),
    ]
    assert len(read_lines(tmp_path, *records).calls) == 5


@pytest.mark.parametrize(
    "relay", ["msg_0000000000000000000000", "chatcmpl-1", "7f3c", "msg_", "Msg_01HzjbNWEsBd5Te3Lu"]
)
def test_an_id_that_no_provider_made_is_scoped_to_its_session(tmp_path, relay):
    records = [answer(message={"id": relay}, sessionId=session) for session in (SESSION, FORK)]
    assert len(read_lines(tmp_path, *records).calls) == 2


@pytest.mark.parametrize("prefix", ["msg_", "msg_bdrk_01", "chatcmpl-", "resp_", "gen-1781524800-"])
def test_a_providers_id_stands_for_one_call_wherever_it_is_seen(tmp_path, prefix):
    records = [
        answer(message={"id": prefix + "HzjbNWEsBd5Te3LuZcWKZE"}, sessionId=session, requestId=request)
        for session, request in ((SESSION, "req_1"), (FORK, None))
    ]
    assert len(only_call(read_lines(tmp_path, *records)).also_in) == 1


def test_calls_without_any_id_are_told_apart_by_what_they_are(tmp_path):
    same = answer(message={"id": None}, requestId=None)
    other = answer(message={"id": None, "usage": usage(output_tokens=5)}, requestId=None)
    reading = read_lines(tmp_path, same, same, other)
    assert sorted(outputs(reading).values()) == [5, 100]
    assert all(key.startswith("hash:") for key in reading.calls)


def test_a_line_without_a_session_belongs_to_the_session_its_file_is_named_after(tmp_path):
    path = tmp_path / f"{SESSION}.jsonl"
    path.write_bytes(line(answer(sessionId=None)) + b"\n")
    assert only_call(read(path)).session_key == SESSION


def test_usage_without_a_model_is_reported_not_dropped_in_silence(tmp_path):
    for model in (None, ""):
        reading = read_lines(tmp_path, user(), answer(message={"model": model}))
        assert reading.calls == {}
        assert reasons(reading) == [(2, "usage without a model")]


def test_the_patient_decoder_reads_real_transcripts_like_the_typed_one(monkeypatch):
    def patient_only(raw):
        raise ValueError("as without msgspec")

    files = sorted(DATA.rglob("*.jsonl"))
    typed = [read(path) for path in files]
    monkeypatch.setattr(claude_code, "decode_line", patient_only)
    patient = [read(path) for path in files]
    assert sum(len(reading.calls) for reading in typed) == 32
    assert [reading.calls for reading in patient] == [reading.calls for reading in typed]
    assert not any(reading.problems for reading in patient + typed)
