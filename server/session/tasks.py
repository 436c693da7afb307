"""What a session does by itself, for as long as it lives."""

import asyncio
from collections.abc import Awaitable, Callable


class Tasks:
    """Runs a session's tasks; one that fails does so in front of somebody.

    Args:
        on_failed: Told the error that a task ended with.
    """

    def __init__(self, on_failed: Callable[[BaseException], None]) -> None:
        self._on_failed = on_failed
        self._running: set[asyncio.Future[None]] = set()

    def __len__(self) -> int:
        """How many run."""
        return len(self._running)

    def spawn(self, work: Awaitable[None]) -> None:
        """Begin to do something."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._done)

    async def cancel(self) -> None:
        """Cancel what runs and wait for its end."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _done(self, task: "asyncio.Future[None]") -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._on_failed(error)
