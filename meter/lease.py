"""Who alone may do a job: a row with a holder and an end, taken by whoever changes it from free to theirs."""

import os
import socket
import time
from itertools import count

from models.bulk import Store

LEASE_MS = 30_000


def new_holder() -> str:
    """A holder of its own within this process: host, process id, start of the process, number."""
    return f"{socket.gethostname()}:{os.getpid()}:{_START}.{next(_numbers)}"


_START = format(time.time_ns(), "x")  # a later process with the same id has another one
_numbers = count(1)


def take(store: Store, name: str, holder: str) -> bool:
    """Take or renew a lease in its own transaction; False while somebody else holds it.

    A holder on this host whose process is gone is not waited for.
    """
    with store.writing():
        now_ms = store.now_ms()
        held = store.rows("select holder, expires_ms from lease where name = ?", (name,))
        if not held:
            made = "insert into lease (name, holder, expires_ms) values (?, ?, ?) on conflict (name) do nothing"
            return store.run(made, (name, holder, now_ms + LEASE_MS)) == 1
        other, expires_ms = held[0]
        if other != holder and expires_ms > now_ms and not _is_gone(other):
            return False
        change = "update lease set holder = ?, expires_ms = ? where name = ? and holder = ? and expires_ms = ?"
        return store.run(change, (holder, now_ms + LEASE_MS, name, other, expires_ms)) == 1


def renew(store: Store, name: str, holder: str) -> bool:
    """Renew inside an open transaction; False if the lease was lost meanwhile."""
    change = "update lease set expires_ms = ? where name = ? and holder = ?"
    return store.run(change, (store.now_ms() + LEASE_MS, name, holder)) == 1


def release(store: Store, name: str, holder: str) -> None:
    """Give a lease back; nothing happens if it is no longer held."""
    with store.writing():
        store.run("delete from lease where name = ? and holder = ?", (name, holder))


def _is_gone(holder: str) -> bool:
    """True if the holder was a process of this host that no longer runs."""
    host, _, rest = holder.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname() or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return int(rest) == os.getpid() and not holder.rpartition(":")[2].startswith(f"{_START}.")
