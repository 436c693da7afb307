"""A thread that does one thing after another, and that nobody has to wait for at the end of the program."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

Result = TypeVar("Result")


class DaemonThread:
    """Does what it is given, in that order; Python waits for a ThreadPoolExecutor's threads, however long they take.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Have something done; cancelled, it is not begun any more, or ends by itself."""
        future: Future[Result] = Future()
        self._work.put(partial(_fulfil, future, work))
        if self._thread.ident is None:
            self._thread.start()
        return await asyncio.wrap_future(future)

    def end(self) -> None:
        """Do nothing after what has been given; returns at once."""
        self._work.put(None)

    def has_ended(self, timeout_s: float) -> bool:
        """Whether it ends within this time; blocks."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            work = self._work.get()
            if work is None:
                return
            work()
            # What it was about is not to be kept until there is more to do.
            del work


def _fulfil(future: "Future[Result]", work: Callable[[], Result]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
