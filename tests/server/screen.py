"""What a peer connection of a test's own is sent, as a person before it would see and hear it."""

import asyncio
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


class Screen:
    """Takes every track that comes.

    Attributes:
        pictures: The last few, newest last.
        timestamps: Of all pictures, in ticks of 90 kHz.
        shown: How many there were.
        sounds: All sound.
    """

    def __init__(self, peer: RTCPeerConnection) -> None:
        self.pictures: list[Picture] = []
        self.timestamps: list[int] = []
        self.shown = 0
        self.sounds: list[av.AudioFrame] = []
        self._tasks: list[asyncio.Task[None]] = []
        peer.on("track", lambda track: self._tasks.append(asyncio.ensure_future(self._take(track))))

    async def sees(self, count: int = 1, timeout_s: float = 15.0) -> Picture:
        """Wait for more pictures; the newest."""
        target = self.shown + count
        async with asyncio.timeout(timeout_s):
            while self.shown < target:
                await asyncio.sleep(0.01)
        return self.pictures[-1]

    async def sees_colour(self, colour: tuple[int, ...], timeout_s: float = 15.0) -> Picture:
        """Wait for a picture of one colour."""
        async with asyncio.timeout(timeout_s):
            while True:
                picture = await self.sees(timeout_s=timeout_s)
                if is_colour(picture, colour):
                    return picture

    async def hears(self, count: int = 1) -> av.AudioFrame:
        """Wait for some sound; the newest."""
        async with asyncio.timeout(15):
            while len(self.sounds) < count:
                await asyncio.sleep(0.01)
        return self.sounds[-1]

    async def look_away(self) -> None:
        """Take nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, av.VideoFrame):
                picture: Any = frame.to_ndarray(format="rgb24")
                self.pictures = [*self.pictures[-4:], picture]
                assert frame.pts is not None
                self.timestamps.append(frame.pts)
                self.shown += 1
            elif isinstance(frame, av.AudioFrame):
                self.sounds.append(frame)


def is_colour(picture: Picture, colour: tuple[int, ...], tolerance: float = 12.0) -> bool:
    return bool(np.abs(picture.reshape(-1, 3).mean(0) - np.array(colour)).max() < tolerance)


def fall_silent(peer: RTCPeerConnection) -> None:
    """Cut a peer off without a goodbye, as a machine that has lost its power."""
    for transport in {item.receiver.transport.transport for item in peer.getTransceivers()}:
        for protocol in transport._connection._protocols:
            protocol.transport.abort()
