"""Money stays whole nano-dollars until the last line."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.money import divide_half_even, nanousd_of, usd, usd_number, usd_text

NANOUSD = st.integers(-(10**14), 10**14)


@given(NANOUSD)
def test_nothing_is_lost_on_the_way_to_dollars_and_back(nanousd):
    assert nanousd_of(usd(nanousd)) == nanousd_of(usd_text(nanousd)) == nanousd_of(usd_number(nanousd)) == nanousd


@pytest.mark.parametrize(
    ("nanousd", "number", "text"),
    [
        (3_000_000_000, 3, "3.00"),
        (52_500_500, 0.0525005, "0.0525005"),
        (-120_000_000, -0.12, "-0.12"),
        (1, 1e-09, "0.000000001"),
        (0, 0, "0.00"),
    ],
)
def test_dollars_read_as_people_write_them(nanousd, number, text):
    assert usd_number(nanousd) == number
    assert type(usd_number(nanousd)) is type(number)
    assert usd_text(nanousd) == text


@pytest.mark.parametrize(
    ("amount", "nanousd"), [(0.1, 100_000_000), ("0.0000000005", 0), ("0.0000000015", 2), (2, 2 * 10**9)]
)
def test_an_amount_of_dollars_is_read_to_the_nearest_nano_dollar(amount, nanousd):
    assert nanousd_of(amount) == nanousd


@pytest.mark.parametrize("amount", ["", "ten", "nan", "inf", None])
def test_what_is_no_amount_is_refused(amount):
    with pytest.raises(ValueError, match="not an amount"):
        nanousd_of(amount)


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_division_rounds_half_to_even(numerator, denominator):
    exact = Decimal(numerator) / Decimal(denominator)
    quotient = divide_half_even(numerator, denominator)
    assert abs(quotient - exact) <= Decimal("0.5")
    if 2 * numerator % (2 * denominator) == denominator:
        assert quotient % 2 == 0
