"""Bodies are read whole before anybody looks: one that was cut must never pass for a complete one.

Left alone, Werkzeug trusts the server to know where a body ends, takes what has come by then for all of it, and stops
silently at the limit when there is no Content-Length.
"""

from io import BytesIO

from flask import Flask, current_app, request

from meter.errors import Invalid, TooLarge
from routes._origin import SAFE_METHODS


def receive_whole_bodies(app: Flask) -> None:
    """Check the body of every request that may change something before its route runs."""
    app.before_request(_receive)


def _receive() -> None:
    length_bytes = request.content_length
    is_chunked = length_bytes is None and bool(request.environ.get("wsgi.input_terminated"))
    if request.method in SAFE_METHODS or not (length_bytes or is_chunked):
        return
    limit_bytes = current_app.config["MAX_CONTENT_LENGTH"]
    body = b""
    if length_bytes is None or length_bytes <= limit_bytes:
        body = _read(limit_bytes + 1 if length_bytes is None else length_bytes)
    if len(body) > limit_bytes or (length_bytes or 0) > limit_bytes:
        raise TooLarge(f"The body is larger than {limit_bytes} bytes.")
    if len(body) < (length_bytes or 0):
        raise Invalid("The body ended early.")
    request.environ["wsgi.input"] = BytesIO(body)
    request.environ["CONTENT_LENGTH"] = str(len(body))


def _read(most_bytes: int) -> bytes:
    """The body, at most so many bytes of it. Invalid when it ends early or its chunks are malformed."""
    parts, missing_bytes = [], most_bytes
    try:
        while missing_bytes and (part := request.environ["wsgi.input"].read(missing_bytes)):
            parts.append(part)
            missing_bytes -= len(part)
    except Exception:  # every server has errors of its own for this, and all mean the same
        raise Invalid("The body ended early.") from None
    return b"".join(parts)
