"""A bad network between a client and a server: a UDP relay that loses, delays and holds back packets.

The kernel's own netem is not everywhere; this needs nothing. The client is told the relay's port in place of the
server's, and the server learns of the client by what comes through, so nothing goes around it.
"""

import asyncio
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import av

from benchmarks.live.aiortc_client import Client

SDP = "application/sdp"
_CANDIDATE = re.compile(r"a=candidate:\S+ 1 udp \d+ (?P<host>[\d.]+) (?P<port>\d+) typ host", re.IGNORECASE)


@dataclass(frozen=True)
class Impairment:
    """What happens to packets, in each direction."""

    loss: float
    """Share that never arrives."""
    jitter_s: float
    """Each waits for a time between none and this, so they also arrive out of order."""
    rate_bps: float
    """Of the narrowest link on the way."""
    queue_s: float = 0.3
    """How long that link lets a packet wait; what would wait longer is dropped."""


class _Direction(asyncio.DatagramProtocol):
    """Takes what comes at one side and sends it out of the other."""

    def __init__(self, path: "ImpairedPath") -> None:
        self.path = path
        self.other: _Direction | None = None
        self.peer: tuple[str, int] | None = None
        self._free_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.path.server != addr:
            self.peer = addr
        impairment, loop = self.path.impairment, asyncio.get_running_loop()
        if impairment is None:
            self._pass_on(data)
            return
        now_s = loop.time()
        starts_s = max(now_s, self._free_s)
        if self.path.random.random() < impairment.loss or starts_s - now_s > impairment.queue_s:
            self.path.dropped += 1
            return
        self._free_s = starts_s + 8 * len(data) / impairment.rate_bps
        due_s = self._free_s + self.path.random.uniform(0, impairment.jitter_s)
        loop.call_at(due_s, self._pass_on, data)

    def _pass_on(self, data: bytes) -> None:
        self.path.passed += 1
        if self.other is not None and self.other.peer is not None and not self.other.transport.is_closing():
            self.other.transport.sendto(data, self.other.peer)


class ImpairedPath:
    """Leads packets to a server, and back.

    Attributes:
        impairment: What happens to packets from now on; None for nothing.
        passed, dropped: Packets, of both directions.
    """

    def __init__(self, seed: int = 0) -> None:
        self.impairment: Impairment | None = None
        self.passed = self.dropped = 0
        self.random = random.Random(seed)
        self.server: tuple[str, int] | None = None
        self._sides: list[_Direction] = []

    async def open(self, host: str, port: int) -> int:
        """Lead to this address from now on; returns the port to send to, on the same host."""
        loop = asyncio.get_running_loop()
        self.server = host, port
        for _ in range(2):
            _, side = await loop.create_datagram_endpoint(lambda: _Direction(self), local_addr=(host, 0))
            self._sides.append(side)
        near, far = self._sides
        near.other, far.other, far.peer = far, near, self.server
        return int(near.transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """End it."""
        for side in self._sides:
            side.transport.close()


class FarClient(Client):
    """A client that reaches its server through a path alone.

    Args:
        url: The server's.
        frames: The clip.
        codec: VP8 or H264.
        path: The way.
    """

    def __init__(self, url: str, frames: Sequence[av.VideoFrame], codec: str, path: ImpairedPath) -> None:
        super().__init__(url, frames, codec)
        self._path = path

    async def close(self) -> None:
        """Leave."""
        await super().close()
        self._path.close()

    async def _post(self, path: str, body: bytes, content_type: str) -> bytes:
        if content_type != SDP:
            return await super()._post(path, body, content_type)
        # Without candidates in it, the server waits for what comes through the path.
        offer = _CANDIDATES.sub("", body.decode())
        answer = (await super()._post(path, offer.encode(), content_type)).decode()
        candidate = _CANDIDATE.search(answer)
        assert candidate is not None, "the server has no IPv4 candidate"
        port = await self._path.open(candidate["host"], int(candidate["port"]))
        led = f"a=candidate:1 1 udp 2130706431 {candidate['host']} {port} typ host\r\na=end-of-candidates\r\n"
        sections = _CANDIDATES.sub("", answer).rstrip("\r\n") + "\r\n"
        return re.sub(r"(a=mid:\S+\r\n)", lambda mid: mid[1] + led, sections).encode()


_CANDIDATES = re.compile(r"a=(candidate:[^\r\n]*|end-of-candidates)\r\n")
