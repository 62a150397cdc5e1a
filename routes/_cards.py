"""Cards: the first rows of a breakdown, each with its share of the whole and a bar as long as row ÷ largest row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.queries.tools import ToolUse
from models.queries.usage import Share
from routes import _format
from routes._figures import role_of


@dataclass(frozen=True)
class Row:
    """A line of a card. title: the name in full. width_pct: of the bar, and role: of the colour key; '' = none."""

    name: str
    title: str
    href: str
    value: str
    share: str
    width_pct: str
    role: str = ""
    is_mono: bool = False
    is_unpriced: bool = False


@dataclass(frozen=True)
class Card:
    """A breakdown of the page. all_href: the page with all `count` rows, '' while there is none."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    count: int
    empty: str
    all_href: str = ""


def cost_card(
    title: str,
    column: str,
    shares: Sequence[Share],
    longest: int,
    href_of: Callable[[str], str],
    *,
    is_models: bool = False,
) -> Card:
    """The `longest` dearest rows by cost. Models carry their family's colour, and say so when they have no price."""
    shown = shares[:longest]
    total = sum(one.usage.cost_nanousd for one in shares)
    most = max((one.usage.cost_nanousd for one in shown), default=0)
    places = _format.usd_places([one.usage.cost_nanousd for one in shown])
    rows = tuple(
        Row(
            name=_format.tail(one.label),
            title=one.key if one.label in one.key else one.label,
            href=href_of(one.key),
            value=_format.usd(one.usage.cost_nanousd, places),
            share=_format.pct(one.usage.cost_nanousd / total if total else None),
            width_pct=_width(one.usage.cost_nanousd, most),
            role=role_of(one.family) if is_models else "",
            is_mono=is_models,
            is_unpriced=is_models and is_unpriced(one),
        )
        for one in shown
    )
    return Card(title, (column, "Cost", "Share"), rows, len(shares), f"No {title.lower()} in this period.")


def tool_card(tools: Sequence[ToolUse], longest: int) -> Card:
    """The tools used most, by number of uses."""
    total = sum(one.uses for one in tools)
    most = max((one.uses for one in tools), default=0)
    rows = tuple(
        Row(
            name=_format.tail(one.name),
            title=one.name,
            href="",
            value=_format.count(one.uses),
            share=_format.pct(one.uses / total),
            width_pct=_width(one.uses, most),
        )
        for one in tools[:longest]
    )
    return Card("Tools", ("Tool", "Calls", "Share"), rows, len(tools), "No tool was used in this period.")


def is_unpriced(one: Share) -> bool:
    """Whether no call of it has a price."""
    return one.usage.unpriced_calls > 0 and one.usage.unpriced_calls == one.usage.calls


def _width(amount: int, most: int) -> str:
    return f"{100 * amount / most:.4g}" if amount and most else ""
