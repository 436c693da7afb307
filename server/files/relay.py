"""The hand-off between two threads of a file edit."""

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class RelayClosedError(Exception):
    """The other end has stopped; what stopped it is told by its own thread."""


class Relay(Generic[T]):
    """A bounded queue from one thread to another."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._complete = self._abandoned = False
        self._changed = Condition()

    def put(self, item: T) -> None:
        """Wait for room, then add an item; raises RelayClosedError once the relay is abandoned."""
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or len(self._items) < self._capacity)
            if self._abandoned:
                raise RelayClosedError
            self._items.append(item)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """The items in order until the last; raises RelayClosedError once the relay is abandoned."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._abandoned or self._complete or bool(self._items))
                if self._abandoned:
                    raise RelayClosedError
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    def complete(self) -> None:
        """Say that the last item has been put."""
        with self._changed:
            self._complete = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Release whoever waits at the other end: one side will not go on. Nothing happens to a complete relay."""
        with self._changed:
            self._abandoned = not self._complete
            self._changed.notify_all()
