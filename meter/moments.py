"""Moments as clients write them."""

import re
from datetime import datetime

from meter.errors import Invalid
from meter.logs.times import millis
from models.types import from_ms

LATEST_MS = 4_102_444_800_000  # 2100-01-01: what lies beyond is a typing mistake
_NUMBER = re.compile(r"\d{1,18}(\.\d{1,9})?", re.ASCII)


def read_moment(text: str, field: str) -> datetime:
    """ISO 8601 (naive = UTC), or seconds, milli- or microseconds since 1970, as aware UTC. Invalid on anything else."""
    text = text.strip()
    ms = millis(float(text) if _NUMBER.fullmatch(text) else text)
    if ms is None or not 0 <= ms < LATEST_MS:
        raise Invalid(f"{field} is a time such as 2026-11-20T14:00:00Z, or seconds since 1970.", field=field)
    return from_ms(ms)
