import os
import sys

import numpy as np
import pytest

from server.camera.device import CameraUnavailableError, advice, open_device
from tests.server.camera import backend

SIZE = (64, 48)


def test_a_missing_package_is_named_with_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(
        CameraUnavailableError, match=r"not installed: \.venv/bin/pip install .* pyvirtualcam"
    ):
        open_device(SIZE, 30.0, None, None)


def test_an_unknown_driver_is_answered_with_those_there_are() -> None:
    backend.register()
    with pytest.raises(CameraUnavailableError, match=r"no backend 'nonsense' here; there is .*kept"):
        open_device(SIZE, 30.0, None, "nonsense")


def test_a_camera_is_opened_by_its_driver_at_its_size() -> None:
    backend.register()
    device = open_device(SIZE, 24.0, "Kept Camera", backend.NAME)
    kept = backend.KeptCamera.opened[-1]
    assert (kept.size, kept.fps, device.device) == (SIZE, 24.0, "Kept Camera")
    device.send(np.full((48, 64, 3), 7, np.uint8))
    device.close()
    assert (kept.pictures[-1].tolist(), kept.closed) == (np.full((48, 64, 3), 7).tolist(), True)


@pytest.mark.parametrize(
    ("system", "said", "words"),
    [
        (
            "Linux",
            "'v4l2loopback' backend: No v4l2 loopback device found at /dev/video[0-99].",
            "apt-get install",
        ),
        ("Linux", "'v4l2loopback' backend: Device /dev/video9 does not exist.", "modprobe v4l2loopback"),
        (
            "Linux",
            "'v4l2loopback' backend: Could not access /dev/video9 due to missing permissions.",
            "usermod",
        ),
        ("Linux", "'v4l2loopback' backend: Device /dev/video0 is not a V4L2 device.", "real camera"),
        (
            "Linux",
            "'v4l2loopback' backend: Device capabilities of /dev/null could not be queried.",
            "no video",
        ),
        (
            "Linux",
            "'v4l2loopback' backend: Virtual camera device /dev/video9 could not be configured: busy",
            "take 64x48",
        ),
        ("Darwin", "'obs' backend: OBS Virtual Camera is not installed in your system.", "OBS 30"),
        ("Darwin", "'obs' backend: Couldn't start stream", "stop it in OBS"),
        (
            "Windows",
            "'obs' backend: OBS Virtual Camera device not found! Did you install OBS?",
            "install OBS 28",
        ),
        (
            "Windows",
            "'obs' backend: virtual camera output could not be started\n'unitycapture' backend: No camera",
            "stop it in OBS",
        ),
        ("Plan9", "what is this?", "cannot be opened: what is this?"),
    ],
)
def test_every_refusal_says_what_to_do_in_one_line(system: str, said: str, words: str) -> None:
    line = advice(system, said, SIZE)
    assert words in line
    assert said.splitlines()[0] in line
    assert "\n" not in line


@pytest.mark.skipif(sys.platform != "linux", reason="v4l2 is Linux's")
def test_a_v4l2loopback_device_shows_what_it_is_sent() -> None:
    try:
        device = open_device(SIZE, 30.0, None, "v4l2loopback")
    except CameraUnavailableError as error:
        pytest.skip(f"the kernel has no v4l2loopback device: {error}")
    try:
        device.send(np.full((48, 64, 3), 255, np.uint8))
        reader = os.open(device.device, os.O_RDONLY)
        try:
            # v4l2loopback gives a reader the last frame, I420 as pyvirtualcam has set it: luma first, 235 is white.
            luma = np.frombuffer(os.read(reader, 48 * 64 * 3 // 2), np.uint8)[: 48 * 64]
        finally:
            os.close(reader)
        assert abs(float(luma.mean()) - 235) < 3
    finally:
        device.close()
