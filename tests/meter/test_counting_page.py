"""docs/counting.md says what the code does: its tables are computed here."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from meter.explain import explain
from meter.money import usd
from meter.price_list import PRICE_LIST_VERSION, read_snapshot
from meter.pricing import PriceBook, normalise, weighted_tokens

PAGE = (Path(__file__).parents[2] / "docs/counting.md").read_text()
LIST = read_snapshot()
BOOK = PriceBook(LIST.rates, LIST.aliases)
SERVED = {"": ("", "", ""), "fast": ("fast", "", ""), "batch": ("", "batch", ""), "us": ("", "", "us")}


def table(heading):
    """The rows of the table with this heading line, as lists of cells."""
    lines = PAGE.splitlines()
    start = lines.index(heading) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    assert rows
    return rows


def number(cell):
    return int(cell.replace(",", ""))


def ms(day):
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


EXAMPLES = (
    "| # | model | served | when (UTC) | input | output | cache read"
    " | 5 min writes | 1 h writes | searches | cost $ |"
)  # fmt: skip


def test_the_worked_examples_cost_what_the_page_says():
    for _, llm_model, served, day, *counts, cost in table(EXAMPLES):
        nanousd, rate_id = BOOK.cost_nanousd(llm_model, *SERVED[served], ms(day), *map(number, counts))
        if cost == "unpriced":
            assert (nanousd, rate_id) == (0, None)
        else:
            assert usd(nanousd) == Decimal(cost), (llm_model, served, day)


def test_the_first_example_taken_apart_is_what_explain_says():
    _, llm_model, served, day, *counts, cost = table(EXAMPLES)[0]
    tokens = list(map(number, counts))
    rate = BOOK.rate_for(llm_model, ms(day), sum(tokens) - tokens[1])
    explained = explain(rate, llm_model, *SERVED[served], *tokens)
    written = [
        (kind, number(count), Decimal(unit), Decimal(part))
        for kind, count, unit, part in table("| kind | tokens | $ per million | $ |")
    ]
    assert [(line.kind, line.count, line.unit_usd, line.cost_usd) for line in explained.lines] == written
    assert usd(explained.cost_nanousd) == sum(part for *_, part in written) == Decimal(cost)


def test_the_prices_on_the_page_are_the_prices_in_the_list():
    order = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")
    for llm_model, *prices in table("| model | input | output | 5 min writes | 1 h writes | cache read |"):
        rate = BOOK.rate_for(llm_model, ms("2026-11-20"), 1)
        assert [Decimal(getattr(rate, f"{kind}_pico")).scaleb(-6) for kind in order] == list(map(Decimal, prices))


def test_the_names_on_the_page_are_priced_as_it_says():
    for written, name in table("| written | priced as |"):
        assert normalise(written) == name


def test_the_page_names_the_version_of_the_price_list():
    assert PRICE_LIST_VERSION.split(" + ")[0] in PAGE


def test_the_weighted_example_holds():
    numbers = re.search(
        r"input ([\d,]+), writes ([\d,]+), reads ([\d,]+), output ([\d,]+) give ([\d,]+)", PAGE
    ).groups()
    *counts, weighted = map(number, numbers)
    assert weighted_tokens(*counts) == weighted
