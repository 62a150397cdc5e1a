"""The package: what is in the wheel, and that it starts where nothing of the checkout is near."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from urllib.request import urlopen

import pytest

from meter.version import VERSION

ROOT = Path(__file__).parents[1]
SHIPPED = ("models", "meter", "routes", "templates", "static")
pytestmark = pytest.mark.slow


def tracked() -> list[str]:
    """The files of the working tree that are part of the project, as posix paths."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel built from a copy of the tree, without the network."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in tracked():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(tree)]
    subprocess.run(words, check=True, capture_output=True, text=True)
    [made] = out.glob("*.whl")
    return made


def test_the_wheel_holds_the_rooms_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {f"agentmeter/{name}" for name in tracked() if name.split("/")[0] in SHIPPED}
    assert packed == wanted | {"agentmeter/app.py", "agentmeter/__main__.py"}


def test_the_wheel_names_what_it_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith("METADATA")]
        text = archive.read(metadata).decode()
    assert f"Version: {VERSION}\n" in text
    assert "Requires-Python: >=3.11" in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", text, re.MULTILINE)
    assert sorted(needed) == sorted(re.match(r"[\w-]+", line).group() for line in project["dependencies"])


def test_every_direct_dependency_is_locked_with_hashes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for lock, extras in (("requirements.lock", ["postgres"]), ("requirements-dev.lock", ["postgres", "redis", "dev"])):
        text = (ROOT / lock).read_text()
        locked = dict(re.findall(r"^([\w-]+)==([^ \\]+)", text, re.MULTILINE))
        lines = [
            *project["dependencies"],
            *(line for extra in extras for line in project["optional-dependencies"][extra]),
        ]
        assert not {re.match(r"[\w-]+", line).group() for line in lines} - set(locked) - {"agentmeter"}
        assert text.count("--hash=sha256:") >= len(locked)
        assert "://" not in text


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory) -> Path:
    """The wheel installed into an environment of its own, with this environment's packages behind it."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    [site] = place.glob("lib/python*/site-packages")
    [ours] = {path for path in sys.path if path.endswith("site-packages")}
    (site / "packages.pth").write_text(ours + "\n")
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True, text=True)
    return place / "bin"


@pytest.mark.parametrize("start", [["agentmeter"], ["python", "-m", "agentmeter"]], ids=" ".join)
def test_the_installed_package_starts_in_an_empty_folder(installed, tmp_path, start):
    empty = tmp_path / "empty"
    empty.mkdir()
    program = [str(installed / start[0]), *start[1:], "serve", "--no-open", "--no-sync", "--bind", "127.0.0.1:0"]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(program, cwd=empty, env=env, stderr=subprocess.PIPE, text=True)
    try:
        said = process.stderr.readline() + process.stderr.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", said).group()
        assert "claim" in said
        assert urlopen(f"{url}/status").status == 200
        page = urlopen(url).read().decode()
        assert "Claim this server" in page
        assert urlopen(url + re.search(r'href="(/static/css/base.css[^"]+)"', page).group(1)).status == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=15)
    assert process.returncode == 0
    assert not list(empty.iterdir())
    home = tmp_path / ".local" / "share" / "agentmeter"
    assert {"agentmeter.db", "secret_key"} <= {path.name for path in home.iterdir()}


def test_the_installed_package_runs_the_code_of_the_wheel(installed, tmp_path):
    done = subprocess.run(
        [str(installed / "python"), "-c", "import agentmeter.app, routes; print(routes.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(installed.parent) in done.stdout
