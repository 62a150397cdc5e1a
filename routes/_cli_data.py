"""Commands about the data: read transcripts, verify and reprice what is stored, look after the database."""

from pathlib import Path

import click

from routes._cli_base import Progress, json_option, print_json, read_settings, say

SHOWN_ERRORS = 20


@click.command()
@click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Read DIR, an agent's folder (.claude) or its projects folder, instead of the usual ones. May be repeated.",
)
@click.option("--user", "email", metavar="EMAIL", default="", help="Book to this person instead of AGENTMETER_OWNER.")
@click.option("--dry-run", is_flag=True, help="Change nothing; tell what would change.")
@click.option("--full", is_flag=True, help="Read every file from its start, not only what is new in it.")
@json_option
def sync(roots: tuple[Path, ...], email: str, dry_run: bool, full: bool, as_json: bool) -> None:
    """Read the transcripts of this machine into the database, once.

    Reads what was added since the last time; running it twice changes nothing. Calls are booked to --user, else to
    AGENTMETER_OWNER, else to the first admin. Without --root it reads ~/.claude and ~/.config/claude, or
    CLAUDE_CONFIG_DIR, or AGENTMETER_LOG_ROOTS. A damaged line or file is counted, named and skipped.

    With --json: {files, bytes, calls_new, calls_grown, calls_unchanged, lines_skipped, errors: [{path, line, reason}],
    seconds}. Exit code 1 when nothing could be read.
    """
    from meter.local import make_syncer, writer

    settings = read_settings()
    with writer(settings) as store, Progress("Reading transcripts") as progress:
        report = make_syncer(settings, store, email=email, roots=roots, may_fork=True).run(
            full=full,
            dry_run=dry_run,
            wait_seconds=60,
            progress=lambda done, total, files, all_files: progress.at(done, total, f"{files} of {all_files} files"),
        )
    answer = report.as_dict()
    if as_json:
        print_json(answer)
    for error in report.errors[:SHOWN_ERRORS]:
        say(f"  {error.path}{f':{error.line}' if error.line else ''}: {error.reason}")
    if len(report.errors) > SHOWN_ERRORS:
        say(f"  and {len(report.errors) - SHOWN_ERRORS} more")
    verb = "Would read" if dry_run else "Read"
    say(
        f"{verb} {answer['files']} files, {answer['bytes']} bytes: {answer['calls_new']} calls new, "
        f"{answer['calls_grown']} grown, {answer['calls_unchanged']} unchanged, "
        f"{answer['lines_skipped']} lines skipped, {len(report.errors)} errors, {report.seconds:.1f} s"
    )
    raise SystemExit(1 if report.read_nothing else 0)


@click.command()
@json_option
def verify(as_json: bool) -> None:
    """Count every sum again from the calls and compare it with what pages show.

    With --json: {differences, checked}. Exit code 1 when there is a difference.
    """
    from meter import rollups
    from meter.local import writer

    found = 0
    with writer(read_settings()) as store, store.reading():
        for difference in rollups.differences(store):
            found += 1
            if found <= SHOWN_ERRORS:
                say(f"  {difference.table} {difference.key}: stored {difference.stored}, counted {difference.counted}")
        checked = rollups.checked_count(store)
    if as_json:
        print_json({"differences": found, "checked": checked})
    say(f"Checked {checked} sums: {found} differences")
    raise SystemExit(1 if found else 0)


@click.command()
@json_option
def reprice(as_json: bool) -> None:
    """Price every stored call again, by the rates that are known today for the day of the call.

    Needed after a price was corrected or added; tokens do not change. With --json: {calls, changed, before_usd,
    after_usd}.
    """
    from meter.local import writer
    from meter.money import usd_number
    from meter.prices import reprice as run

    with writer(read_settings()) as store:
        done = run(store)
    before, after = usd_number(done.before_nanousd), usd_number(done.after_nanousd)
    if as_json:
        print_json({"calls": done.calls, "changed": done.changed, "before_usd": before, "after_usd": after})
    say(f"{done.changed} of {done.calls} calls have another price: ${before:,.2f} before, ${after:,.2f} now")


@click.group()
def db() -> None:
    """The database: bring it up to date, copy it, check it."""


@db.command("upgrade")
def upgrade_database() -> None:
    """Bring the database to the schema of this version. `serve` and `sync` do it by themselves."""
    from meter.database import upgrade

    say(f"The database has the newest schema, {upgrade(read_settings())}.")


@db.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup_database(file: Path) -> None:
    """Write a consistent copy of the database to FILE, while it is in use.

    SQLite gives a database file that can be put in the place of the original; PostgreSQL an archive for pg_restore.
    FILE must not exist yet; it is readable by its owner only.
    """
    from meter.database import back_up

    say(f"Wrote {file}, {back_up(read_settings(), file)} bytes.")


@db.command("check")
@json_option
def check_database(as_json: bool) -> None:
    """Check that the stored database is whole. Whether its sums are right is for `agentmeter verify`.

    With --json: {ok, faults}. Exit code 1 when something is broken.
    """
    from meter.database import faults

    found = faults(read_settings())
    if as_json:
        print_json({"ok": not found, "faults": found})
    for fault in found:
        say(f"  {fault}")
    say(f"The database has {len(found)} faults." if found else "The database is whole.")
    raise SystemExit(1 if found else 0)


COMMANDS: tuple[click.Command, ...] = (sync, verify, reprice, db)
