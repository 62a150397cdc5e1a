"""Damaged transcripts: what can be read counts, what cannot is named and counted, and nothing else is lost."""

import json
import random
import time
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.logs.times import FUTURE_MS, latest_ms, millis
from transcripts import (
    COUNTS,
    NOON_MS,
    answer,
    line,
    lines,
    message_id,
    only_call,
    progress,
    read,
    read_bytes,
    read_lines,
    reasons,
    stamp,
    tool_use,
    usage,
    user,
)

MB = 1 << 20
CUT = b'{"type":"assistant","message":{"id":"msg_cut","usage":{"input_tokens":5,"outp'


def keys(reading):
    return list(reading.calls)


def ids(*names):
    return [message_id(name) for name in names]


def with_count(value):
    """An answer whose input tokens are this piece of JSON."""
    return line(answer()).replace(b'"input_tokens":3', b'"input_tokens":' + value, 1)


def test_an_empty_file_says_nothing(tmp_path):
    reading = read_bytes(tmp_path, b"")
    assert (reading.calls, reading.problems, len(reading.states)) == ({}, [], 1)


def test_blank_lines_are_nothing(tmp_path):
    reading = read_lines(tmp_path, b"", answer("a"), b"", b"  \t ", answer("b"), b"\r", b"")
    assert (keys(reading), reading.problems) == (ids("a", "b"), [])


def test_lines_may_end_as_windows_ends_them(tmp_path):
    reading = read_bytes(tmp_path, lines(answer("a"), answer("b")).replace(b"\n", b"\r\n"))
    assert (keys(reading), reading.problems) == (ids("a", "b"), [])


def test_a_byte_order_mark_is_passed_over(tmp_path):
    assert only_call(read_bytes(tmp_path, b"\xef\xbb\xbf" + lines(answer()))).counts == COUNTS


def test_rubbish_is_skipped_counted_and_located(tmp_path):
    reading = read_lines(tmp_path, answer("a"), b"rubbish", answer("b"), CUT, b'["input_tokens":1]', answer("c"))
    assert keys(reading) == ids("a", "b", "c")
    assert reasons(reading) == [(2, "not JSON"), (4, "not JSON"), (5, "not JSON")]
    assert {problem.path for problem in reading.problems} == {str(tmp_path / "transcript.jsonl")}
    assert (reading.lines_skipped, reading.states[0].lines_skipped) == (3, 3)


def test_json_that_is_no_object_is_skipped(tmp_path):
    reading = read_lines(tmp_path, b"[1]", b"7", b'"text"', b"null", answer())
    assert keys(reading) == ids("first")
    assert [reason for _, reason in reasons(reading)] == ["not a JSON object"] * 4


def test_objects_glued_on_one_line_are_all_read(tmp_path):
    glued = line(answer("a")) + line(user()) + b" " + line(progress(answer("b"))) + line(answer("c"))
    reading = read_lines(tmp_path, glued, answer("d"))
    assert (keys(reading), reading.problems) == (ids("a", "b", "c", "d"), [])


def long_talk(size):
    """A user's line as versions 1 and 2 write them: its kind stands before or behind the long part."""
    old = user(toolUseResult={"stdout": "x" * size, "usage": usage()})
    return line(old), line({**{name: old[name] for name in ("message", "toolUseResult")}, "type": "user"})


@pytest.mark.parametrize("size", [100, 10_000, 300_000])
def test_answers_glued_to_a_long_line_of_the_user_are_read(tmp_path, size):
    for talk in long_talk(size):
        for glued in (talk + line(answer()), line(answer()) + talk):
            reading = read_lines(tmp_path, glued)
            assert (keys(reading), reading.problems) == (ids("first"), [])


def test_an_answer_glued_between_two_long_lines_of_the_user_is_read(tmp_path):
    for talk in long_talk(10_000):
        reading = read_lines(tmp_path, talk + line(answer()) + talk)
        assert (keys(reading), reading.problems) == (ids("first"), [])


def test_what_follows_a_whole_object_is_reported_and_the_object_counts(tmp_path):
    reading = read_lines(tmp_path, line(answer("a")) + CUT, line(answer("b")) + b"rubbish")
    assert keys(reading) == ids("a", "b")
    assert [number for number, _ in reasons(reading)] == [1, 2]


def test_a_whole_object_after_a_cut_one_on_the_same_line_counts(tmp_path):
    """A process that was killed while it wrote leaves half a line; the next one goes on behind it."""
    reading = read_lines(tmp_path, CUT + line(answer("a")), answer("b"))
    assert keys(reading) == ids("a", "b")
    assert len(reading.problems) == 1


