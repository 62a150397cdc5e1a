"""Parameters of an address, read or refused by name."""

from datetime import datetime

from flask import request

from meter.errors import Invalid
from meter.moments import read_moment


def read_limit(default: int, most: int, name: str = "limit") -> int:
    """How many rows are wanted: `default` without a wish, never more than `most`. Invalid on anything below 1."""
    text = request.args.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or not text.strip("0"):
        raise Invalid(f"{name} is a whole number from 1 to {most}.", field=name)
    return min(int(text[:18]), most)


def read_time(name: str) -> datetime | None:
    """A moment, see `read_moment()`; None without one."""
    text = request.args.get(name, "").strip()
    return read_moment(text, name) if text else None
