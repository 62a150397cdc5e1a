"""Which family of the API a path belongs to. Errors have the family's shape; what is in no family is a page."""

# The first family whose prefix fits has the path.
FAMILIES = (
    ("analytics", ("/api/analytics", "/api/sync")),
    ("gateway", ("/v1", "/api/v1")),
    ("alerts", ("/status", "/register", "/device", "/event", "/preferences", "/history", "/account")),
    ("telemetry", ("/api", "/embed", "/metrics", "/healthz")),  # and hub, whose errors look the same
)
PAGE = "page"


def family_of(path: str) -> str:
    """analytics, gateway, alerts, telemetry or page."""
    for family, prefixes in FAMILIES:
        if any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes):
            return family
    return PAGE
