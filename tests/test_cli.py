"""The command line: what scripts read is on standard output, what people read on standard error, and the exit code."""

import json
import re

import pytest

from meter.version import VERSION
from routes._cli import cli
from transcripts import answer

COMMANDS = (
    "serve", "demo", "sync", "report", "verify", "reprice", "db", "db upgrade", "db backup", "db check",
    "user", "user add", "user list", "user role", "user disable", "user enable", "audit", "audit verify", "audit list",
    "login-link", "token", "token create", "token list", "token revoke", "doctor", "config",
)  # fmt: skip


def only_object(result):
    """The one JSON object on standard output."""
    [line] = result.stdout.splitlines()
    return json.loads(line)


def test_help_of_every_command_reads_on_its_own(run):
    for command in COMMANDS:
        result = run(command, "--help")
        assert result.exit_code == 0, command
        assert len(result.stdout.split("Options:")[0].split()) > 8, command
    assert set(" ".join(COMMANDS).split()) >= set(cli.commands)


def test_version(run):
    assert run("--version").stdout == f"agentmeter {VERSION}\n"


@pytest.mark.parametrize(
    "wrong",
    [("nonsense",), ("user add",), ("sync", "--nonsense"), ("user add", "no address"), ("login-link", "no address")],
)
def test_wrong_use_is_2(run, wrong):
    result = run(*wrong)
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_bad_setting_is_wrong_use_and_names_the_setting(run):
    result = run("sync", AGENTMETER_TIMEZONE="Mars/Base")
    assert result.exit_code == 2
    assert result.stderr.startswith("agentmeter: AGENTMETER_TIMEZONE must be")


def test_a_database_that_cannot_be_opened_is_told_by_the_setting(run, tmp_path):
    for url in (f"sqlite:///{tmp_path}/absent/x.db", "postgresql://nobody@127.0.0.1:1/none"):
        for command in ("sync", "verify", "db check"):
            result = run(command, AGENTMETER_DATABASE_URL=url)
            assert result.exit_code == 2, result.output
            assert result.stderr.startswith("agentmeter: AGENTMETER_DATABASE_URL: ")


def test_an_unknown_setting_is_reported_and_does_no_harm(run):
    result = run("config", "--json", AGENTMETER_BINDD="x")
    assert result.exit_code == 0
    assert result.stderr == "agentmeter: AGENTMETER_BINDD is no setting; AGENTMETER_BIND is\n"


def test_user_add_tells_the_new_row(run):
    answer = only_object(run("user add", "Ada@Example.com", "--admin", "--name", "Ada", "--json"))
    assert answer == {"id": 1, "email": "ada@example.com", "role": "admin"}
    assert only_object(run("user add", "ben@example.com", "--json")) == {
        "id": 2,
        "email": "ben@example.com",
        "role": "member",
    }


def test_adding_somebody_twice_is_something_wrong(run, owned):
    result = run("user add", "ada@example.com", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there already" in result.stderr


def test_login_link_makes_a_link_that_works(run, owned, app):
    answer = only_object(run("login-link", "ada@example.com", "--json", AGENTMETER_PUBLIC_URL="https://m.example.com"))
    assert set(answer) == {"url", "expires_at"}
    assert answer["url"].startswith("https://m.example.com/login/")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer["expires_at"])
    path = answer["url"].removeprefix("https://m.example.com")
    assert app.test_client().post(path).status_code == 303


def test_login_link_for_nobody_is_something_wrong(run, owned):
    assert run("login-link", "eve@example.com").exit_code == 1


def test_sync_tells_what_it_did(run, owned, transcripts):
    answer = only_object(run("sync", "--root", str(transcripts.parents[1]), "--json"))
    assert answer.pop("seconds") >= 0
    assert answer.pop("bytes") == (transcripts / "session.jsonl").stat().st_size
    assert answer == {
        "files": 1,
        "calls_new": 2,
        "calls_grown": 0,
        "calls_unchanged": 0,
        "lines_skipped": 0,
        "errors": [],
    }


def test_sync_again_changes_nothing(run, owned, transcripts):
    run("sync")
    again = only_object(run("sync", "--json"))
    assert (again["files"], again["bytes"], again["calls_new"], again["calls_unchanged"]) == (1, 0, 0, 0)
    full = only_object(run("sync", "--full", "--json"))
    assert (full["calls_new"], full["calls_unchanged"]) == (0, 2)


def test_a_dry_run_tells_and_changes_nothing(run, owned, transcripts):
    assert only_object(run("sync", "--dry-run", "--json"))["calls_new"] == 2
    assert only_object(run("sync", "--json"))["calls_new"] == 2


