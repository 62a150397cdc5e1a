"""The house rules that a machine can check: imports point one way, nothing grows too large, nothing is loaded early."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("models", "meter", "routes")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
NAMES_A_DIALECT = {"models/db.py", "models/bulk.py", "models/backup.py", "models/migrations/env.py"}
LIMITS = {".py": 400, ".html": 120, ".css": 400}
FUNCTION_LINES = 60
# What `agentmeter sync` with nothing new may not import: each costs more than the whole sync.
HEAVY = ("flask", "sqlalchemy", "sqlmodel", "pydantic", "alembic", "gunicorn", "jinja2")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of(path: Path) -> Iterator[str]:
    """Every module a file imports, also inside functions: 'models.db', 'flask'."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_in(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path):
    room, imported = path.relative_to(ROOT).parts[0], set(imports_of(path))
    forbidden = {
        "models": ("meter", "routes", "app", "flask"),
        "meter": ("routes", "app", "flask", "werkzeug", "jinja2", "click"),
        "routes": ("app",),
    }[room]
    assert not [module for module in imported if is_in(module, *forbidden)]
    if room == "routes":
        known = {module for module in imported if is_in(module, "models") and module != "models"}
        allowed = ("models.queries", "models.db") if path.name == "_db.py" else ("models.queries",)
        assert not [module for module in known if not is_in(module, *allowed)]
        assert path.name == "_db.py" or not [module for module in imported if is_in(module, "sqlalchemy", "sqlmodel")]


@pytest.mark.parametrize("path", sorted((ROOT / "routes").glob("[!_]*.py")), ids=name_of)
def test_no_subject_imports_another(path):
    subjects = {f"routes.{other.stem}" for other in (ROOT / "routes").glob("[!_]*.py")}
    assert not subjects & set(imports_of(path))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_three_files_name_a_database_dialect(path):
    asks = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert name_of(path) in NAMES_A_DIALECT or not asks & {"dialect", "is_sqlite"}


def test_nothing_is_too_large():
    files = [path for folder in (*ROOMS, "templates", "static/css", "tests") for path in (ROOT / folder).rglob("*")]
    files += ROOT.glob("*.py")
    sizes = {
        name_of(path): (len(path.read_text().splitlines()), LIMITS[path.suffix])
        for path in files
        if path.suffix in LIMITS
    }
    assert not {name: lines for name, (lines, limit) in sizes.items() if lines > limit}
    assert sizes["app.py"][0] <= 150


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_function_is_too_long(path):
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    is_list_of_tables = "migrations/versions" in name_of(path)
    assert is_list_of_tables or not {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES}


@pytest.mark.parametrize("path", [path for path in MODULES if path.stat().st_size], ids=name_of)
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_every_template_is_used():
    sources = [*(ROOT / "routes").glob("*.py"), *(ROOT / "templates").rglob("*.html")]
    code = "".join(path.read_text() for path in sources)
    used = set(re.findall(r'"([\w/]+\.html)"', code)) - {"page.html", "_body.html"}  # routes/_page.py: of a subject
    for subject in re.findall(r'\b(?:held_)?page\("(\w+)"', code):
        used |= {f"{subject}/page.html", f"{subject}/_body.html"}
    assert {path.relative_to(ROOT / "templates").as_posix() for path in (ROOT / "templates").rglob("*.html")} == used


def test_no_template_holds_script_or_style():
    for path in (ROOT / "templates").rglob("*.html"):
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|https?://", path.read_text()), name_of(
            path
        )


def loaded_after(code: str, environment: dict[str, str]) -> set[str]:
    """Top-level packages that are loaded once `code` has run in a fresh process."""
    program = f"{code}\nimport sys\nprint('LOADED', *{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": "", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.fixture
def installation(sqlite, tmp_path):
    return {"AGENTMETER_DATABASE_URL": sqlite, "AGENTMETER_HOME": str(tmp_path), "AGENTMETER_LOG_ROOTS": str(tmp_path)}


def test_the_application_starts_without_what_it_seldom_needs(installation):
    loaded = loaded_after("from app import create_app; create_app()", installation)
    assert "flask" in loaded
    assert not loaded & {"plotly", "alembic", "genai_prices", "gunicorn", "httpx2", "jwt", "cryptography"}


def test_a_sync_loads_neither_web_server_nor_orm(installation):
    add = "from meter import login; from models.db import make_engine; import os;"
    add += "login.add_person(make_engine(os.environ['AGENTMETER_DATABASE_URL']), 'ada@example.com', 'admin')"
    loaded_after(add, installation)
    sync = "from routes._cli import cli; cli(['sync'], standalone_mode=False)"
    loaded = loaded_after(f"try:\n    {sync}\nexcept SystemExit as end:\n    assert end.code == 0", installation)
    assert {"msgspec", "sqlite3"} <= loaded
    assert not loaded & set(HEAVY)
