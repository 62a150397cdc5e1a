"""Settings: read once, refused by name, shown without secrets."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from meter.errors import Invalid
from meter.home import default_home, kept_secret_key
from meter.settings import load, unknown_names
from meter.settings_table import as_markdown, masked, table

ROOT = Path(__file__).parents[2]
KEY = "k3Jx9-vQz1_Lm7Pw0TbY5cRd2NfHgUsE"


def test_without_environment_everything_has_a_default():
    settings = load({})
    assert settings.bind == "127.0.0.1:6387"
    assert settings.base_url == "http://127.0.0.1:6387"
    assert settings.home == default_home() == ROOT / "instance"
    assert settings.database_url == f"sqlite:///{ROOT / 'instance' / 'agentmeter.db'}"


def test_an_empty_variable_counts_as_unset():
    assert load({"AGENTMETER_BIND": "", "AGENTMETER_PUBLIC_URL": ""}).base_url == "http://127.0.0.1:6387"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BIND", "6387"),
        ("BIND", "localhost"),
        ("BIND", "localhost:65536"),
        ("BIND", "::1:6387"),
        ("DATABASE_URL", "mysql://localhost/meter"),
        ("PUBLIC_URL", "meter.example.com"),
        ("PUBLIC_URL", "https://meter.example.com/sub"),
        ("PUBLIC_URL", "https://ada@meter.example.com"),
        ("PUBLIC_URL", "https://meter.example.com:99999"),
        ("SECRET_KEY", "secret"),
        ("SECRET_KEY", "a" * 64),
        ("TRANSCRIPT_TEXT", "yes"),
        ("OWNER", "ada"),
        ("TIMEZONE", "Europe/Atlantis"),
        ("TIMEZONE", "../etc/passwd"),
        ("THREADS", "many"),
        ("THREADS", "0"),
        ("STREAMS", "-1"),
        ("PROXIES", "²"),
        ("RATE_LIMITS", "no"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_the_setting(name, value):
    with pytest.raises(Invalid, match=f"^AGENTMETER_{name} ") as caught:
        load({f"AGENTMETER_{name}": value})
    assert caught.value.field == f"AGENTMETER_{name}"


def test_rate_limits_can_be_switched_off_on_loopback_only():
    off = {"AGENTMETER_RATE_LIMITS": "off"}
    assert load(off).rate_limits == "off"
    with pytest.raises(Invalid, match="AGENTMETER_RATE_LIMITS"):
        load({**off, "AGENTMETER_BIND": "0.0.0.0:6387"})


def test_a_secret_may_come_from_a_file(tmp_path):
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    assert load({"AGENTMETER_SECRET_KEY_FILE": str(file)}).secret_key == KEY
    with pytest.raises(Invalid, match="both set"):
        load({"AGENTMETER_SECRET_KEY_FILE": str(file), "AGENTMETER_SECRET_KEY": KEY})
    with pytest.raises(Invalid, match="AGENTMETER_SECRET_KEY_FILE: cannot read"):
        load({"AGENTMETER_SECRET_KEY_FILE": str(tmp_path / "absent")})


def test_only_secrets_may_come_from_a_file():
    assert unknown_names({"AGENTMETER_BIND_FILE": "/x"}) == [("AGENTMETER_BIND_FILE", "AGENTMETER_BIND")]


def test_an_unknown_name_is_told_with_the_nearest_known_one():
    assert unknown_names({"AGENTMETER_DATABSE_URL": "x", "PATH": "y"}) == [
        ("AGENTMETER_DATABSE_URL", "AGENTMETER_DATABASE_URL")
    ]


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("[::1]:7000", "http://[::1]:7000"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:80", "http://127.0.0.1:80"),
        ("meter.local:81", "http://meter.local:81"),
    ],
)
def test_links_begin_with_an_address_that_can_be_opened(bind, url):
    assert load({"AGENTMETER_BIND": bind}).base_url == url


def test_links_begin_with_the_public_address_when_there_is_one():
    assert load({"AGENTMETER_PUBLIC_URL": "https://meter.example.com/"}).base_url == "https://meter.example.com"


def test_the_table_masks_secrets_and_says_where_values_come_from():
    environ = {
        "AGENTMETER_SECRET_KEY": KEY,
        "AGENTMETER_DATABASE_URL": "postgresql://ada:hunter2@db/meter",
        "AGENTMETER_THREADS": "8",
    }
    settings = load(environ)
    rows = {row.name: row for row in table(settings, environ)}
    shown = " ".join(value for row in rows.values() for value in row)
    assert KEY not in shown
    assert "hunter2" not in shown
    assert rows["AGENTMETER_DATABASE_URL"].value == "postgresql://ada:••••••••@db/meter"
    assert rows["AGENTMETER_THREADS"][:4] == ("AGENTMETER_THREADS", "8", "64", "environment")
    assert rows["AGENTMETER_BIND"].source == "default"
    assert KEY not in repr(settings)


def test_masking_keeps_addresses_without_password():
    assert masked("sqlite:////var/lib/agentmeter.db") == "sqlite:////var/lib/agentmeter.db"
    assert masked("") == ""


def test_the_page_of_settings_is_what_the_code_says():
    assert (ROOT / "docs" / "config.md").read_text() == as_markdown(), "run `make docs`"


def test_the_secret_key_is_made_once_and_for_its_owner_only(tmp_path):
    home = tmp_path / "new" / "home"
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: kept_secret_key(home), range(64)))
    assert len(keys) == 1
    assert len(keys.pop()) == 64
    assert stat.S_IMODE((home / "secret_key").stat().st_mode) == 0o600
    assert [file.name for file in home.iterdir()] == ["secret_key"]


def test_a_home_that_cannot_be_made_is_told_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Invalid, match="AGENTMETER_HOME"):
        kept_secret_key(tmp_path / "file" / "home")
