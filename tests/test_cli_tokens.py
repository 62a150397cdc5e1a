"""Commands about API tokens."""

import json
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.usefixtures("owned")

ROW = {"id", "user", "scope", "label", "hint", "createdAt", "expiresAt", "revokedAt", "lastUsedAt"}


def create(run, *options):
    result = run("token create", "--user", "ada@example.com", *options, "--json")
    assert result.exit_code == 0, result.stderr
    [line] = result.stdout.splitlines()
    return json.loads(line)


def listed(run):
    return json.loads(run("token list", "--json").stdout)["tokens"]


def test_create_prints_the_token_and_its_row(run):
    made = create(run, "--scope", "ingest", "--label", "laptop")
    assert made.keys() == ROW | {"token"}
    assert made["token"].startswith("am_ingest_")
    assert (made["user"], made["scope"], made["label"]) == ("ada@example.com", "ingest", "laptop")
    assert made["expiresAt"] is None


def test_without_json_the_token_stands_alone_on_standard_output(run):
    result = run("token create", "--user", "ADA@example.com", "--scope", "read")
    [token] = result.stdout.splitlines()
    assert token.startswith("am_read_")
    assert token not in result.stderr


def test_several_scopes_can_be_given(run):
    assert create(run, "--scope", "read", "--scope", "gateway")["scope"] == "read gateway"


@pytest.mark.parametrize(("given", "life"), [("90d", timedelta(days=90)), ("12h", timedelta(hours=12))])
def test_an_expiry_may_be_so_long_from_now(run, given, life):
    ends_at = datetime.fromisoformat(create(run, "--scope", "read", "--expires", given)["expiresAt"])
    assert abs(ends_at - datetime.now(UTC) - life) < timedelta(minutes=1)


def test_an_expiry_may_be_a_day_or_a_time(run):
    assert create(run, "--scope", "read", "--expires", "2100-01-31")["expiresAt"] == "2100-02-01T00:00:00.000Z"
    made = create(run, "--scope", "read", "--expires", "2100-01-31T12:00+01:00")
    assert made["expiresAt"] == "2100-01-31T11:00:00.000Z"


def test_list_shows_every_token_and_none_in_full(run):
    assert listed(run) == []
    first, second = create(run, "--scope", "read"), create(run, "--scope", "admin", "--label", "watch")
    for made in (first, second):
        assert {name: value for name, value in made.items() if name != "token"} in listed(run)
    shown = run("token list").stdout
    assert len(shown.splitlines()) == 2
    assert "watch" in shown
    assert first["token"][-10:] not in shown + json.dumps(listed(run))


def test_list_says_when_there_are_none(run):
    result = run("token list")
    assert (result.stdout, result.exit_code) == ("", 0)
    assert "no tokens" in result.stderr


def test_revoke_takes_back_at_once(run):
    made = create(run, "--scope", "read")
    assert run("token revoke", made["id"]).exit_code == 0
    [row] = listed(run)
    assert row["revokedAt"] is not None
    assert "revoked" in run("token list").stdout
    assert run("token revoke", made["id"]).exit_code == 0


def test_revoking_what_is_not_there_is_1(run):
    result = run("token revoke", "absent")
    assert (result.exit_code, result.stderr) == (1, "agentmeter: There is no such token.\n")


@pytest.mark.parametrize(
    ("options", "exit_code"),
    [
        (["--user", "nobody@example.com", "--scope", "read"], 1),
        (["--user", "no address", "--scope", "read"], 2),
        (["--user", "ada@example.com", "--scope", "write"], 2),
        (["--user", "ada@example.com"], 2),
        (["--scope", "read"], 2),
        (["--user", "ada@example.com", "--scope", "read", "--expires", "soon"], 2),
        (["--user", "ada@example.com", "--scope", "read", "--expires", "2020-01-01"], 2),
        (["--user", "ada@example.com", "--scope", "read", "--label", "x" * 101], 2),
    ],
)
def test_wrong_use_makes_nothing_and_is_one_sentence(run, options, exit_code):
    result = run("token create", *options)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert listed(run) == []


def test_a_member_gets_no_admin_token(run):
    assert run("user add", "ben@example.com").exit_code == 0
    result = run("token create", "--user", "ben@example.com", "--scope", "admin")
    assert (result.exit_code, result.stdout) == (1, "")
