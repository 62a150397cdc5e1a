"""Periods: calendar days of the viewer's zone as exact instants, also where clocks change."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.errors import Invalid
from meter.periods import PRESETS, before, buckets, buckets_before, day_start, read_period, read_zone, step

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 20, 13, 5, tzinfo=UTC)  # 14:05 in Berlin
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",  # +5:45
    "Australia/Lord_Howe",  # clocks change by half an hour
    "America/Havana",  # midnight comes twice
    "Africa/Cairo",  # midnight is skipped
    "Pacific/Chatham",  # +12:45 and +13:45
    "UTC",
)
HOUR = timedelta(hours=1)


def hours(on: date, zone: str) -> float:
    return (day_start(on + timedelta(days=1), ZoneInfo(zone)) - day_start(on, ZoneInfo(zone))) / HOUR


def period(preset="", from_text="", to_text="", zone=BERLIN, now_at=NOW):
    return read_period(preset, from_text, to_text, zone, now_at)


@pytest.mark.parametrize(
    ("zone", "on", "length"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("America/Havana", date(2026, 3, 8), 23),
        ("America/Havana", date(2026, 11, 1), 25),
        ("Africa/Cairo", date(2026, 4, 24), 23),
        ("Asia/Kathmandu", date(2026, 3, 29), 24),
    ],
)
def test_days_are_as_long_as_the_zone_says(zone, on, length):
    assert hours(on, zone) == length


def test_a_day_begins_at_the_quarter_hour_of_its_zone():
    assert day_start(date(2026, 11, 20), ZoneInfo("Asia/Kathmandu")) == datetime(2026, 11, 19, 18, 15, tzinfo=UTC)


def test_thirty_days_are_the_default_and_end_today():
    chosen = period()
    assert (chosen.preset, chosen.first_on, chosen.last_on) == ("30d", date(2026, 10, 22), date(2026, 11, 20))
    assert chosen.start_at == datetime(2026, 10, 21, 22, tzinfo=UTC)
    assert chosen.end_at == datetime(2026, 11, 20, 23, tzinfo=UTC)
    assert chosen.until_at == NOW
    assert len(buckets(chosen)) == 30


def test_the_last_24_hours_end_with_the_running_hour():
    chosen = period("24h")
    assert (chosen.start_at, chosen.end_at) == (NOW.replace(minute=0) - 23 * HOUR, NOW.replace(minute=0) + HOUR)
    assert [one.end_at - one.start_at for one in buckets(chosen)] == [HOUR] * 24


def test_the_month_is_the_whole_calendar_month():
    chosen = period("month")
    assert (chosen.first_on, chosen.last_on) == (date(2026, 11, 1), date(2026, 11, 30))
    assert chosen.until_at == NOW


def test_own_dates_include_the_last_day():
    chosen = period(from_text="2026-08-01", to_text="2026-08-07")
    assert chosen.end_at == datetime(2026, 8, 7, 22, tzinfo=UTC)
    assert chosen.params == {"from": "2026-08-01", "to": "2026-08-07"}


def test_own_dates_without_an_end_go_to_today():
    assert period(from_text="2026-11-18").last_on == date(2026, 11, 20)


def test_a_running_period_is_compared_with_what_had_elapsed_then():
    was = before(period("30d"))
    assert was.start_at == datetime(2026, 9, 21, 22, tzinfo=UTC)
    assert was.end_at == datetime(2026, 10, 21, 12, 5, tzinfo=UTC)  # 14:05 too, but in summer time


def test_a_running_month_is_compared_with_the_same_days_of_the_month_before():
    was = before(period("month"))
    assert was.start_at == datetime(2026, 9, 30, 22, tzinfo=UTC)
    assert was.end_at == datetime(2026, 10, 20, 12, 5, tzinfo=UTC)


def test_a_month_longer_than_the_one_before_is_compared_with_all_of_that():
    last_of_march = datetime(2026, 3, 31, 10, tzinfo=UTC)
    was = before(period("month", now_at=last_of_march))
    assert was.end_at == day_start(date(2026, 3, 1), BERLIN)


def test_a_past_month_is_compared_with_the_whole_month_before():
    november_2025 = period(from_text="2025-11-01", to_text="2025-11-30")
    was = before(november_2025)
    assert (was.start_at, was.end_at) == (day_start(date(2025, 10, 1), BERLIN), november_2025.start_at)
    assert buckets_before(november_2025)[-1].end_at == was.end_at


def test_steps_keep_the_length_and_come_back_to_the_preset():
    week = period("7d")
    earlier = step(week, -1)
    assert earlier.params == {"from": "2026-11-07", "to": "2026-11-13"}
    assert step(earlier, 1) == week
    assert step(week, 1) is None


def test_months_step_by_months():
    october = step(period("month"), -1)
    assert (october.first_on, october.last_on) == (date(2026, 10, 1), date(2026, 10, 31))
    assert step(october, 1).preset == "month"


def test_the_last_24_hours_step_to_yesterday():
    assert step(period("24h"), -1).params == {"from": "2026-11-19", "to": "2026-11-19"}


@pytest.mark.parametrize(
    ("first", "last", "grain", "count"),
    [
        ("2026-11-19", "2026-11-20", "hour", 48),
        ("2026-10-25", "2026-10-25", "hour", 25),
        ("2026-11-18", "2026-11-20", "day", 3),
        ("2026-08-21", "2026-11-20", "day", 92),
        ("2026-08-20", "2026-11-20", "week", 14),
        ("2025-11-15", "2026-11-20", "week", 54),
        ("2025-11-14", "2026-11-20", "month", 13),
        ("2017-01-01", "2026-01-01", "month", 109),
    ],
)
def test_longer_periods_have_coarser_buckets(first, last, grain, count):
    chosen = period(from_text=first, to_text=last)
    assert (chosen.grain, len(buckets(chosen))) == (grain, count)


@pytest.mark.parametrize(
    ("args", "field"),
    [
        (("fortnight", "", ""), "period"),
        (("7d", "2026-11-01", ""), "period"),
        (("", "", "2026-11-01"), "from"),
        (("", "2026-11-31", ""), "from"),
        (("", "20261101", ""), "from"),
        (("", "2026-W45-1", ""), "from"),
        (("", "2026-11-01", "tomorrow"), "to"),
        (("", "2026-11-02", "2026-11-01"), "to"),
        (("", "1999-12-31", ""), "from"),
        (("", "2026-01-01", "2100-01-01"), "to"),
        (("", "2000-01-01", "2026-01-01"), "from"),
        (("", "２０２６-11-01", ""), "from"),
    ],
)
def test_bad_input_names_its_field(args, field):
    with pytest.raises(Invalid) as caught:
        read_period(*args, BERLIN, NOW)
    assert caught.value.field == field


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe", "a\0b"])
def test_unknown_zones_are_refused(name):
    with pytest.raises(Invalid) as caught:
        read_zone(name)
    assert caught.value.field == "timezone"


moments = st.datetimes(datetime(2001, 1, 1), datetime(2098, 12, 31), timezones=st.just(UTC))
zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.dates(date(2001, 1, 1), date(2090, 1, 1))


@st.composite
def periods(draw):
    now_at, zone = draw(moments), draw(zones)
    if draw(st.booleans()):
        return read_period(draw(st.sampled_from(PRESETS)), "", "", zone, now_at)
    first_on = draw(days)
    last_on = first_on + timedelta(days=draw(st.integers(0, 800)))
    return read_period("", first_on.isoformat(), last_on.isoformat(), zone, now_at)


def assert_adjacent(parts, whole):
    assert parts[0].start_at == whole.start_at
    assert parts[-1].end_at == whole.end_at
    assert all(one.end_at == following.start_at for one, following in pairwise(parts))


@given(periods())
def test_buckets_are_the_period_without_gap_or_overlap(chosen):
    parts = buckets(chosen)
    assert_adjacent(parts, chosen)
    assert all(one.start_at < one.end_at for one in parts)
    assert sum((one.end_at - one.start_at for one in parts), timedelta()) == chosen.end_at - chosen.start_at
    assert len(parts) <= 124


@given(periods())
def test_the_stretch_before_is_cut_into_counterparts(chosen):
    was, parts = before(chosen), buckets_before(chosen)
    assert was.start_at <= was.end_at <= chosen.start_at
    assert len(parts) <= len(buckets(chosen))
    if was.start_at < was.end_at:
        assert_adjacent(parts, was)
        assert all(one.start_at <= one.end_at for one in parts)


@given(periods())
def test_the_url_brings_the_period_back(chosen):
    params = chosen.params
    again = read_period(
        params.get("period", ""), params.get("from", ""), params.get("to", ""), chosen.zone, chosen.now_at
    )
    assert again == chosen
