"""`python bench/soak [--large] [--kills N] [--only NAME]`: what must stay exact whatever happens. Minutes, not seconds.

kills: a sync killed at random moments and started again. corpora: large imports, again after growth. growing: files
caught at many stages of their growth. All on both databases. Exit code 1 when anything differs.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)  # `python bench/soak` puts this folder there

from bench import importing, report
from bench.measure import Table, say
from bench.soak import growing, kills

MB = 1_000_000
CORPORA_MB = (200, 1_000)


def main() -> int:
    options = _options()
    scratch = Path(tempfile.mkdtemp(prefix="agentmeter-soak-"))
    groups = {
        "growing": lambda: growing.tables(scratch),
        "kills": lambda: [kills.table(options.kills, options.megabytes * MB, options.seed, scratch)],
        "corpora": lambda: (importing.exactness(size * MB, scratch) for size in CORPORA_MB),
    }
    tables: list[Table] = []
    try:
        for name in options.only or groups:
            say(f"{name} ...")
            for table in groups[name]():
                print(table.as_text(), flush=True)
                tables.append(table)
    finally:
        shutil.rmtree(scratch)
    if options.write:
        report.write(ROOT / "docs" / "performance.md", tables)
    is_right = all(table.is_right for table in tables)
    print("\nAll exact." if is_right else "\nNOT EXACT: see above.")
    return 0 if is_right else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="how often a sync is killed, on each database")
    parser.add_argument(
        "--size", type=int, default=400, metavar="MB", dest="megabytes", help="transcripts of the killed syncs"
    )
    parser.add_argument("--seed", type=int, default=1, help="other moments, other files")
    parser.add_argument("--only", action="append", choices=("growing", "kills", "corpora"), help="may be repeated")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
