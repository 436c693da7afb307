"""Media on its way to viewers: encoded once, sent to each as it is."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class EncodedFrame:
    """A picture or a packet of sound, ready to be sent."""

    payloads: tuple[bytes, ...]
    """Of its RTP packets."""
    timestamp: int
    """In ticks of its clock, from an origin all viewers share."""
    key_frame: bool
    """Can be decoded without the ones before it; true of all sound."""
    capture_ms: float | None
    """When it was captured, in Unix milliseconds by one clock for picture and sound; null where unknown."""


class FrameQueue:
    """What waits for one viewer; one who reads too slowly loses frames alone, up to the next key frame.

    Used from the event loop's thread alone, by one reader.

    Args:
        capacity: Frames that may wait.
        want_key_frame: Called when the viewer needs a key frame to go on.
    """

    def __init__(self, capacity: int, want_key_frame: Callable[[], None]) -> None:
        self.dropped = 0
        self.taken = 0
        self._capacity, self._want_key_frame = capacity, want_key_frame
        self._waiting: deque[EncodedFrame] = deque()
        self._filled = asyncio.Event()
        self._key_needed = True

    def __len__(self) -> int:
        """Frames that wait."""
        return len(self._waiting)

    def put(self, frame: EncodedFrame) -> None:
        """Leave a frame; returns at once."""
        if len(self._waiting) >= self._capacity:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._key_needed = True
        if self._key_needed and not frame.key_frame:
            self.dropped += 1
            self._want_key_frame()
            return
        self._key_needed = False
        self._waiting.append(frame)
        self._filled.set()

    def begin(self) -> None:
        """Forget what came before anybody could read: by the time a connection stands, it is the past."""
        self._waiting.clear()
        self.dropped = 0
        self._key_needed = True
        self._want_key_frame()

    def restart(self) -> None:
        """Go on with frames of another encoder, from its first key frame on."""
        self._key_needed = True

    async def take(self) -> EncodedFrame:
        """Wait for the oldest frame and take it."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        self.taken += 1
        return self._waiting.popleft()
