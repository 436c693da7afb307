"""A place for one item: a newer one takes its place, and the drop is counted."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Holds the newest item only. Used from the event loop's thread alone, by one reader."""

    def __init__(self, on_drop: Callable[[], None] = lambda: None) -> None:
        self.dropped = 0
        self._on_drop = on_drop
        self._newest: Item | None = None
        self._filled = asyncio.Event()

    def discard(self) -> None:
        """Drop the item that waits."""
        if self.take_nowait() is not None:
            self.dropped += 1
            self._on_drop()

    def put(self, item: Item) -> None:
        """Leave an item; one that was not taken yet is dropped and counted."""
        if self._newest is not None:
            self.dropped += 1
            self._on_drop()
        self._newest = item
        self._filled.set()

    def peek(self) -> Item | None:
        """The item that `take` would give now, if any."""
        return self._newest

    def take_nowait(self) -> Item | None:
        """Take the newest item if there is one."""
        item, self._newest = self._newest, None
        self._filled.clear()
        return item

    async def wait(self) -> None:
        """Return as soon as there is an item, leaving it in place."""
        await self._filled.wait()

    async def take(self) -> Item:
        """Wait for an item and take it."""
        while True:
            await self._filled.wait()
            item = self.take_nowait()
            if item is not None:
                return item
