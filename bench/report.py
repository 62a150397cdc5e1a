"""Puts the tables of a run into docs/performance.md, each between its marks; the rest is written by hand."""

import re
from datetime import UTC, datetime
from pathlib import Path

from bench.importing import machine
from bench.measure import Table, say

_MARKED = "<!-- figures: {name} -->"
_END = "<!-- end of figures -->"


def write(page: Path, tables: list[Table]) -> None:
    """Replace the figures between the marks of each table's title; a title without marks is added at the end."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    for table in tables:
        start = _MARKED.format(name=table.title)
        block = f"{start}\n{table.as_markdown()}\n{datetime.now(UTC):%Y-%m-%d}, {machine()}\n{_END}"
        pattern = re.compile(re.escape(start) + ".*?" + re.escape(_END), re.DOTALL)
        text = (
            pattern.sub(lambda _, block=block: block, text) if pattern.search(text) else f"{text.rstrip()}\n\n{block}\n"
        )
    page.write_text(text, encoding="utf-8")
    say(f"wrote {page}")
