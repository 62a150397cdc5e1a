"""The headers every answer carries, errors too."""

import secrets

from flask import Flask, Response, g, request

from meter.settings import Settings
from routes._links import asset_hash

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
)
ON_EVERY_ANSWER = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
}
A_YEAR_SECONDS = 365 * 24 * 3600


def add_headers(app: Flask, settings: Settings) -> None:
    """Give every request an id, and every answer the headers that protect it."""
    fixed = dict(ON_EVERY_ANSWER)
    if settings.is_https:
        fixed["Strict-Transport-Security"] = f"max-age={A_YEAR_SECONDS}"

    def name_request() -> None:
        g.request_id = secrets.token_hex(4)

    def protect(response: Response) -> Response:
        for name, value in fixed.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-Id"] = request_id()
        if _is_kept_file(response):
            response.headers["Cache-Control"] = f"public, max-age={A_YEAR_SECONDS}, immutable"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    app.before_request(name_request)
    app.after_request(protect)


def request_id() -> str:
    """Eight hex digits that stand in the answer, on error pages and in the log."""
    if "request_id" not in g:
        g.request_id = secrets.token_hex(4)
    found: str = g.request_id
    return found


def _is_kept_file(response: Response) -> bool:
    """Whether the answer is a static file asked for by its hash; without it Flask has said `no-cache` already."""
    if request.endpoint != "static" or response.status_code not in (200, 304) or "v" not in request.args:
        return False
    return request.args["v"] == asset_hash((request.view_args or {})["filename"])