def test_sync_books_to_whom_it_is_told(run, owned, transcripts, engine):
    from sqlalchemy import text

    run("user add", "ben@example.com")
    run("user add", "cyd@example.com")
    run("sync", "--user", "Cyd@example.com", AGENTMETER_OWNER="ben@example.com")
    run("sync", AGENTMETER_OWNER="ben@example.com")
    with engine.connect() as db:
        assert db.execute(text("select owner_id, count(*) from call group by owner_id order by 1")).all() == [
            (2, 2),
            (3, 2),
        ]


def test_sync_for_somebody_unknown_is_wrong_use(run, owned, transcripts):
    assert run("sync", "--user", "eve@example.com").exit_code == 2
    assert "AGENTMETER_OWNER" in run("sync", AGENTMETER_OWNER="eve@example.com").stderr


def test_sync_without_an_owner_says_how_to_get_one(run, transcripts):
    result = run("sync", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "user add" in result.stderr


def test_sync_is_wrong_only_when_nothing_could_be_read(run, owned, transcripts):
    absent = str(transcripts / "absent")
    assert run("sync", "--root", absent).exit_code == 1
    both = run("sync", "--root", absent, "--root", str(transcripts.parents[1]), "--json")
    assert both.exit_code == 0
    assert [error["reason"] for error in only_object(both)["errors"]] == ["no such folder"]


def test_a_damaged_line_is_named_and_loses_nothing_else(run, owned, transcripts):
    with (transcripts / "session.jsonl").open("a") as file:
        file.write('{"message":{"usage":{"output_tokens":\n' + json.dumps(answer("third", 120)) + "\n")
    told = only_object(run("sync", "--json"))
    assert told["calls_new"] == 3
    assert told["lines_skipped"] == 1
    assert [error["line"] for error in told["errors"]] == [3]


def test_verify_finds_what_was_spoiled(run, owned, transcripts, engine):
    from sqlalchemy import text

    run("sync")
    good = run("verify", "--json")
    assert good.exit_code == 0
    assert only_object(good)["differences"] == 0
    assert only_object(good)["checked"] > 0
    with engine.begin() as db:
        db.execute(text("update usage_day set output_tokens = output_tokens + 1"))
    bad = run("verify", "--json")
    assert bad.exit_code == 1
    assert only_object(bad)["differences"] > 0


def test_reprice_changes_nothing_while_the_rates_are_the_same(run, owned, transcripts):
    run("sync")
    told = only_object(run("reprice", "--json"))
    assert (told["calls"], told["changed"]) == (2, 0)
    assert told["before_usd"] == told["after_usd"] > 0


def test_a_backup_is_whole_and_private(run, owned, transcripts, tmp_path, database):
    run("sync")
    copy = tmp_path / "copy"
    assert run("db backup", str(copy)).exit_code == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    if database.startswith("sqlite"):
        changed = {"AGENTMETER_DATABASE_URL": f"sqlite:///{copy}"}
        assert run("db check", **changed).exit_code == 0
        assert only_object(run("verify", "--json", **changed))["differences"] == 0
    refused = run("db backup", str(copy))
    assert refused.exit_code == 1
    assert "there already" in refused.stderr


def test_db_check_and_upgrade_of_a_sound_database(run, owned, transcripts):
    run("sync")
    assert only_object(run("db check", "--json")) == {"ok": True, "faults": []}
    assert run("db upgrade").exit_code == 0


def test_doctor_is_content_with_a_sound_installation(run, owned, transcripts):
    result = run("doctor", "--json")
    told = only_object(result)
    assert result.exit_code == 0, told
    assert told["ok"] is True
    assert all(set(check) == {"name", "ok", "detail"} for check in told["checks"])


def test_doctor_names_what_is_wrong(run, tmp_path):
    result = run(
        "doctor", "--json", AGENTMETER_BIND="0.0.0.0:6387", AGENTMETER_DATABASE_URL="postgresql://127.0.0.1:1/x"
    )
    assert result.exit_code == 1
    assert {check["name"] for check in only_object(result)["checks"] if not check["ok"]} == {
        "database",
        "owner",
        "transcripts",
        "address",
    }


def test_config_masks_secrets(run):
    told = only_object(run("config", "--json", AGENTMETER_DATABASE_URL="postgresql://ada:hunter2@db/meter"))
    values = {row["name"]: row["value"] for row in told["settings"]}
    assert values["AGENTMETER_DATABASE_URL"] == "postgresql://ada:••••••••@db/meter"


def test_progress_is_plain_lines_without_a_terminal(capsys, monkeypatch):
    from routes import _cli_base

    monkeypatch.setattr(_cli_base, "LINE_SECONDS", 0.0)
    with _cli_base.Progress("Reading") as progress:
        progress.at(1, 4, "1 of 4 files")
    assert capsys.readouterr().err == "Reading:  25%, 1 of 4 files\n"
