import asyncio
from pathlib import Path

import av
import pytest

from server.recording.log import TakeLine, now
from server.recording.movie import SOUND_HZ
from server.recording.recorder import Recorder, SoundClock
from server.recording.take import Take
from server.rtc.clocks import CaptureClock, SenderReport, unix_ms_to_ntp
from server.rtc.encoded import EncodedFrame
from server.session.frame import Frame
from server.session.outlets import Outlets
from tests.server.frames import frame

HOUR_MS = 3_600_000.0
TAKE_MS = 1_700_000_000_000.0
"""When the take began, by this machine's clock; the sender's is an hour ahead."""


def reported(capture: CaptureClock) -> None:
    """Both streams have said when they began, by the sender's clock."""
    ntp = unix_ms_to_ntp(TAKE_MS + HOUR_MS)
    capture.video.add(SenderReport(1, ntp, 0, TAKE_MS))
    capture.sound.add(SenderReport(2, ntp, 0, TAKE_MS))


def sound(time_s: float, capture: CaptureClock) -> EncodedFrame:
    ticks = round(time_s * SOUND_HZ)
    return EncodedFrame((b"opus",), ticks, True, capture.sound_ms(ticks, TAKE_MS + 1000.0 * time_s))


def test_sound_stays_in_its_place_when_the_senders_clock_becomes_known() -> None:
    capture = CaptureClock()

    def captured_ms(pictured: Frame) -> float:
        return capture.video_ms(pictured.rtp_timestamp, TAKE_MS + pictured.rtp_timestamp / 90.0)

    clock = SoundClock(captured_ms)
    clock.see(2.0, frame(rtp_timestamp=180_000))
    assert clock.at(sound(2.02, capture)) == pytest.approx(2.02 * SOUND_HZ, abs=1)
    reported(capture)
    assert clock.at(sound(2.04, capture)) == pytest.approx(2.04 * SOUND_HZ, abs=1)
    clock.see(3.0, frame(rtp_timestamp=270_000))
    assert clock.at(sound(3.02, capture)) == pytest.approx(3.02 * SOUND_HZ, abs=1)


def test_there_is_no_place_for_sound_before_the_first_picture() -> None:
    clock = SoundClock(lambda _: TAKE_MS)
    assert clock.at(sound(0.02, CaptureClock())) is None
    clock.see(0.0, frame())
    assert clock.at(EncodedFrame((b"opus",), 0, True, TAKE_MS - 20.0)) is None


@pytest.mark.parametrize("original", [False, True])
async def test_the_picture_that_waits_as_a_recording_is_stopped_is_its_last(
    tmp_path: Path, original: bool
) -> None:
    header = TakeLine(
        id="take",
        session_id="session",
        started_at=now(),
        model="rfdm-tiny",
        model_version=None,
        steps=None,
        seed=0,
        edit_size=(32, 16),
        original=original,
    )
    outlets = Outlets(lambda _: None)
    ended = asyncio.Event()

    async def end(_: Recorder) -> None:
        ended.set()

    recorder = Recorder(
        "take", lambda: Take(tmp_path, header, False, lambda _: None), outlets, original, lambda _: None, end
    )
    await recorder.start()
    for number in range(3):
        # No turn of the event loop between the last picture and the stop.
        await asyncio.sleep(0.1)
        shown = frame(3000 * number)
        shown.picture, shown.camera = shown.source, av.VideoFrame.from_ndarray(shown.source, format="rgb24")
        recorder.put_camera(shown)
        outlets.put(shown)
    await recorder.stop("stopped")
    assert ended.is_set()
    assert recorder.dropped == 0
    for name in ("edited.mp4", "original.mp4")[: 1 + original]:
        with av.open(str(tmp_path / name)) as movie:
            assert len(list(movie.decode(video=0))) == 3
