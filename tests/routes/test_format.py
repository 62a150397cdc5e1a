"""How figures and dates are written."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from meter.money import NANO
from models.queries.scope import Bucket
from routes import _format

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("nanousd", "text"),
    [
        (0, "$0.00"),
        (314_440_000_000, "$314.44"),
        (1_204 * NANO, "$1,204.00"),
        (10_000_000, "$0.01"),
        (9_990_000, "$0.0100"),
        (5_000_000, "$0.0050"),
        (60_000, "$0.0001"),
        (49_000, "<$0.0001"),
        (1, "<$0.0001"),
    ],
)
def test_money_has_two_places_and_four_under_a_cent(nanousd, text):
    assert _format.usd(nanousd) == text


def test_a_column_has_one_precision():
    assert _format.usd_places([0, 12 * NANO, 4_000_000]) == 4
    assert _format.usd_places([0, 12 * NANO]) == 2


@pytest.mark.parametrize(
    ("dollars", "text"), [(9_999.99, "$9,999.99"), (12_345.6, "$12,346"), (999_999, "$999,999"), (2_500_000, "$2.5M")]
)
def test_tiles_shorten_large_amounts(dollars, text):
    assert _format.usd_short(dollars * NANO) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.0k"),
        (230_300, "230.3k"),
        (999_949, "999.9k"),
        (999_950, "1.0M"),
        (184_000_000, "184.0M"),
        (999_960_000, "1.0B"),
        (3_200_000_000_000, "3.2T"),
    ],
)
def test_short_counts_never_show_four_digits(number, text):
    assert _format.short(number) == text


@pytest.mark.parametrize(
    ("now", "was", "in_points", "text"),
    [
        (314.44, 292, False, "↑ 7.7%"),
        (375, 300, False, "↑ 25%"),
        (84, 97, False, "↓ 13%"),
        (109.94, 100, False, "↑ 9.9%"),
        (109.96, 100, False, "↑ 10%"),
        (100.04, 100, False, "0%"),
        (2_500, 100, False, "↑ 2,400%"),
        (0, 10, False, "↓ 100%"),
        (5, 0, False, "new"),
        (5, None, False, "new"),
        (0, 0, False, "–"),
        (None, None, True, "–"),
        (None, 0.5, True, "–"),
        (0.946, 0.947, True, "↓ 0.1 pt"),
        (0.5, 0.25, True, "↑ 25 pt"),
    ],
)
def test_changes_have_one_decimal_below_ten_and_none_above(now, was, in_points, text):
    assert _format.change_text(now, was, in_points=in_points)[0] == text


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2026, 10, 22), date(2026, 11, 20), ("22 Oct", "20 Nov 2026")),
        (date(2026, 8, 1), date(2026, 8, 7), ("1", "7 Aug 2026")),
        (date(2025, 12, 30), date(2026, 1, 2), ("30 Dec 2025", "2 Jan 2026")),
        (date(2026, 11, 20), date(2026, 11, 20), ("20 Nov 2026", "")),
    ],
)
def test_ranges_of_days_say_no_more_than_needed(first, last, text):
    assert _format.days(first, last) == text


def test_stretches_show_the_clock_only_where_they_end_within_a_day():
    start = datetime(2026, 9, 21, 22, tzinfo=UTC)
    assert _format.stretch(Bucket(start, datetime(2026, 10, 21, 22, tzinfo=UTC)), BERLIN) == "22 Sep – 21 Oct"
    assert _format.stretch(Bucket(start, datetime(2026, 10, 21, 12, 5, tzinfo=UTC)), BERLIN) == "22 Sep – 21 Oct, 14:05"


def test_long_paths_keep_their_end():
    assert _format.tail("/home/ada/work/customers/atlas/api/server", 20) == "…/atlas/api/server"
    assert _format.tail("a-name-without-any-slash-in-it", 10) == "…ash-in-it"
    assert _format.tail("short") == "short"
