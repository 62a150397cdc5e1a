"""Times as agents write them, to epoch milliseconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime

INSTANT_MIN_MS = 1_577_836_800_000  # 2020-01-01: nothing was used before
FUTURE_MS = 24 * 3_600_000  # a clock may be this far ahead


def latest_ms() -> int:
    """The latest time that is believed: a day from now."""
    return int(time.time() * 1000) + FUTURE_MS


def millis(stamp: object) -> int | None:
    """Epoch milliseconds of an ISO 8601 text (naive = UTC) or a number; None when it is neither.

    Numbers: below 1e11 seconds, below 1e14 milliseconds, else microseconds.
    """
    if stamp.__class__ is str:
        if len(stamp) == 24 and stamp[23] == "Z" and stamp[19] == ".":
            minute = _minutes.get(stamp[:17])
            try:
                if minute is None:
                    minute = _remember_minute(stamp[:17])
                seconds_ms = stamp[17:19] + stamp[20:23]
                return minute + int(seconds_ms) if seconds_ms.isdecimal() and seconds_ms < "60" else None
            except ValueError:
                return None
        return _iso_ms(stamp)
    if isinstance(stamp, (int, float)) and not isinstance(stamp, bool) and 0 <= stamp < 1e18:
        return int(stamp * 1000) if stamp < 1e11 else int(stamp) if stamp < 1e14 else int(stamp // 1000)
    return None


_minutes: dict[str, int] = {}  # neighbouring lines share their minute, and parsing one is the dear part
_MINUTES_KEPT = 4096


def _remember_minute(prefix: str) -> int:
    """Epoch milliseconds of `2026-11-20T14:05:`; ValueError if it is no such thing."""
    ms = int(datetime.fromisoformat(prefix + "00+00:00").timestamp()) * 1000
    if len(_minutes) >= _MINUTES_KEPT:
        _minutes.clear()
    _minutes[prefix] = ms
    return ms


def _iso_ms(stamp: str) -> int | None:
    try:
        at = datetime.fromisoformat(stamp.strip())
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
