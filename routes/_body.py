"""Bodies are read whole before anybody looks: one that was cut must never pass for a complete one.

Left alone, Werkzeug trusts the server to know where a body ends, takes what has come by then for all of it, and stops
silently at the limit when there is no Content-Length.
"""

from collections.abc import Iterator
from io import BytesIO

from flask import Flask, current_app, request

from meter.errors import Invalid, TooLarge
from routes._origin import SAFE_METHODS

PIECE_BYTES = 65_536
# What is too large is read to its end, up to this, and thrown away: who is still sending does not hear the answer.
DISCARDED_BYTES = 64_000_000


def receive_whole_bodies(app: Flask) -> None:
    """Check the body of every request that may change something before its route runs."""
    app.before_request(_receive)


def _receive() -> None:
    """Put the whole body in the place of the stream. TooLarge above the limit, Invalid when bytes are missing."""
    length_bytes = request.content_length
    is_chunked = length_bytes is None and bool(request.environ.get("wsgi.input_terminated"))
    if request.method in SAFE_METHODS or not (length_bytes or is_chunked):
        return
    limit_bytes = current_app.config["MAX_CONTENT_LENGTH"]
    kept, came_bytes = [], 0
    for piece in _pieces(DISCARDED_BYTES if length_bytes is None else min(length_bytes, DISCARDED_BYTES)):
        came_bytes += len(piece)
        if came_bytes <= limit_bytes:
            kept.append(piece)
    if max(came_bytes, length_bytes or 0) > limit_bytes:
        raise TooLarge(f"The body is larger than {limit_bytes} bytes.")
    if length_bytes is not None and came_bytes < length_bytes:
        raise Invalid("The body ended early.")
    request.environ["wsgi.input"] = BytesIO(b"".join(kept))
    request.environ["CONTENT_LENGTH"] = str(came_bytes)


def _pieces(most_bytes: int) -> Iterator[bytes]:
    """The body as it comes, at most so many bytes. Invalid when the connection breaks or a chunk is malformed."""
    stream = request.environ["wsgi.input"]
    try:
        while most_bytes and (piece := stream.read(min(PIECE_BYTES, most_bytes))):
            most_bytes -= len(piece)
            yield piece
    except Exception:  # every server has errors of its own for this, and all mean the same
        raise Invalid("The body ended early.") from None
