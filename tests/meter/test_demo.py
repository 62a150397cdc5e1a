"""The demonstration team: the same every time, up to the hour it is asked for."""

from collections import Counter
from datetime import UTC, date, datetime

import pytest

from meter.demo import DAYS, TEAM, UNPRICED_MODEL, demo_calls
from meter.logs.drafts import is_provider_id
from meter.price_list import read_snapshot
from meter.pricing import PriceBook, family_of

FRIDAY = date(2026, 11, 20)
LIST = read_snapshot()
BOOK = PriceBook(LIST.rates, LIST.aliases)


@pytest.fixture(scope="module")
def calls():
    return list(demo_calls(FRIDAY))


def at(call):
    return datetime.fromtimestamp(call.at_ms / 1000, UTC)


def test_the_same_seed_gives_the_same_calls_and_another_one_others(calls):
    assert list(demo_calls(FRIDAY)) == calls
    assert next(demo_calls(FRIDAY, seed=2)) != calls[0]


def test_the_last_day_goes_as_far_as_asked_and_changes_nothing_before(calls):
    noon = list(demo_calls(FRIDAY, until_hour=12))
    assert noon == [call for call in calls if at(call) < datetime(2026, 11, 20, 12, tzinfo=UTC)]
    assert at(noon[-1]).date() == FRIDAY
    assert at(next(demo_calls(FRIDAY, until_hour=0))).date() < FRIDAY


def test_half_a_year_in_order_and_not_too_much(calls):
    assert 25_000 < len(calls) < 40_000
    assert [call.at_ms for call in calls] == sorted(call.at_ms for call in calls)
    assert (at(calls[-1]).date() - at(calls[0]).date()).days >= DAYS - 7


def test_people_keep_office_hours(calls):
    weekdays = Counter(at(call).weekday() for call in calls)
    hours = Counter(at(call).hour for call in calls)
    assert weekdays[5] + weekdays[6] < 0.1 * len(calls)
    assert sum(hours[hour] for hour in range(7, 19)) > 0.85 * len(calls)


def test_the_team_shows_everything_there_is_to_show(calls):
    assert {call.owner_email for call in calls} == {person.email for person in TEAM}
    assert len({call.machine for call in calls}) == 7
    assert len({call.project_path for call in calls}) == 8
    assert {family_of(call.llm_model) for call in calls} == {"opus", "sonnet", "haiku", "gpt", "gemini", "other"}
    assert any(call.speed == "fast" for call in calls)
    assert any(call.is_sidechain and call.cache_write_5m_tokens for call in calls)
    assert any(call.cache_write_1h_tokens for call in calls)
    assert any(call.web_searches for call in calls)
    assert any(len(call.tools) > 1 for call in calls)


def test_every_model_has_a_price_but_one(calls):
    models = {call.llm_model: call.at_ms for call in calls}
    unpriced = {model for model, at_ms in models.items() if BOOK.rate_for(model, at_ms, 1) is None}
    assert unpriced == {UNPRICED_MODEL}


def test_calls_are_told_apart_and_hand_over_all_they_know(calls):
    assert len({call.message_id for call in calls}) == len(calls)
    assert all(is_provider_id(call.message_id) for call in calls[:500])
    call = next(call for call in calls if call.is_sidechain and len(call.tools) == 2)
    draft = call.draft()
    assert draft.call_key == call.message_id
    assert draft.counts[:3] == (call.input_tokens, call.output_tokens, call.cache_read_tokens)
    assert draft.counts[3:5] == (call.cache_write_5m_tokens, call.cache_write_1h_tokens)
    assert draft.counts[5] == call.cache_write_5m_tokens + call.cache_write_1h_tokens
    assert sorted(draft.tools.values()) == sorted(name for _, name in call.tools)
    assert (draft.is_sidechain, draft.agent_id) == (1, call.agent_id)
    assert draft.project_key == call.project_path.replace("/", "-")
