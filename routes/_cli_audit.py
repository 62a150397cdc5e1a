"""Commands about the audit log: look at it, check that nobody changed it."""

import click

from routes._cli_base import json_option, print_json, read_settings, say

LISTED, LISTED_MAX = 50, 100_000


@click.group()
def audit() -> None:
    """The audit log: who did what, when."""


@audit.command("verify")
@json_option
def verify_audit(as_json: bool) -> None:
    """Check that every row of the audit log is as it was written: none changed, removed, added or moved.

    Every row carries a hash over itself and the row before it. Keep the printed newest hash elsewhere: a log that was
    written anew from the start has another one.

    With --json: {ok, entries, first_bad, head}. Exit code 1 when a row is bad; first_bad is its number.
    """
    from meter.audit import verify
    from meter.database import reader

    with reader(read_settings()) as db:
        check = verify(db)
    if as_json:
        print_json({"ok": check.ok, "entries": check.entries, "first_bad": check.first_bad, "head": check.head or None})
    if check.ok:
        say(f"All {check.entries} rows are as they were written. Newest hash: {check.head or 'none'}")
        return
    say(f"Row {check.first_bad} is not as it was written; the {check.entries} rows before it are.")
    raise SystemExit(1)


@audit.command("list")
@click.option("--since", metavar="TIME", default="", help="Only from then on: 2026-11-20, 2026-11-20T14:00Z.")
@click.option("--limit", type=click.IntRange(1, LISTED_MAX), default=LISTED, show_default=True, help="At most so many.")
@click.option("--action", default="", help="Only these acts: token.create, or token for all about tokens.")
@json_option
def list_audit(since: str, limit: int, action: str, as_json: bool) -> None:
    """List what was done, oldest first; without --since the newest.

    With --json: {entries: [{ts, tokenId, action, user, ip, meta, id, target}]}, ts in seconds.
    """
    from meter.audit import AuditFilters, entries
    from meter.database import reader
    from meter.moments import read_moment
    from routes._wire import hub

    since_at = read_moment(since, "--since") if since else None
    with reader(read_settings()) as db:
        found = entries(db, since_at, limit, AuditFilters(action=action))
    if as_json:
        print_json(hub.audit(found))
        return
    for one in found:
        facts = " ".join(f"{name}={value}" for name, value in one.meta.items())
        words = (f"{one.at:%Y-%m-%d %H:%M:%S}Z", f"{one.action:<16}", one.user, one.target, one.ip, facts)
        click.echo("  ".join(word for word in words if word))


COMMANDS: tuple[click.Command, ...] = (audit,)
