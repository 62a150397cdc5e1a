"""Where the benchmarks keep things, none of it in the repository: corpora, the rival, databases; and how to call us."""

import json
import os
import platform
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import corpus
from bench.measure import Command, Table, say

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("AGENTMETER_SHARED") or ROOT.parent / "shared")
POSTGRES = os.environ.get("AGENTMETER_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
CCUSAGE_VERSION = "20.0.24"  # later ones come without the program for Linux on x64
EMAIL = "bench@example.com"


def cache_folder() -> Path:
    """What may be kept for the next run."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agentmeter-bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def kept_corpus(size_bytes: int) -> Path:
    """A folder with `projects/` and truth.json; made once per size. Not to be changed."""
    maker = _maker()
    folder = cache_folder() / f"corpus-{'shared' if maker else 'own'}-{size_bytes}"
    if not (folder / "truth.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        say(f"making transcripts of {size_bytes / 1e6:,.0f} MB in {folder}")
        make_corpus(folder, size_bytes)
    return folder


def make_corpus(folder: Path, size_bytes: int, seed: int = 1) -> None:
    """Make transcripts with their truth: by the maker of the reference data when that is there, else by our own."""
    if maker := _maker():
        arguments = [str(folder), "--size", str(size_bytes), "--seed", str(seed)]
        subprocess.run([sys.executable, str(maker), *arguments], check=True, stdout=subprocess.DEVNULL)
    else:
        corpus.make(folder, size_bytes, seed)


def grow_corpus(folder: Path, files: int, seed: int = 2) -> None:
    """Let some of its session files grow, the truth with them."""
    if maker := _maker():
        arguments = [str(folder), "--grow", str(files), "--seed", str(seed)]
        subprocess.run([sys.executable, str(maker), *arguments], check=True, stdout=subprocess.DEVNULL)
    else:
        corpus.grow(folder, files, seed)


def _maker() -> Path | None:
    path = SHARED / "corpus" / "make_corpus.py"
    return path if path.is_file() else None


def ccusage(table: Table) -> Path | None:
    """The rival's own program, got by npm into the cache; None, said loudly, when it cannot be had."""
    folder = cache_folder() / f"ccusage-{CCUSAGE_VERSION}"
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system(), "")
    machine = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "")
    program = folder / "node_modules" / "@ccusage" / f"ccusage-{system}-{machine}" / "bin" / "ccusage"
    if not program.is_file():
        if not shutil.which("npm"):
            table.remark("NO RIVAL: npm is not installed, so ccusage cannot be had; goals against it are left out.")
            return None
        folder.mkdir(parents=True, exist_ok=True)
        arguments = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"ccusage@{CCUSAGE_VERSION}"]
        done = subprocess.run(arguments, capture_output=True, text=True)
        if not program.is_file():
            reason = done.stderr.strip().splitlines()[-1:] or ["it has no program for this machine"]
            table.remark(
                f"NO RIVAL: ccusage {CCUSAGE_VERSION} could not be installed: {reason[0]}; its goals are left out."
            )
            return None
    program.chmod(0o755)  # npm leaves it without; its launcher does the same
    return program


@dataclass
class Home:
    """An installation of ours for a benchmark: migrated, with an admin, the price list in, and no calls.

    `url` is its database, `folder` its home. `clear()` makes it empty again; quick, and untimed.
    """

    folder: Path
    url: str
    template: str

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def environment(self) -> dict[str, str]:
        return {"AGENTMETER_HOME": str(self.folder), "AGENTMETER_DATABASE_URL": self.url}

    def command(self, name: str, *arguments: str | Path, output: Path | None = None) -> Command:
        """A command line of ours, as a whole process on this installation."""
        return Command(name, [sys.executable, ROOT, *arguments], self.environment, output=output)

    def ask(self, *arguments: str | Path) -> dict[str, object]:
        """Run a command with --json; its answer. Exit code 1 is an answer too, where a fault was found."""
        done = subprocess.run(
            [sys.executable, str(ROOT), *map(str, arguments), "--json"],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
        )
        if not done.stdout:
            raise RuntimeError(f"{' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr[-2000:]}")
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    def clear(self) -> None:
        if self.is_sqlite:
            path = Path(self.url.partition("///")[2])
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            shutil.copy(self.template, path)
        else:
            name = self.url.rpartition("/")[2]
            on_server(f"drop database if exists {name} with (force)")
            on_server(f"create database {name} template {self.template}")


@contextmanager
def home(kind: str, scratch: Path) -> Iterator[Home]:
    """An empty installation on `sqlite` or `postgresql`; its databases are gone afterwards."""
    mark = uuid.uuid4().hex[:10]
    folder, nothing = scratch / f"home-{mark}", scratch / "nothing" / "projects"
    for path in (folder, nothing):
        path.mkdir(parents=True, exist_ok=True)
    if kind == "sqlite":
        made = Home(folder, f"sqlite:///{folder / 'template.db'}", "")
    else:
        on_server(f"create database bench_template_{mark}")
        made = Home(folder, POSTGRES.rpartition("/")[0] + f"/bench_template_{mark}", "")
    try:
        made.ask("user", "add", EMAIL, "--admin")
        made.ask("sync", "--root", nothing)  # brings the price list in, as the first start of a server does
        if kind == "sqlite":
            _settle(folder / "template.db")
            ready = Home(folder, f"sqlite:///{folder / 'agentmeter.db'}", str(folder / "template.db"))
        else:
            ready = Home(folder, POSTGRES.rpartition("/")[0] + f"/bench_{mark}", f"bench_template_{mark}")
        ready.clear()
        yield ready
    finally:
        if kind == "postgresql":
            for name in (f"bench_{mark}", f"bench_template_{mark}"):
                on_server(f"drop database if exists {name} with (force)")


def _settle(path: Path) -> None:
    """Everything into the one file, so that copying it copies all."""
    import sqlite3

    with sqlite3.connect(path) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")


def has_postgres(table: Table) -> bool:
    """Whether the server answers; said loudly when not."""
    try:
        on_server("select 1")
    except Exception as problem:
        table.remark(f"NO POSTGRESQL at {POSTGRES}: {str(problem).splitlines()[0]}; its figures are left out.")
        return False
    return True


def on_server(statement: str) -> None:
    """Run a statement on the PostgreSQL server."""
    import psycopg

    with psycopg.connect(POSTGRES, autocommit=True, connect_timeout=3) as connection:
        connection.execute(statement)
