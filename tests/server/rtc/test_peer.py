import asyncio
import threading

from server.routes.described_sdp import video_offer
from server.rtc.codecs import SOFTWARE_CODECS
from server.rtc.ice import Network
from server.rtc.peer import Downlink, Peer, PeerEvents
from server.session.frame import Frame
from server.session.mailbox import Mailbox

EVENTS = PeerEvents(
    received=lambda: None,
    frame=lambda _: None,
    sound=lambda _: None,
    dropped=lambda *_: None,
    too_large=lambda *_: None,
    sent=lambda *_: None,
    channel=lambda _: None,
    state=lambda _: None,
    failed=lambda _: None,
)


def decoding() -> int:
    """Threads that decode a camera's pictures."""
    return sum(thread.name == "video-decoder" for thread in threading.enumerate())


async def test_a_peer_that_is_closed_while_it_answers_leaves_no_thread_behind() -> None:
    for ticks in range(1, 9):
        outbox = Mailbox[Frame]()
        peer = Peer(Downlink(outbox, 1_000_000), EVENTS, lambda *size: size, Network(), SOFTWARE_CODECS)
        answering = asyncio.create_task(peer.answer(video_offer("sendrecv")))
        for _ in range(ticks):
            await asyncio.sleep(0)
        await peer.close()
        await asyncio.gather(answering, return_exceptions=True)
        # As whoever gets no answer does.
        await peer.close()
        assert decoding() == 0, f"closed after {ticks} turns of the loop"
