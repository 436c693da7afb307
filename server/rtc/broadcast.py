"""A session's edit for any number of viewers: one encoder for all who can be sent the same.

The edit has one size; viewers differ in their codec and, where they take less than the edit is, in the form that it
is sent to them in. A new size of the edit may bring viewers together or part them.
"""

import asyncio
import logging
from collections.abc import Callable

from server.rtc.codecs import CodecChoice
from server.rtc.encoded import EncodedFrame, FrameQueue
from server.rtc.encoding import LiveEncoder
from server.rtc.picture_limits import NO_LIMIT, Form, PictureLimit
from server.rtc.rate import BestRate, RateControl
from server.session.frame import Frame
from server.session.outlets import Outlets
from server.session.tasks import Tasks
from server.stats import RunningEncoder
from server.telemetry import DropReason

logger = logging.getLogger(__name__)

MAX_WAITING_PICTURES = 30
"""A second: a viewer further behind had better see a new key frame than the past."""
MAX_WAITING_SOUND = 50
FIRST_SIZE = 640, 480
"""Taken for the edit's until its first picture is in."""

_Kind = tuple[str, Form]
"""A codec and a form: what makes an encoder."""


class Broadcast:
    """Gives each viewer a queue of encoded pictures and one of sound.

    Args:
        outlets: Where the edits come from.
        capture_ms: When a frame was captured, by the clock that sound is dated with.
        max_bitrate_bps: Of each encoder.
        codecs: Whether hardware may encode.
        on_left: Called with a frame once it has been handed to its viewers.
        on_dropped: Called for a frame that the only encoder did not let out, with why.
        on_error: Called with what ends an encoder for good, which is a bug of ours.
    """

    def __init__(
        self,
        outlets: Outlets,
        capture_ms: Callable[[Frame], float | None],
        max_bitrate_bps: int,
        codecs: CodecChoice,
        on_left: Callable[[Frame], None],
        on_dropped: Callable[[DropReason], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._outlets, self._capture_ms = outlets, capture_ms
        self._max_bitrate_bps, self._codecs = max_bitrate_bps, codecs
        self._on_left, self._on_dropped, self._on_error = on_left, on_dropped, on_error
        self._groups: dict[_Kind, _Group] = {}
        self._size = FIRST_SIZE
        self._closing: set[asyncio.Task[None]] = set()
        self._listening: set[FrameQueue] = set()

    @property
    def encoders(self) -> int:
        """How many are at work."""
        return len(self._groups)

    @property
    def running(self) -> tuple[RunningEncoder, ...]:
        """Each of them, by what it is."""
        return tuple(group.running for group in self._groups.values() if group.running is not None)

    def watch(self, codec: str, limit: PictureLimit = NO_LIMIT) -> "Seat":
        """A viewer's place: pictures from the next key frame on, which comes at once.

        Args:
            codec: ``VP8`` or ``H264``.
            limit: What the viewer takes at most.
        """
        seat = Seat(self, codec, limit, self._max_bitrate_bps)
        kind = self._kind(seat)
        if kind not in self._groups:
            self._groups[kind] = self._open(codec)
        self._groups[kind].add(seat)
        return seat

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
        await asyncio.gather(*(group.close() for group in groups), *self._closing)

    async def leave(self, seat: "Seat") -> None:
        """Free a viewer's place; the last one of an encoder ends it."""
        for kind, group in tuple(self._groups.items()):
            if seat in group.seats:
                group.remove(seat)
                if not group.seats:
                    del self._groups[kind]
                    await group.close()

    def _open(self, codec: str) -> "_Group":
        loop = asyncio.get_running_loop()

        def tell_dropped(reason: DropReason) -> None:
            loop.call_soon_threadsafe(self._count_dropped, reason)

        rate = BestRate(self._max_bitrate_bps)
        encoder = LiveEncoder(
            codec, rate, on_encoded=lambda: None, on_dropped=tell_dropped, codecs=self._codecs
        )
        return _Group(
            encoder,
            rate,
            self._outlets,
            self._capture_ms,
            self._regroup,
            self._on_left,
            lambda: self._count_dropped("outbox"),
            self._on_error,
        )

    def _kind(self, seat: "Seat") -> _Kind:
        return seat.codec, seat.limit.form(*self._size, self._max_bitrate_bps)

    def _regroup(self, size: tuple[int, int]) -> None:
        """Give every viewer the encoder that fits a new size of the edit; most keep theirs."""
        if size == self._size:
            return
        self._size = size
        groups: dict[_Kind, _Group] = {}
        for group in self._groups.values():
            for seat in tuple(group.seats):
                kind = self._kind(seat)
                if kind not in groups:
                    groups[kind] = self._open(seat.codec) if group in groups.values() else group
                if groups[kind] is not group:
                    group.remove(seat)
                    groups[kind].add(seat)
        left = [group for group in self._groups.values() if group not in groups.values()]
        self._groups = groups
        for group in left:
            # Not awaited: it may be this very one that met the new size first.
            task = asyncio.create_task(group.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _count_dropped(self, reason: DropReason) -> None:
        # With several encoders the frame may well have left by another.
        if len(self._groups) == 1:
            self._on_dropped(reason)


class Seat:
    """One viewer's place at an encoder.

    Attributes:
        codec: ``VP8`` or ``H264``.
        limit: What the viewer takes.
        pictures: What waits for this viewer.
        rate: What the viewer's network carries.
    """

    def __init__(self, broadcast: Broadcast, codec: str, limit: PictureLimit, max_bitrate_bps: int) -> None:
        self.codec, self.limit = codec, limit
        self.pictures = FrameQueue(MAX_WAITING_PICTURES, self.want_key_frame)
        self.rate = RateControl(int(min(max_bitrate_bps, limit.bitrate_bps)))
        self._broadcast = broadcast
        self._group: _Group | None = None

    def sit(self, group: "_Group") -> None:
        """Take pictures of this encoder from now on; they go with none of another's."""
        self._group = group
        self.pictures.restart()

    def want_key_frame(self) -> None:
        """This viewer needs one; all viewers of the encoder get it, no more often than the encoder's limit."""
        if self._group is not None:
            self._group.want_key_frame()

    async def leave(self) -> None:
        """Free the place."""
        await self._broadcast.leave(self)


class _Group:
    """Viewers who are sent the same, and their encoder."""

    def __init__(
        self,
        encoder: LiveEncoder,
        rate: BestRate,
        outlets: Outlets,
        capture_ms: Callable[[Frame], float | None],
        on_size: Callable[[tuple[int, int]], None],
        on_left: Callable[[Frame], None],
        on_dropped: Callable[[], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self.seats: list[Seat] = []
        self._encoder, self._rate, self._outlets, self._capture_ms = encoder, rate, outlets, capture_ms
        self._on_size, self._on_left = on_size, on_left
        self._mailbox = outlets.open(on_dropped)
        self._key_wanted = True
        self._tasks = Tasks(on_error)
        self._tasks.spawn(self._run())

    def add(self, seat: Seat) -> None:
        self.seats.append(seat)
        self._rate.join(seat.rate)
        seat.sit(self)
        self._key_wanted = True

    def remove(self, seat: Seat) -> None:
        self.seats.remove(seat)
        self._rate.leave(seat.rate)

    def want_key_frame(self) -> None:
        self._key_wanted = True

    @property
    def running(self) -> RunningEncoder | None:
        return self._encoder.summary

    async def close(self) -> None:
        self._outlets.close(self._mailbox)
        await self._tasks.cancel()

    async def _run(self) -> None:
        last_pts = -1
        while True:
            frame = await self._mailbox.take()
            if frame.pts <= last_pts:
                continue
            last_pts = frame.pts
            self._on_size(frame.shown_size)
            if not self.seats:
                continue
            # All who share an encoder take a picture of this size alike.
            self._encoder.limit = self.seats[0].limit
            seats = tuple(self.seats)
            encoded = await asyncio.to_thread(self._encode, frame)
            if encoded is None:
                continue
            for seat in seats:
                # Who came meanwhile may take less than this picture is.
                if seat in self.seats:
                    seat.pictures.put(encoded)
            self._on_left(frame)

    def _encode(self, frame: Frame) -> EncodedFrame | None:
        # Cleared before: a wish that comes while this picture is encoded is the next picture's.
        key_wanted, self._key_wanted = self._key_wanted, False
        payloads, timestamp = self._encoder.encode(frame.video(), key_wanted)
        if not payloads:
            return None
        return EncodedFrame(tuple(payloads), timestamp, self._encoder.made_key_frame, self._capture_ms(frame))
