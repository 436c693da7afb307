"""All sessions of this server, and their limit."""

import asyncio
from collections.abc import Callable, Iterator

from server.engine import Engine
from server.presets.store import Presets
from server.recording.store import Recordings
from server.session.limits import SessionLimits
from server.session.session import Session


class ServerFullError(Exception):
    """Every place is taken."""


class NoSuchSessionError(KeyError):
    """There is no session of this id, or not any more."""


class Sessions:
    """Opens sessions and keeps them until they end.

    Args:
        model: Name of what edits.
        engine: The editor all share.
        limits: Of each.
        recordings: Where all recordings are kept.
        presets: Stacks of instructions kept by name.
        max_sessions: At once.
        on_closed: Called with each session that has ended, for the totals.
    """

    def __init__(
        self,
        model: str,
        engine: Engine,
        limits: SessionLimits,
        recordings: Recordings,
        presets: Presets,
        max_sessions: int,
        on_closed: Callable[[Session], None],
    ) -> None:
        self.max_sessions = max_sessions
        self._model, self._engine, self._limits, self._on_closed = model, engine, limits, on_closed
        self._recordings, self._presets = recordings, presets
        self._open: dict[str, Session] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def open(self, seed: int, limits: SessionLimits | None = None) -> Session:
        """A new session, waiting for its browser.

        Args:
            seed: Of the stream's noise.
            limits: Its own, where they differ from everyone's.

        Raises:
            ServerFullError: Every place is taken.
        """
        if len(self._open) >= self.max_sessions:
            raise ServerFullError
        session = Session(
            self._model,
            self._engine,
            limits or self._limits,
            seed,
            self._recordings,
            self._presets,
            self._forget,
        )
        self._open[session.id] = session
        session.start()
        return session

    def find(self, session_id: str) -> Session:
        """The session of an id.

        Raises:
            NoSuchSessionError: There is none, or not any more.
        """
        try:
            return self._open[session_id]
        except KeyError:
            raise NoSuchSessionError(session_id) from None

    async def close(self, reason: str) -> None:
        """End all sessions."""
        await asyncio.gather(*(session.close(reason) for session in self), *self._ending)

    def _forget(self, session: Session) -> None:
        if self._open.pop(session.id, None) is not None:
            self._on_closed(session)
            # Held until its connection is down as well, so that shutting down waits for it.
            task = asyncio.ensure_future(session.close("ended"))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
