"""FFmpeg's own WHIP muxer, which PyAV's wheel carries, as a publisher."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aioice.ice
import av
import numpy as np
import pytest
from aioice.stun import RETRY_RTO
from aiortc.rtcdtlstransport import generate_certificate
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.server.clips import make_clip, pictures
from tests.server.conftest import RunningServer, until
from tests.server.screen import Picture
from tests.server.whip_client import Watcher

pytestmark = pytest.mark.skipif("whip" not in av.formats_available, reason="FFmpeg is older than 8")

TOKEN = "chosen by OBS's user"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A P-256 key and its certificate: what FFmpeg's GnuTLS makes by itself, P-224, no OpenSSL 4 takes."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate_path, key_path = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate_path.write_bytes(generate_certificate(key).public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return certificate_path, key_path


@asynccontextmanager
async def pushed(clip: Path, url: str, certificate: tuple[Path, Path]) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.server.whip_ffmpeg",
        *(str(argument) for argument in (clip, url, TOKEN, *certificate)),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield
    finally:
        _, said = await process.communicate(b"")
        assert process.returncode == 0, said.decode()


def likeness_db(picture: Picture, wanted: Picture) -> float:
    error = picture.astype(float) - wanted.astype(float)
    return float(10 * np.log10(255**2 / max(1e-9, (error**2).mean())))


async def test_a_clip_pushed_by_ffmpeg_comes_out_edited_and_with_its_sound(
    server: RunningServer, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    negatives = [np.asarray(255 - picture) for picture in pictures(24)]
    async with server.http() as http, Watcher(http, TOKEN) as viewer:
        async with pushed(clip, f"{server.url}/whip?instruction=invert", certificate):
            await until(lambda: any(session.state == "live" for session in server.service.sessions), 30)
            assert (await viewer.post("/whep")).status_code == 201
            async with asyncio.timeout(20):
                likeness = 0.0
                while likeness < 26:
                    seen = await viewer.sees()
                    assert seen.shape == (128, 192, 3)
                    likeness = max(likeness_db(seen, negative) for negative in negatives)
            sound = await viewer.hears(25)
            assert np.abs(sound.to_ndarray()).max() > 1000
        # It has said goodbye by DELETE.
        await until(lambda: len(server.service.sessions) == 0)


async def test_a_publisher_that_answers_no_check_for_consent_goes_on(
    server: RunningServer, certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Six checks without an answer, which take half a minute otherwise, are the end to aioice.
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.01)
    clip = make_clip(tmp_path / "clip.mp4")
    async with pushed(clip, f"{server.url}/whip?instruction=invert", certificate):
        await until(lambda: any(session.state == "live" for session in server.service.sessions), 30)
        (session,) = server.service.sessions
        await asyncio.sleep(2 * aioice.ice.CONSENT_FAILURES * RETRY_RTO)
        assert list(server.service.sessions) == [session]
        assert session.state == "live"
