"""Whether a database says exactly what truth.json of its corpus says."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from models.bulk import open_store

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CELLS = (
    "select c.at_ms / 86400000, m.name, p.project_key, count(*), sum(c.input_tokens), sum(c.output_tokens),"
    " sum(c.cache_read_tokens), sum(c.cache_write_5m_tokens), sum(c.cache_write_1h_tokens), sum(c.web_searches),"
    " sum(c.cost_nanousd) from call c join llm_model m on m.id = c.llm_model_id"
    " join project p on p.owner_id = c.owner_id and p.id = c.project_id where c.is_superseded = 0 group by 1, 2, 3"
)
_TOOLS = "select n.name, sum(t.uses) from tool_day t join tool n on n.id = t.tool_id where t.owner_id = 0 group by 1"


def wrong_places(url: str, folder: Path) -> list[str]:
    """Cells (day, model, project) and tools where the database and the truth differ, in words."""
    truth = json.loads((folder / "truth.json").read_text())
    store = open_store(url)
    try:
        found = {
            ((EPOCH + timedelta(days=row[0])).date().isoformat(), *row[1:3]): [int(value) for value in row[3:]]
            for row in store.rows(_CELLS)
        }
        tools = {name: int(uses) for name, uses in store.rows(_TOOLS)}
    finally:
        store.close()
    expected = {tuple(cell[:3]): cell[3:] for cell in truth["cells"]}
    places = sorted(found.keys() | expected.keys())
    wrong = [
        f"{key}: {found.get(key)}, true is {expected.get(key)}" for key in places if found.get(key) != expected.get(key)
    ]
    names = sorted(tools.keys() | truth["by_tool"].keys())
    return wrong + [
        f"tool {name}: {tools.get(name)}, true is {truth['by_tool'].get(name)}"
        for name in names
        if tools.get(name, 0) != truth["by_tool"].get(name, 0)
    ]


def cell_count(folder: Path) -> int:
    """How many cells a truth has."""
    return len(json.loads((folder / "truth.json").read_text())["cells"])


def message_count(folder: Path) -> int:
    """How many calls there are in truth."""
    return sum(cell[3] for cell in json.loads((folder / "truth.json").read_text())["cells"])
