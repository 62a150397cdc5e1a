"""The promised bodies of family alerts, letter by letter."""

from meter.account import Deleted


def status(version: str) -> dict[str, str]:
    """GET /status"""
    return {"status": "ok", "version": version, "environment": "production"}


def account_deleted(deleted: Deleted) -> dict[str, object]:
    """DELETE /account; every stored call is an event, `removed` has the rows of every table."""
    return {
        "success": True,
        "devicesRemoved": deleted.of("device"),
        "eventsRemoved": deleted.of("call"),
        "removed": dict(deleted.counts),
    }
