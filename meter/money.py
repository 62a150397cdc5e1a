"""Money: integer nano-dollars inside, dollars only at the edge.

A nano-dollar is a billionth of a dollar. Prices are pico-dollars per token (1 $ per million tokens = 1,000,000),
because 0.01 $ per million tokens is not a whole number of nano-dollars per token.
"""

TYPE_CHECKING = False  # as type checkers read it; importing typing costs more than this module
if TYPE_CHECKING:
    from decimal import Decimal

NANO = 1_000_000_000
PICO_PER_NANO = 1_000


def divide_half_even(numerator: int, denominator: int) -> int:
    """numerator / denominator as a whole number; a tie goes to the even neighbour. The denominator is positive."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


def usd(nanousd: int) -> "Decimal":
    """The exact amount in dollars as a Decimal with nine places."""
    from decimal import Decimal  # here, because `agentmeter sync` never needs it

    return Decimal(nanousd).scaleb(-9)


def usd_number(nanousd: int) -> int | float:
    """The amount in dollars as a JSON number: int for whole dollars, else the nearest float.

    A float shows all nine places up to a million dollars; above that the last places are the float's.
    """
    whole, rest = divmod(nanousd, NANO)
    return whole if rest == 0 else nanousd / NANO


def usd_text(nanousd: int) -> str:
    """The exact amount as text, at least two places and no idle zeros beyond: '12.50', '0.0525005', '-3.00'."""
    whole, rest = divmod(abs(nanousd), NANO)
    places = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nanousd < 0 else ''}{whole}.{places}"


def nanousd_of(amount_usd: "int | float | str | Decimal") -> int:
    """Nano-dollars of an amount in dollars (int, float, Decimal or text), half-even beyond the ninth place.

    A float means what it prints: 0.1 is ten cents. Raises ValueError for text that is no finite number.
    """
    from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

    try:
        amount = Decimal(str(amount_usd))
    except InvalidOperation as error:
        raise ValueError(f"{amount_usd!r} is not an amount of money") from error
    if not amount.is_finite():
        raise ValueError(f"{amount_usd!r} is not an amount of money")
    return int(amount.scaleb(9).to_integral_value(ROUND_HALF_EVEN))