@pytest.mark.parametrize("length", [1, 25, 60, 200, 400, 600, 700])
def test_wherever_a_line_was_cut_the_object_glued_behind_it_counts(tmp_path, length):
    reading = read_lines(tmp_path, line(answer("cut"))[:length] + line(answer("a")))
    assert keys(reading) == ids("a")
    assert len(reading.problems) == 1


def test_a_whole_object_counts_behind_a_cut_one_of_many_parts(tmp_path):
    hunks = [{"oldStart": number, "lines": ["+"]} for number in range(20_000)]
    cut = line(user(toolUseResult={"structuredPatch": hunks}))[:-60]
    assert keys(read_lines(tmp_path, cut + line(answer("a")))) == ids("a")


def test_a_line_made_to_be_decoded_in_vain_is_given_up_soon(tmp_path):
    rubbish = b'{"a":[1' + b',[{"b":{"c":2}}' * 40_000 + b',"input_tokens":'
    started = time.monotonic()
    reading = read_lines(tmp_path, rubbish + b"}", b"{" * 400_000, b'{"":' * 400_000, answer("a"))
    assert keys(reading) == ids("a")
    assert time.monotonic() - started < 10


def test_zero_bytes_left_by_a_crash_are_passed_over(tmp_path):
    zeros = b"\x00" * 5000
    content = lines(answer("a")) + zeros + lines(answer("b")) + zeros + b"\n" + lines(answer("c")) + zeros
    reading = read_bytes(tmp_path, content)
    assert (keys(reading), reading.problems) == (ids("a", "b", "c"), [])


def test_zero_bytes_between_two_objects_are_passed_over(tmp_path):
    reading = read_lines(tmp_path, line(answer("a")) + b"\x00" * 9 + line(answer("b")))
    assert (keys(reading), reading.problems) == (ids("a", "b"), [])


@pytest.mark.parametrize(
    ("written", "count"),
    [(b"7.0", 7), (b'"7"', 7), (b"7e2", 700), (b"1000000000", 1_000_000_000), (b"0", 0), (b"-0", 0), (b"null", 0)],
)
def test_a_count_may_be_written_in_other_ways(tmp_path, written, count):
    assert only_call(read_lines(tmp_path, with_count(written))).counts == (count, *COUNTS[1:])


@pytest.mark.parametrize(
    "written",
    [
        *(
            b"-1",
            b"-9223372036854775809",
            b"1000000001",
            b"9223372036854775808",
            b"1e30",
            b"1e400",
            b"NaN",
            b"-Infinity",
        ),
        *(b"7.5", b'"12abc"', b'"-7"', b"true", b"[7]", b'{"a":7}', b'"99999999999"'),
    ],
)
def test_a_count_that_is_none_is_left_out_and_reported_and_the_others_count(tmp_path, written):
    reading = read_lines(tmp_path, user(), with_count(written))
    assert reading.calls[message_id()].counts == (0, *COUNTS[1:])
    assert reasons(reading) == [(2, "a token count out of range was left out")]


def test_a_number_of_many_thousand_digits_is_reported(tmp_path):
    reading = read_lines(tmp_path, answer("a"), with_count(b"9" * 5000), answer("b"))
    assert set(ids("a", "b")) <= set(keys(reading))
    assert [number for number, _ in reasons(reading)] == [2]


def test_odd_values_beside_the_counts_do_not_lose_the_call(tmp_path):
    odd = [{"cache_creation": []}, {"server_tool_use": 3}, {"speed": 1}, {"iterations": {}}, {"service_tier": ["a"]}]
    for changes in odd:
        call = only_call(read_lines(tmp_path, answer(message={"usage": usage(**changes)})))
        assert call.counts[:3] == COUNTS[:3]
    for field in ("content", "stop_reason"):
        only_call(read_lines(tmp_path, answer(message={field: 7})))
    for field in ("cwd", "gitBranch", "version", "agentId", "isSidechain", "costUSD", "requestId", "data"):
        only_call(read_lines(tmp_path, answer(**{field: ["x"]})))


def test_odd_tool_uses_are_passed_over(tmp_path):
    odd = ["text", None, 7, {"type": "tool_use"}, {"type": "tool_use", "id": 5, "name": "Bash"}]
    content = [
        *odd,
        tool_use("", "Bash"),
        tool_use("toolu_01AAAAAAAAAAAAAA", ""),
        tool_use("toolu_01BBBBBBBBBBBBBB", "Ls"),
    ]
    assert only_call(read_lines(tmp_path, answer(message={"content": content}))).tools == {"BBBBBBBBBBBB": "Ls"}


