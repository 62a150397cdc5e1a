"""`python bench [--large] [--only NAME] [--write]`: the figures of docs/performance.md, each as a ratio within one run.

Prints one table a group. Exit code 1 when something that must be exact is not; a missed goal is only told.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # `python bench` puts this folder there

from bench import importing, pages, querying, report
from bench.measure import Table, say

DEFAULT_MB, LARGE_MB = 200, 1_000


def main() -> int:
    options = _options()
    groups: dict[str, Callable[[Path], Iterator[Table]]] = {
        "import": lambda scratch: importing.tables(options.megabytes * 1_000_000, scratch),
        "queries": lambda scratch: querying.tables(options.calls, scratch),
        "pages": pages.tables,
    }
    wanted = options.only or list(groups)
    unknown = sorted(set(wanted) - groups.keys())
    if unknown:
        say(f"no group {', '.join(unknown)}; there are {', '.join(groups)}")
        return 2
    tables: list[Table] = []
    scratch = Path(tempfile.mkdtemp(prefix="agentmeter-bench-"))
    try:
        for name in wanted:
            say(f"{name} ...")
            for table in groups[name](scratch):
                print(table.as_text(), flush=True)
                tables.append(table)
    finally:
        shutil.rmtree(scratch)
    if options.write:
        report.write(ROOT / "docs" / "performance.md", tables)
    return 0 if all(table.is_right for table in tables) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="1 GB of transcripts and 10 million calls")
    parser.add_argument("--size", type=int, metavar="MB", dest="megabytes", help="megabytes of transcripts to import")
    parser.add_argument("--calls", type=int, metavar="N", help="calls in the databases that are asked")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="one group: import, queries, pages; may be repeated"
    )
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args()
    options.calls = options.calls or (querying.LARGE if options.large else querying.MILLION)
    options.megabytes = options.megabytes or (LARGE_MB if options.large else DEFAULT_MB)
    return options


if __name__ == "__main__":
    sys.exit(main())
