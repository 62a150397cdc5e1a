"""Tables on a terminal: aligned, and as wide as the terminal is."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

GAP = "  "


@dataclass(frozen=True)
class Column:
    """A column. Numbers stand to the right and are never cut.

    least: text may be cut down to so many characters, at its front when `keeps_end`; 0: it may not. is_optional: left
    out where the terminal is too narrow even then.
    """

    title: str
    is_number: bool = False
    least: int = 0
    keeps_end: bool = False
    is_optional: bool = False


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Title, rule and rows as lines of at most `width` characters; more where the numbers alone need it."""
    cells = [tuple(printable(cell) for cell in row) for row in ([column.title for column in columns], *rows)]
    needed = [max(map(text_width, column)) for column in zip(*cells, strict=True)]
    widths = _widths_within(columns, needed, width)
    lines = [GAP.join(_fitted(columns[place], row[place], widths[place]) for place in widths).rstrip() for row in cells]
    return [lines[0], "─" * _whole_width(widths), *lines[1:]]


def _widths_within(columns: Sequence[Column], needed: Sequence[int], width: int) -> dict[int, int]:
    """Width of each column shown, by its place. Optional ones give way first, then the last before the first."""
    widths = dict(enumerate(needed))
    for place, column in sorted(enumerate(columns), key=lambda found: (not found[1].is_optional, -found[0])):
        room = widths[place] - max(0, _whole_width(widths) - width)
        least = column.least or widths[place]
        if column.is_optional and room < min(least, widths[place]):
            del widths[place]
        else:
            widths[place] = min(widths[place], max(least, room))
    return widths


def _whole_width(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def printable(text: str) -> str:
    """Text that cannot steer a terminal or end a line: control and other invisible characters as escapes."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def text_width(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(_character_width(one) for one in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _fitted(column: Column, text: str, width: int) -> str:
    text = _cut(text, width, column.keeps_end)
    blanks = " " * (width - text_width(text))
    return blanks + text if column.is_number else text + blanks


def _cut(text: str, width: int, keeps_end: bool) -> str:
    """As much of the text as fits, with an ellipsis for the rest."""
    if text_width(text) <= width:
        return text
    while text_width(text) > width - 1:
        text = text[1:] if keeps_end else text[:-1]
    return "…" + text if keeps_end else text + "…"