def test_deep_nesting_harms_only_its_own_line(tmp_path):
    deep = b"[" * 200_000 + b"]" * 200_000
    nested = [line(answer("deep")).replace(b'"cwd"', b'"' + name + b'":' + deep + b',"cwd"') for name in (b"x", b"cwd")]
    reading = read_lines(tmp_path, answer("a"), *nested, deep, answer("b"))
    assert set(ids("a", "b")) <= set(keys(reading)) <= set(ids("a", "b", "deep"))
    assert reading.problems


def test_bytes_that_are_no_utf8_do_not_lose_the_call(tmp_path):
    for place in (b'"Done."', b'"/home/ada/shop"', b'"main"'):
        broken = line(answer()).replace(place, b'"a\xff\xfe\xed\xa0\x80b"', 1)
        assert only_call(read_lines(tmp_path, broken)).counts == COUNTS


@pytest.mark.parametrize("field", ["cwd", "gitBranch", "version", "agentId", "sessionId", "requestId"])
def test_texts_no_database_takes_are_made_storable(tmp_path, field):
    for bad in ("\x00", "\ud800", "a\x00b\udfffc", "é\x00"):
        for call in read_lines(tmp_path, answer(**{field: bad}), answer("b", 1, **{field: bad})).calls.values():
            whole = repr(call.as_tuple())
            assert "\\x00" not in whole
            assert "\\ud800" not in whole
            assert "\\udfff" not in whole


@pytest.mark.parametrize("field", ["id", "model", "stop_reason"])
@pytest.mark.parametrize("bad", ["~\x00", "~\ud800"])
def test_texts_in_a_message_are_made_storable_whichever_line_says_them(tmp_path, field, bad):
    records = [answer(), answer(seconds=1, message={field: bad})]
    for order in permutations(records):
        for call in read_lines(tmp_path, *order).calls.values():
            assert "\\x00" not in repr(call.as_tuple())
            assert "\\ud800" not in repr(call.as_tuple())


def test_texts_in_usage_and_tools_are_made_storable(tmp_path):
    odd = usage(speed="\x00", service_tier="\x00\ud800", inference_geo="\x00")
    content = [tool_use("toolu_\x00\n\ud800", "a\x00b\nc"), tool_use("toolu_\x00\n ", "\x00"), tool_use("é\x00", "\n")]
    call = only_call(read_lines(tmp_path, answer(message={"usage": odd, "content": content})))
    assert "\\x00" not in repr(call.as_tuple())
    assert "\\ud800" not in repr(call.as_tuple())
    assert not any("\n" in part or " " in tail for tail, name in call.tools.items() for part in (tail, name))


def test_a_very_long_text_is_cut(tmp_path):
    long = "x" * MB
    call = only_call(read_lines(tmp_path, answer(cwd=long, gitBranch=long, message={"model": long})))
    assert {len(call.project_path), len(call.git_branch), len(call.llm_model)} == {1000}


