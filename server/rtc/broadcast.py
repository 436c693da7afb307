"""A session's edit for any number of viewers: one encoder for each codec, its frames shared by all.

The edit has one size for all viewers, so a codec is all they can differ in.
"""

import asyncio
import logging
from collections.abc import Callable

from server.messages import RunningEncoder
from server.rtc.codecs import CodecChoice
from server.rtc.encoded import EncodedFrame, FrameQueue
from server.rtc.encoding import LiveEncoder
from server.rtc.rate import BestRate
from server.session.frame import Frame
from server.session.outlets import Outlets

logger = logging.getLogger(__name__)

MAX_WAITING_PICTURES = 30
"""A second: a viewer further behind had better see a new key frame than the past."""
MAX_WAITING_SOUND = 50


class Broadcast:
    """Gives each viewer a queue of encoded pictures and one of sound.

    Args:
        outlets: Where the edits come from.
        capture_ms: When a frame was captured, by the clock that sound is dated with.
        max_bitrate_bps: Of each encoder.
        codecs: Whether hardware may encode.
        on_left: Called with a frame once it has been handed to its viewers.
        on_dropped: Called for a frame that waited too long for the only encoder.
        on_failed: Called when a frame could not be encoded.
    """

    def __init__(
        self,
        outlets: Outlets,
        capture_ms: Callable[[Frame], float | None],
        max_bitrate_bps: int,
        codecs: CodecChoice,
        on_left: Callable[[Frame], None],
        on_dropped: Callable[[], None],
        on_failed: Callable[[], None],
    ) -> None:
        self._outlets, self._capture_ms = outlets, capture_ms
        self._max_bitrate_bps, self._codecs = max_bitrate_bps, codecs
        self._on_left, self._on_dropped, self._on_failed = on_left, on_dropped, on_failed
        self._groups: dict[str, _Group] = {}
        self._listening: set[FrameQueue] = set()

    @property
    def encoders(self) -> int:
        """How many are at work."""
        return len(self._groups)

    @property
    def running(self) -> tuple[RunningEncoder, ...]:
        """Each of them, by what it is."""
        return tuple(group.running for group in self._groups.values() if group.running is not None)

    def watch(self, codec: str) -> "Seat":
        """A viewer's place: pictures in ``VP8`` or ``H264``, from the next key frame on, which comes at once."""
        group = self._groups.get(codec)
        if group is None:
            loop = asyncio.get_running_loop()

            def tell_failed() -> None:
                loop.call_soon_threadsafe(self._on_failed)

            rate = BestRate(self._max_bitrate_bps)
            encoder = LiveEncoder(
                codec, rate, on_encoded=lambda: None, on_failed=tell_failed, codecs=self._codecs
            )
            group = self._groups[codec] = _Group(
                encoder, rate, self._outlets, self._capture_ms, self._on_left, self._count_dropped
            )
        return Seat(self, codec, group)

    def listen(self) -> FrameQueue:
        """A viewer's sound, from now on."""
        queue = FrameQueue(MAX_WAITING_SOUND, lambda: None)
        self._listening.add(queue)
        return queue

    def stop_listening(self, queue: FrameQueue) -> None:
        """Leave no more sound in this queue."""
        self._listening.discard(queue)

    def put_sound(self, packet: EncodedFrame) -> None:
        """Pass a packet of the sound on to everyone."""
        for queue in self._listening:
            queue.put(packet)

    async def close(self) -> None:
        """End all encoders."""
        groups = tuple(self._groups.values())
        self._groups.clear()
        await asyncio.gather(*(group.close() for group in groups))

    async def leave(self, seat: "Seat") -> None:
        """Free a viewer's place; the last one of a codec ends its encoder."""
        group = self._groups.get(seat.codec)
        if group is None or not group.remove(seat):
            return
        if not group.seats:
            del self._groups[seat.codec]
            await group.close()

    def _count_dropped(self) -> None:
        # With several encoders the frame may well have left by another.
        if len(self._groups) == 1:
            self._on_dropped()


class Seat:
    """One viewer's place at an encoder.

    Attributes:
        pictures: What waits for this viewer.
    """

    def __init__(self, broadcast: Broadcast, codec: str, group: "_Group") -> None:
        self.codec = codec
        self.pictures = FrameQueue(MAX_WAITING_PICTURES, group.want_key_frame)
        self.rate = group.rate.join()
        self._broadcast, self._group = broadcast, group
        group.add(self)

    def want_key_frame(self) -> None:
        """This viewer needs one; all viewers of the codec get it, no more often than the encoder's limit."""
        self._group.want_key_frame()

    async def leave(self) -> None:
        """Free the place."""
        self._group.rate.leave(self.rate)
        await self._broadcast.leave(self)


class _Group:
    """Viewers of one codec, and their encoder."""

    def __init__(
        self,
        encoder: LiveEncoder,
        rate: BestRate,
        outlets: Outlets,
        capture_ms: Callable[[Frame], float | None],
        on_left: Callable[[Frame], None],
        on_dropped: Callable[[], None],
    ) -> None:
        self.seats: list[Seat] = []
        self.rate = rate
        self._encoder, self._outlets, self._capture_ms = encoder, outlets, capture_ms
        self._on_left = on_left
        self._mailbox = outlets.open(on_dropped)
        self._key_wanted = True
        self._task = asyncio.create_task(self._run())

    def add(self, seat: Seat) -> None:
        self.seats.append(seat)
        self._key_wanted = True

    def remove(self, seat: Seat) -> bool:
        if seat not in self.seats:
            return False
        self.seats.remove(seat)
        return True

    def want_key_frame(self) -> None:
        self._key_wanted = True

    @property
    def running(self) -> RunningEncoder | None:
        return self._encoder.summary

    async def close(self) -> None:
        self._outlets.close(self._mailbox)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        last_pts = -1
        while True:
            frame = await self._mailbox.take()
            if frame.pts <= last_pts:
                continue
            last_pts = frame.pts
            encoded = await asyncio.to_thread(self._encode, frame)
            if encoded is None:
                continue
            for seat in self.seats:
                seat.pictures.put(encoded)
            self._on_left(frame)

    def _encode(self, frame: Frame) -> EncodedFrame | None:
        # Cleared before: a wish that comes while this picture is encoded is the next picture's.
        key_wanted, self._key_wanted = self._key_wanted, False
        payloads, timestamp = self._encoder.encode(frame.video(), key_wanted)
        if not payloads:
            return None
        return EncodedFrame(tuple(payloads), timestamp, self._encoder.made_key_frame, self._capture_ms(frame))
