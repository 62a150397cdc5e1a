"""How often requests are answered: moving windows per API token, per person, or per address without a credential.

Whoever asks for a login link meets stricter limits besides. Counts are shared by all processes (meter/limits.py);
while they cannot be read nobody is let through.
"""

from flask import Flask, current_app, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import RateLimitItem, parse
from limits.strategies import RateLimiter

from meter import limits
from meter.settings import Settings
from routes._auth import known

# What a program, a person, and an address without a credential may send; each for ingest, reading and gateway apart.
PER_TOKEN, PER_PERSON, PER_ADDRESS = parse("100/minute"), parse("600/minute"), parse("60/minute")
OWN_BUCKETS = ("ingest", "gateway", "metrics", "embed")
# Answers that cost nothing, asked for by pages themselves and by whoever watches over the server.
UNCOUNTED = ("static", "ops.status", "ops.health", "ops.favicon", "ops.robots")

# Wishes for a login link: per e-mail address, per address of the network, and in all.
LINKS_PER_EMAIL, LINKS_PER_ADDRESS, LINKS_IN_ALL = parse("5/hour"), parse("20/hour"), parse("200/hour")
# Answers per address of the network that say an e-mail address is not on the whitelist.
DENIALS = (parse("5/15 minutes"), parse("20/day"))


def limit_tries(app: Flask, settings: Settings) -> None:
    """Count every request before anything is done for it, unless AGENTMETER_RATE_LIMITS says off.

    The extension brings storage and strategy. The counting itself is one call: its own decorators ask twice.
    """
    app.extensions["tries"] = None
    if settings.rate_limits == "off":
        return
    uri, options = limits.storage_for(settings, app.extensions["engine"])
    extension = Limiter(get_remote_address, app=app, strategy="moving-window", storage_uri=uri, storage_options=options)
    app.extensions["tries"] = extension.limiter
    app.before_request(check_limit)


def check_limit() -> None:
    """Count this request. Raises TooMany when its sender has sent too many, CountsUnavailable when nobody can tell."""
    if request.endpoint not in UNCOUNTED:
        _spend(_allowance())


def count_wish(email: str, *, tells_denials: bool) -> None:
    """Count a wish for a login link, before anybody looks whom it is for. Raises TooMany.

    tells_denials: the answer will say whether the address is on the whitelist. After too many that were not, nothing
    is answered at all: a 429 for those alone would say it as well.
    """
    here = _here()
    if tells_denials and (tries := _tries()):
        limits.check(tries, [(limit, f"denied {here}") for limit in DENIALS])
    _spend((LINKS_PER_ADDRESS, f"links {here}"), (LINKS_PER_EMAIL, f"links {limits.mailbox_mark(email)}"))
    _spend((LINKS_IN_ALL, "links"))


def count_denial() -> None:
    """Count an answer that says an address is not on the whitelist. Raises TooMany."""
    _spend(*((limit, f"denied {_here()}") for limit in DENIALS))


def _allowance() -> tuple[RateLimitItem, str]:
    """What the sender of this request may send, and the bucket it is counted in."""
    caller = known()
    if caller is None:
        return PER_ADDRESS, f"address {_here()}"
    rule = getattr(current_app.view_functions.get(request.endpoint or ""), "allowed", None)
    door = rule.scope if rule and rule.scope in OWN_BUCKETS else "read"
    if caller.token_id is not None:
        return PER_TOKEN, f"token {caller.token_id} {door}"
    return PER_PERSON, f"person {caller.account.id} {door}"


def _spend(*wanted: tuple[RateLimitItem, str]) -> None:
    if tries := _tries():
        limits.spend(tries, wanted)


def _tries() -> RateLimiter | None:
    found: RateLimiter | None = current_app.extensions["tries"]
    return found


def _here() -> str:
    return limits.network_of(request.remote_addr or "")
