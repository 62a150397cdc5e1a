"""What browsers get besides pages: vendored files, colours, budgets, and nothing inline."""

import hashlib
import re
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STATIC, TEMPLATES = ROOT / "static", ROOT / "templates"
CSS = sorted((STATIC / "css").glob("*.css"))
OWN_JS = sorted((STATIC / "js").glob("*.js"))
PAGES = sorted(TEMPLATES.rglob("*.html"))
TEXT_LEAST, GRAPHIC_LEAST = 4.5, 3.0  # WCAG 2.2 AA


def vendored():
    """(path, SHA-256) of every vendored file, as the pages beside them record it."""
    found = []
    for page in (STATIC / "vendor" / "VENDORED.md", ROOT / "tests" / "e2e" / "vendor" / "VENDORED.md"):
        rows = re.findall(r"^\| (\S+) \| .* \| (\S+) \| (\S+) \| ([0-9a-f]{64}) \|$", page.read_text(), re.M)
        found += [(page.parent / name, digest) for name, _version, _licence, digest in rows]
    return found


@pytest.mark.parametrize(("path", "digest"), vendored(), ids=lambda value: getattr(value, "name", ""))
def test_vendored_files_are_what_was_recorded(path, digest):
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


def test_every_vendored_file_is_recorded():
    recorded = {path for path, _ in vendored()}
    for folder in {path.parent for path in recorded}:
        assert {path for path in folder.iterdir() if path.suffix in (".js", ".css")} <= recorded


def tokens():
    """Name -> (light, dark) of every colour."""
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", (STATIC / "css" / "tokens.css").read_text())
    return {name: (light, dark) for name, light, dark in found}


def contrast(one, other):
    def luminance(colour):
        parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


READ_ON = (
    *((text, ground) for text in ("text", "muted") for ground in ("page", "surface", "sunken", "info-tint")),
    *(("accent", ground) for ground in ("page", "surface", "info-tint")),
    ("on-accent", "accent"),
    *((tone, ground) for tone in ("good", "bad", "warn") for ground in ("surface", f"{tone}-tint")),
    ("text", "warn-tint"),
    ("text", "bad-tint"),
    ("accent", "bad-tint"),
)
SEEN_ON = (("control", "surface"), *((f"series-{n}", "surface") for n in range(1, 7)), ("other", "surface"))


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "ground", "least"),
    [(*pair, TEXT_LEAST) for pair in READ_ON] + [(*pair, GRAPHIC_LEAST) for pair in SEEN_ON],
)
def test_colours_can_be_told_from_what_they_stand_on(front, ground, least, theme):
    colours = tokens()
    assert round(contrast(colours[front][theme], colours[ground][theme]), 1) >= least


def test_every_token_says_where_it_is_used():
    for line in (STATIC / "css" / "tokens.css").read_text().splitlines():
        if line.lstrip().startswith("--"):
            assert re.search(r"; /\* .+ \*/$", line), line


def test_styles_keep_to_their_budget():
    lines = {path.name: len(path.read_text().splitlines()) for path in CSS}
    assert max(lines.values()) <= 400, lines
    assert sum(lines.values()) <= 900, lines
    assert sum(path.stat().st_size for path in CSS) <= 28_000


@pytest.mark.parametrize("path", CSS, ids=lambda path: path.name)
def test_styles_name_roles_and_stay_flat(path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    assert "!important" not in text
    assert not re.search(r"(^|[\s,>+~])#[\w-]+[^;{}]*\{", text), "a selector by id"
    if path.name != "tokens.css":
        assert not re.search(r"#[0-9a-fA-F]{3,8}\b", text), "a colour outside tokens.css"
        assert not re.search(r"font(-size)?:[^;]*\dpx", text), "a size of type outside tokens.css"


def test_every_token_in_use_is_defined():
    defined = set(re.findall(r"^\s*--([\w-]+):", (STATIC / "css" / "tokens.css").read_text(), re.M))
    used = set(chain.from_iterable(re.findall(r"var\(--([\w-]+)\)", path.read_text()) for path in CSS))
    assert used == defined - {name for name in defined - used if name.startswith("space")}


def test_scripts_of_our_own_stay_small():
    lines = {path.name: len(path.read_text().splitlines()) for path in OWN_JS}
    assert lines["charts.js"] <= 120
    assert sum(lines.values()) <= 300


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_templates_are_short_and_have_nothing_inline(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 120
    assert not re.search(r"\sstyle=", text)
    assert "<style" not in text
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"\son\w+=|hx-on|javascript:|js:", text)
    assert not re.search(r"(src|href|action)=[\"'](https?:)?//", text), "another origin"
    assert "|safe" not in text


@pytest.mark.parametrize("path", [*OWN_JS, *CSS], ids=lambda path: path.name)
def test_nothing_comes_from_another_origin(path):
    assert not re.search(r"https?://", path.read_text())
