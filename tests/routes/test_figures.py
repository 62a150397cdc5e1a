"""Figures as data: axis steps, series and their colours, sparklines, the heat map, ticks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.money import NANO
from meter.periods import buckets, read_period
from models.queries.usage import HourCost, SeriesPoint, Usage
from routes._axis import axis_of
from routes._figures import families, ranked, spark, y_axis
from routes._heat import heat_map
from routes._metrics import METRICS

COST, TOKENS, SESSIONS, CACHE = (METRICS[key] for key in ("cost", "io_tokens", "sessions", "cache_hit"))
NOW = datetime(2026, 11, 20, 13, 5, tzinfo=UTC)


def point(key, dollars, family="", bucket=0):
    return SeriesPoint(bucket, key, key.title(), family, Usage(calls=1, cost_nanousd=dollars * NANO))


@pytest.mark.parametrize(
    ("metric", "highest", "texts"),
    [
        (COST, 25.6, ("$0", "$10", "$20", "$30")),
        (COST, 20, ("$0", "$5", "$10", "$15", "$20", "$25")),
        (COST, 0.9, ("$0.00", "$0.20", "$0.40", "$0.60", "$0.80", "$1.00")),
        (COST, 11, ("$0.00", "$2.50", "$5.00", "$7.50", "$10.00", "$12.50")),
        (COST, 0, ("$0", "$1")),
        (SESSIONS, 1, ("0", "1", "2")),
        (SESSIONS, 23, ("0", "5", "10", "15", "20", "25")),
        (TOKENS, 19_500_000, ("0", "5M", "10M", "15M", "20M")),
        (TOKENS, 1_100_000, ("0", "250k", "500k", "750k", "1,000k", "1,250k")),
        (CACHE, 0.9, ("0%", "25%", "50%", "75%", "100%")),
    ],
)
def test_axes_have_few_round_steps(metric, highest, texts):
    assert y_axis(metric, highest)[2] == texts


@given(st.just(0.0) | st.floats(1e-4, 1e12), st.sampled_from((COST, TOKENS, SESSIONS)))
def test_axes_begin_at_zero_reach_above_the_highest_and_have_at_most_five_steps(highest, metric):
    top, values, texts = y_axis(metric, highest)
    assert values[0] == 0
    assert top == values[-1] > highest
    assert len(values) == len(texts) <= 6


def test_families_keep_their_colour_whatever_else_is_there():
    alone = families([point("haiku", 1, "haiku")], "cost_nanousd", 1)
    together = families([point("haiku", 1, "haiku"), point("opus", 9, "opus")], "cost_nanousd", 1)
    assert [(one.role, one.label) for one in alone] == [("series-3", "Haiku")]
    assert [(one.role, one.label) for one in together] == [("series-1", "Opus"), ("series-3", "Haiku")]


def test_two_families_never_share_a_colour():
    found = families([point("m", 1, "mistral"), point("f", 5, "fable")], "cost_nanousd", 1)
    assert [(one.role, one.label) for one in found] == [("series-6", "Mistral"), ("other", "Other")]


def test_more_than_six_families_leave_the_five_dearest():
    names = ("opus", "sonnet", "haiku", "gpt", "gemini", "mistral", "other")
    found = families([point(name, n + 1, name) for n, name in enumerate(names)], "cost_nanousd", 1)
    assert [one.label for one in found] == ["Sonnet", "Haiku", "GPT", "Gemini", "Mistral", "Other"]
    assert found[-1].total == 8 * NANO


def test_people_and_projects_get_colours_by_cost_over_the_whole_period():
    found = ranked([point(f"p{n}", n, bucket=n % 2) for n in range(1, 9)], "cost_nanousd", 2)
    assert [(one.role, one.label) for one in found[:2]] == [("series-1", "P8"), ("series-2", "P7")]
    assert (found[-1].label, found[-1].total) == ("Other", (1 + 2 + 3) * NANO)


def test_nothing_spent_is_no_series():
    assert families([point("qwen", 0, "other")], "cost_nanousd", 1) == ()


def test_sparklines_of_amounts_stand_on_zero_and_those_of_shares_on_their_least():
    amounts = spark((0, 5, 10), from_zero=True)
    assert (amounts.width, amounts.path) == (2, "M0 26.5l1 -12.5 1 -12.5")
    assert amounts.area == amounts.path + "V28H0Z"
    shares = spark((0.9, None, 0.95), from_zero=False)
    assert (shares.path, shares.area) == ("M0 26.5l2 -25", "")
    assert spark((None, 1.0, None), from_zero=False) is None


def test_the_heat_map_shows_zero_only_for_nothing():
    noon = datetime(2026, 11, 16, 12, tzinfo=UTC)  # a Monday
    heat = heat_map([HourCost(noon, 10 * NANO), HourCost(noon + timedelta(days=1), NANO // 100)], ZoneInfo("UTC"))
    monday, tuesday = heat.days[:2]
    assert [cell.step for cell in monday.cells] == [0] * 12 + [5] + [0] * 11
    assert tuesday.cells[12].step == 1
    assert (monday.total, heat.most) == ("$10.00", "$10.00")
    assert heat.caption == "Busiest: Monday, 12:00–13:00, $10.00 over the period."


def test_the_heat_map_reads_the_viewers_clock():
    at = datetime(2026, 11, 16, 18, 15, tzinfo=UTC)  # Tuesday 00:00 in Kathmandu
    heat = heat_map([HourCost(at, NANO)], ZoneInfo("Asia/Kathmandu"))
    assert heat.days[1].cells[0].step == 5


@pytest.mark.parametrize(
    ("args", "ticks"),
    [
        (("24h", "", ""), ["15:00", "18:00", "21:00", "20 Nov", "03:00", "06:00", "09:00", "12:00"]),
        (
            ("7d", "", ""),
            ["Sat 14 Nov", "Sun 15 Nov", "Mon 16 Nov", "Tue 17 Nov", "Wed 18 Nov", "Thu 19 Nov", "Fri 20 Nov"],
        ),
        (("30d", "", ""), ["26 Oct", "2 Nov", "9 Nov", "16 Nov"]),
        (("", "2026-08-01", "2026-11-20"), ["Aug", "Sep", "Oct", "Nov"]),
        (("", "2023-05-01", "2026-11-20"), ["2024", "2025", "2026"]),
    ],
)
def test_ticks_fit_the_length_of_the_period(args, ticks):
    period = read_period(*args, ZoneInfo("UTC"), NOW)
    assert [text for _, text in axis_of(period, buckets(period)).ticks] == ticks


def test_the_running_bucket_is_known():
    period = read_period("month", "", "", ZoneInfo("UTC"), NOW)
    axis = axis_of(period, buckets(period))
    assert (axis.running, axis.elapsed, len(axis.names)) == (19, 20, 30)
    assert axis.until == "today, until 13:05"
