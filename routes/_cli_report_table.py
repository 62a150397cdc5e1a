"""A report as a table for people: figures as on the pages, times in the zone asked for."""

from meter.reports import Asked, Report, block_end, block_start
from models.queries.reports import Row
from models.queries.usage import Usage
from routes._cli_table import Column, table_lines
from routes._format import count, usd, usd_places

KEY_COLUMNS = {  # dates are never cut, the names of models under them may be
    "daily": Column("Day", least=12),
    "weekly": Column("Week of", least=12),
    "monthly": Column("Month", least=12),
    "session": Column("Session", least=9),
    "blocks": Column("Window", least=26),
    "models": Column("Model", least=16),
    "projects": Column("Project", least=16, keeps_end=True),
}
MODELS = Column("Models", least=16, is_optional=True)
UNPRICED_MARK = "*"


def report_lines(asked: Asked, found: Report, breakdown: bool, width: int) -> list[str]:
    """The table of a report, `width` characters wide: what is asked, a line for each row, the total.

    Both cache writes share a column; searches have one only where there were any; the models one only where there is
    room for it. A cost with an asterisk leaves out calls that have no price.
    """
    has_searches = found.total.usage.web_searches > 0
    has_models = not breakdown and asked.kind != "models"
    figures = ("Calls", "Input", "Output", "Cache write", "Cache read", *(["Searches"] if has_searches else []), "Cost")
    columns = [KEY_COLUMNS[asked.kind], *(Column(title, is_number=True) for title in figures)]
    columns += [MODELS] if has_models else []
    places = usd_places([row.usage.cost_nanousd for row in found.rows])
    mark = UNPRICED_MARK if found.total.usage.unpriced_calls else ""

    def line(name: str, usage: Usage, models: str = "") -> list[str]:
        cells = [name, *_figures(usage, has_searches), _cost(usage, places, mark)]
        return [*cells, models] if has_models else cells

    lines = []
    for row in found.rows:
        lines.append(line(_name(asked, found, row), row.usage, ", ".join(part.llm_model for part in row.by_model)))
        if breakdown and asked.kind != "models":
            lines += [line(f"  {part.llm_model}", part.usage) for part in row.by_model]
    title, rule, *body = table_lines(columns, [*lines, line("Total", found.total.usage)], width)
    return [_caption(asked), "", title, rule, *body[:-1], rule, body[-1]]


def _figures(usage: Usage, has_searches: bool) -> list[str]:
    tokens = (usage.input_tokens, usage.output_tokens, usage.cache_write_tokens, usage.cache_read_tokens)
    return [count(number) for number in (usage.calls, *tokens, *([usage.web_searches] if has_searches else []))]


def _cost(usage: Usage, places: int, mark: str) -> str:
    return usd(usage.cost_nanousd, places) + (mark if usage.unpriced_calls else " " * len(mark))


def _name(asked: Asked, found: Report, row: Row) -> str:
    if asked.kind != "blocks":
        return row.key
    start_at, end_at = (at.astimezone(asked.zone) for at in (block_start(row.key), block_end(row.key)))
    return f"{start_at:%Y-%m-%d %H:%M}–{end_at:%H:%M}{' now' if row.key == found.running else ''}"


def _caption(asked: Asked) -> str:
    """'Calls of ben@example.com, days of Europe/Berlin, since 2026-11-01'."""
    since = f", since {asked.since_on}" if asked.since_on else ""
    until = f", until {asked.until_on}" if asked.until_on else ""
    return f"Calls of {asked.owner.label}, days of {asked.zone.key}{since}{until}"
