"""The promised bodies of family alerts, letter by letter."""


def status(version: str) -> dict[str, str]:
    """GET /status"""
    return {"status": "ok", "version": version, "environment": "production"}