@pytest.mark.parametrize(
    "written",
    [
        *("2026-06-15T12:00:00Z", "2026-06-15T12:00:00", "2026-06-15 12:00:00", "2026-06-15T14:00:00+02:00"),
        *(
            "20260615T120000Z",
            "2026-06-15T06:15:00.000-05:45",
            " 2026-06-15T12:00:00.000Z ",
            "2026-06-15T12:00:00,000Z",
        ),
        *("2026-06-15T12:00:00.000999Z", NOON_MS, NOON_MS // 1000, NOON_MS * 1000, NOON_MS / 1000),
    ],
)
def test_a_time_may_be_written_in_many_ways(tmp_path, written):
    assert only_call(read_lines(tmp_path, answer(timestamp=written))).at_ms == NOON_MS


@pytest.mark.parametrize(
    "written",
    [
        *(None, "", "yesterday", True, [1], {"a": 1}, -1, 0, 1e300, 56788, 1_577_836_799_999),
        *(
            "2026-06-15T25:00:00.000Z",
            "2026-06-31T12:00:00.000Z",
            "2026-06-15T12:00:99.000Z",
            "2026-06-15T12:60:00.000Z",
        ),
        *("2026-06-15T12:00: 5.0 0Z", "2026-06-15T12:00:-5.000Z", "2019-12-31T23:59:59.999Z"),
        *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999-23:59"),
    ],
)
def test_a_time_that_cannot_be_is_reported_and_its_call_left_out(tmp_path, written):
    reading = read_lines(tmp_path, user(), answer(timestamp=written))
    assert reading.calls == {}
    assert reasons(reading) == [(2, "no usable timestamp")]


def test_the_future_ends_a_day_from_now():
    soon, late = latest_ms() - 60_000, latest_ms() + 60_000
    assert latest_ms() - FUTURE_MS == pytest.approx(latest_ms() - 86_400_000)
    assert millis(soon) == soon
    assert millis(late) == late


def test_a_call_from_the_day_after_tomorrow_is_left_out(tmp_path):
    tomorrow, later = latest_ms() - 60_000, latest_ms() + 60_000
    reading = read_lines(tmp_path, answer("a", timestamp=tomorrow), answer("b", timestamp=later))
    assert keys(reading) == ids("a")
    assert reasons(reading) == [(2, "no usable timestamp")]


def test_a_call_just_before_midnight_stays_on_its_day(tmp_path):
    midnight_ms = NOON_MS + 43_200_000
    for written in ("2026-06-15T23:59:59.999Z", "2026-06-15T23:59:59.9996Z", "2026-06-15T23:59:59.999999+00:00"):
        assert only_call(read_lines(tmp_path, answer(timestamp=written))).at_ms == midnight_ms - 1


@given(st.text(max_size=40) | st.integers() | st.floats() | st.booleans() | st.none() | st.datetimes().map(str))
def test_any_time_is_milliseconds_or_nothing(written):
    found = millis(written)
    assert found is None or isinstance(found, int)


def huge(name, size, usage_first):
    """An answer of about `size` bytes, its usage before or behind its text."""
    text = "x" * size
    message = {"id": message_id(name), "model": "claude-opus-4-6"}
    message.update({"usage": usage(), "content": text} if usage_first else {"content": text, "usage": usage()})
    whole = {"type": "assistant", "sessionId": "s", "timestamp": stamp(), "message": message}
    return json.dumps(whole, separators=(",", ":")).encode()


def test_a_line_of_some_megabytes_is_read(tmp_path):
    reading = read_lines(tmp_path, answer("a"), huge("b", 9 * MB, usage_first=False), answer("c"))
    assert (keys(reading), reading.problems) == (ids("a", "b", "c"), [])


@pytest.mark.parametrize("usage_first", [True, False])
def test_a_line_beyond_the_cap_is_reported_and_the_lines_after_it_count(tmp_path, usage_first):
    reading = read_lines(tmp_path, answer("a"), huge("b", 40 * MB, usage_first), answer("c"), answer("d"))
    assert keys(reading) == ids("a", "c", "d")
    assert reasons(reading) == [(2, "line longer than 10 MB")]


def test_a_long_line_without_usage_is_passed_over_in_silence(tmp_path):
    snapshot = {"type": "file-history-snapshot", "snapshot": "x" * (40 * MB)}
    path = tmp_path / "transcript.jsonl"
    path.write_bytes(lines(answer("a"), snapshot, answer("b")))
    reading = read(path)
    assert (keys(reading), reading.problems) == (ids("a", "b"), [])
    assert reading.states[0].offset_bytes == path.stat().st_size


def test_line_numbers_stay_right_after_a_long_line(tmp_path):
    reading = read_lines(tmp_path, huge("b", 20 * MB, usage_first=True), answer("c"), b"rubbish", answer("d"))
    assert keys(reading) == ids("c", "d")
    assert [number for number, _ in reasons(reading)] == [1, 3]


def test_any_damage_loses_no_more_than_the_damaged_lines(tmp_path):
    """Bytes overwritten at random, five hundred times: the answers on other lines are always there."""
    rng = random.Random(7)
    whole = [line(answer(number, number)) for number in range(5)]
    for _ in range(500):
        number = rng.randrange(5)
        at, size = rng.randrange(len(whole[number])), rng.choice((1, 3, 40))
        damaged = whole[number][:at] + rng.randbytes(size).replace(b"\n", b"?") + whole[number][at + size :]
        reading = read_lines(tmp_path, *whole[:number], damaged, *whole[number + 1 :])
        assert {message_id(other) for other in range(5) if other != number} <= reading.calls.keys()
        assert {problem.line for problem in reading.problems} <= {number + 1}
        for call in reading.calls.values():
            assert all(0 <= count <= 1_000_000_000 for count in call.counts)
