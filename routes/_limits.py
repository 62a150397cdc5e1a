"""How often somebody may try: a moving window per address on the doors that need no credential."""

from math import ceil
from time import time

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from meter.settings import Settings

# One process holds the counts in its own memory. With several processes each would count for itself.
limiter = Limiter(key_func=get_remote_address, strategy="moving-window", storage_uri="memory://")

# 60 tries a minute and address, all doors together; a claim or a link is 192 random bits or more.
at_the_door = limiter.shared_limit("60 per minute", scope="door")


def limit_tries(app: Flask, settings: Settings) -> None:
    """Switch the limits on, unless AGENTMETER_RATE_LIMITS says off."""
    app.config["RATELIMIT_ENABLED"] = settings.rate_limits == "on"
    limiter.enabled = settings.rate_limits == "on"
    limiter.init_app(app)


def seconds_to_wait() -> int:
    """Whole seconds until the window that was just exceeded has room again, 1 to 60."""
    current = limiter.current_limit
    return min(60, max(1, ceil(current.reset_at - time()))) if current else 60
