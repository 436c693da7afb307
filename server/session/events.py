"""What happens in a session, told to everyone who listens."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager

from server.messages import EditsMessage, ReceiptMessage, RecordingMessage, StateMessage, WarningMessage
from server.stats import StatsMessage

EventMessage = ReceiptMessage | WarningMessage | StateMessage | EditsMessage | RecordingMessage | StatsMessage

MAX_WAITING = 64
"""A listener that reads slower than this loses the oldest events, never the server its memory."""


class Events:
    """Hands every event to every listener; each has a bounded queue of its own."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._ended = False

    @property
    def listened_to(self) -> bool:
        """Whether anyone would hear."""
        return bool(self._listeners)

    def publish(self, event: EventMessage) -> None:
        """Tell everyone; returns at once."""
        for listener in self._listeners:
            listener.waiting.append(event)
            listener.wake.set()

    def end(self) -> None:
        """Nothing more will happen: every listener hears what waits and is then done."""
        self._ended = True
        for listener in self._listeners:
            listener.wake.set()

    @contextmanager
    def listening(self, *first: EventMessage) -> Iterator[AsyncGenerator[EventMessage, None]]:
        """``first``, and then all that happens until the end; what happens from this call on is heard."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            yield self._heard(listener, first)
        finally:
            self._listeners.discard(listener)

    async def _heard(
        self, listener: "_Listener", first: Sequence[EventMessage]
    ) -> AsyncGenerator[EventMessage, None]:
        for event in first:
            yield event
        while True:
            while listener.waiting:
                yield listener.waiting.popleft()
            if self._ended:
                return
            await listener.wake.wait()
            listener.wake.clear()


class _Listener:
    def __init__(self) -> None:
        self.waiting: deque[EventMessage] = deque(maxlen=MAX_WAITING)
        self.wake = asyncio.Event()
