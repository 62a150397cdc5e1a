"""The secret keys, and the settings they and Apple's tokens come from."""

import pytest

from meter.errors import Invalid
from meter.keys import key_for, secret_keys
from meter.settings import load
from meter.settings_table import table

OLD, OLDER, NEW = (f"the-{age}-key-of-thirty-two-letters!" for age in ("old", "older", "new"))


def test_the_newest_key_comes_first(tmp_path):
    given = {"AGENTMETER_HOME": str(tmp_path), "AGENTMETER_SECRET_KEY_FALLBACKS": f"{OLD}, {OLDER},"}
    assert secret_keys(load({**given, "AGENTMETER_SECRET_KEY": NEW})) == (NEW, OLD, OLDER)
    kept, *others = secret_keys(load(given))
    assert kept == (tmp_path / "secret_key").read_text().strip()
    assert others == [OLD, OLDER]


def test_every_purpose_has_a_key_of_its_own():
    keys = {key_for(purpose, secret) for purpose in ("access token", "login link") for secret in (NEW, OLD)}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENTMETER_SECRET_KEY_FALLBACKS", f"{OLD},short"),
        ("AGENTMETER_SECRET_KEY_FALLBACKS", "a" * 64),
        ("TEAM_VISIBILITY", "everybody"),
        ("APPLE_JWKS_URL", "http://keys.example.com/keys"),
        ("APPLE_JWKS_URL", "file:///etc/passwd"),
        ("APPLE_JWKS_URL", "keys.example.com"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_the_setting(name, value):
    with pytest.raises(Invalid, match=f"^{name} ") as caught:
        load({name: value})
    assert caught.value.field == name


def test_names_of_the_contracts_have_no_prefix():
    settings = load({"TEAM_VISIBILITY": "open", "APPLE_JWKS_URL": "http://127.0.0.1:1/keys", "APPLE_AUDIENCE": "app"})
    assert (settings.team_visibility, settings.apple_audience) == ("open", "app")
    assert settings.apple_jwks_url == "http://127.0.0.1:1/keys"
    assert settings.apple_issuer == "https://appleid.apple.com"


def test_keys_of_before_may_stand_in_a_file_and_are_shown_masked(tmp_path):
    path = tmp_path / "fallbacks"
    path.write_text(f"{OLD},{OLDER}\n")
    environ = {"AGENTMETER_SECRET_KEY_FALLBACKS_FILE": str(path)}
    settings = load(environ)
    assert settings.secret_key_fallbacks == (OLD, OLDER)
    [row] = [row for row in table(settings, environ) if row.name == "AGENTMETER_SECRET_KEY_FALLBACKS"]
    assert (row.value, row.source) == ("••••••••", "file")
