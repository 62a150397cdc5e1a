"""Rendered bodies that are held while nothing they show has changed: reloads and many viewers cost next to nothing."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from markupsafe import Markup

BODIES_HELD = 128


class HeldBodies:
    """The newest `BODIES_HELD` bodies by key; shared by the threads of a process."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[Hashable, Markup] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], str]) -> Markup:
        """The body of `key`, made if it is not held. Two threads may make the same one; both are right."""
        with self._lock:
            body = self._bodies.get(key)
            if body is not None:
                self._bodies.move_to_end(key)
                return body
        body = Markup(make())
        with self._lock:
            self._bodies[key] = body
            if len(self._bodies) > BODIES_HELD:
                self._bodies.popitem(last=False)
        return body
