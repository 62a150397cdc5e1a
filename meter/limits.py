"""How often somebody may try: exact moving windows, counted by all processes together.

One process alone counts in its memory, several in the database, or in Redis when there is one. A count that cannot be
read lets nobody through.
"""

import hashlib
import threading
import time
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import Any

from limits import RateLimitItem
from limits.errors import StorageError
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import RateLimiter
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from meter.errors import TooMany
from meter.settings import Settings
from models.db import clock_ms, end_together, make_counting_engine, reading, writing

SWEEP_SECONDS = 600  # how often a process clears counts away that mean nothing any more
REDIS_SECONDS = 2  # to connect, and for one answer

CountsUnavailable = StorageError


def storage_for(settings: Settings, engine: Engine) -> tuple[str, dict[str, Any]]:
    """Where tries are counted, as flask-limiter wants to be told: the address of the storage and its options."""
    if settings.redis_url:
        waits = {"socket_connect_timeout": REDIS_SECONDS, "socket_timeout": REDIS_SECONDS}
        return settings.redis_url, {"wrap_exceptions": True, "key_prefix": "agentmeter", **waits}
    if settings.workers == 1 and settings.database_url.startswith("sqlite"):
        return "memory://", {}
    counting = make_counting_engine(settings.database_url)
    end_together(engine, counting)
    return "agentmeter://", {"wrap_exceptions": True, "engine": counting}


def spend(limiter: RateLimiter, wanted: Iterable[tuple[RateLimitItem, str]]) -> None:
    """Count one try under each (limit, who). Raises TooMany at the first without room; those behind it are not counted.

    Raises CountsUnavailable when the counts cannot be read.
    """
    for limit, who in wanted:
        if not limiter.hit(limit, who):
            raise too_many(limiter, limit, who)


def check(limiter: RateLimiter, wanted: Iterable[tuple[RateLimitItem, str]]) -> None:
    """`spend()` that counts nothing: raises TooMany when one of the limits has no room."""
    for limit, who in wanted:
        if not limiter.test(limit, who):
            raise too_many(limiter, limit, who)


def too_many(limiter: RateLimiter, limit: RateLimitItem, who: str) -> TooMany:
    """The error that says when the window has room again: 1 second or more, the whole window at most."""
    window_seconds = limit.get_expiry()
    left = limiter.get_window_stats(limit, who).reset_time - time.time()
    wait_seconds = min(window_seconds, max(1, ceil(left)))
    return TooMany("Too many requests. Wait a moment, then try again.", retry_after_seconds=wait_seconds)


def network_of(ip: str) -> str:
    """Who is counted as one sender: an IPv4 address, or the /64 of an IPv6 address, which one customer has whole."""
    try:
        address = ip_address(ip)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)


def mailbox_mark(email: str) -> str:
    """A mark of the mailbox behind an address: what follows a plus, and dots, name no other one. Does not tell it."""
    local, _, domain = email.rpartition("@")
    mailbox = f"{local.partition('+')[0].replace('.', '')}@{domain}"
    return hashlib.sha256(mailbox.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class _FullError(Exception):
    """No place in the window: what was counted so far is taken back."""


class SqlStorage(Storage, MovingWindowSupport):
    """Moving windows in the database, by the database's clock, for SQLite and PostgreSQL alike.

    A bucket keeps as many tries as its limit allows, in a ring: the next try takes the place of the oldest, which must
    have left the window. Whoever tries holds the bucket's row until the place is taken or refused.
    """

    STORAGE_SCHEME = ["agentmeter"]  # noqa: RUF012 - as its base declares it

    def __init__(
        self, uri: str | None = None, wrap_exceptions: bool = False, *, engine: Engine, **options: str
    ) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **options)
        self._engine = engine
        self._now = clock_ms(engine)
        self._next = text(_NEXT.format(now=self._now))
        self._window = text(_WINDOW.format(now=self._now))
        self._swept_at = time.monotonic()
        self._sweeping = threading.Lock()

    @property
    def base_exceptions(self) -> type[Exception]:
        return SQLAlchemyError

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Take `amount` places for tries in `expiry` seconds; False, and none taken, when there are not so many."""
        self._sweep_now_and_then()
        window = {"bucket": key, "window_ms": expiry * 1000}
        try:
            with writing(self._engine) as db:
                for _ in range(amount):
                    tries, now_ms = db.execute(self._next, window).one()
                    place = {"slot": tries % limit, "now_ms": now_ms, "expires_ms": now_ms + window["window_ms"]}
                    if not db.execute(_TAKE, {"bucket": key, **place}).rowcount:
                        raise _FullError
        except _FullError:
            return False
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest try in the window was (epoch seconds; now when there is none), and how many there are."""
        with reading(self._engine) as db:
            oldest_ms, count, now_ms = db.execute(self._window, {"bucket": key}).one()
        return (now_ms if oldest_ms is None else oldest_ms - expiry * 1000) / 1000, count

    def clear(self, key: str) -> None:
        """Forget the tries of one bucket."""
        self._delete("bucket = :bucket", bucket=key)

    def reset(self) -> int | None:
        """Forget all tries; how many there were."""
        return self._delete("1 = 1")

    def check(self) -> bool:
        """Whether the counts can be read."""
        try:
            with reading(self._engine) as db:
                db.execute(text("select 1 from rate_limit limit 1"))
        except SQLAlchemyError:
            return False
        return True

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        raise NotImplementedError("only moving windows are kept")

    def get(self, key: str) -> int:
        raise NotImplementedError("only moving windows are kept")

    def get_expiry(self, key: str) -> float:
        raise NotImplementedError("only moving windows are kept")

    def _sweep_now_and_then(self) -> None:
        """Clear away what no window holds any more, in one of the threads that come by."""
        if time.monotonic() - self._swept_at < SWEEP_SECONDS or not self._sweeping.acquire(blocking=False):
            return
        try:
            self._swept_at = time.monotonic()
            self._delete(f"expires_at <= {self._now}")
        finally:
            self._sweeping.release()

    def _delete(self, condition: str, **given: str) -> int:
        with writing(self._engine) as db:
            tries: int = db.execute(text(f"delete from rate_limit_try where {condition}"), given).rowcount
            db.execute(text(f"delete from rate_limit where {condition}"), given)
        return tries


# The number of the next try, and the time once the row is ours: tries come one behind the other.
_NEXT = """
    insert into rate_limit (bucket, tries, expires_at) values (:bucket, 1, {now} + :window_ms)
    on conflict (bucket) do update set tries = rate_limit.tries + 1, expires_at = {now} + :window_ms
    returning tries, {now}
"""
# Its place, if whoever stands there has left the window.
_TAKE = text("""
    insert into rate_limit_try (bucket, slot, expires_at) values (:bucket, :slot, :expires_ms)
    on conflict (bucket, slot) do update set expires_at = :expires_ms where rate_limit_try.expires_at <= :now_ms
""")
_WINDOW = """
    select min(expires_at), count(*), {now} from rate_limit_try where bucket = :bucket and expires_at > {now}
"""
