"""The time zones people choose from."""

from functools import cache
from zoneinfo import available_timezones


@cache
def zone_names() -> tuple[str, ...]:
    """All time zones by place, then UTC's kin; without the aliases that only computers use."""
    names = available_timezones() - {"localtime", "Factory"}
    return tuple(sorted(name for name in names if not name.startswith(("posix", "right/", "SystemV/"))))
