"""Edits leave at their camera's own resolution."""

from typing import cast

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from server.session.detail import Detail, shown_size
from server.session.frame import Frame, Picture

CAMERA = (640, 480)
EDIT = (336, 256)


@pytest.fixture
def frame() -> Frame:
    """A photograph from a camera of 640x480, edited (inverted) at 336x256."""
    photo = np.ascontiguousarray(data.astronaut()[16:496])  # type: ignore[no-untyped-call]
    camera = av.VideoFrame.from_ndarray(photo, format="rgb24").reformat(*CAMERA, "yuv420p")
    source = cast(Picture, camera.reformat(*EDIT, "rgb24").to_ndarray())
    edit = np.asarray(255 - source)
    return Frame(0, 0, source, CAMERA, 0.0, 0.0, camera=camera, picture=edit, kind="edited")


@pytest.mark.parametrize(
    ("camera", "edit", "short_side", "shown"),
    [
        ((640, 480), (336, 256), 480, (640, 480)),
        ((1280, 720), (448, 256), 480, (854, 480)),
        ((480, 640), (256, 336), 480, (480, 640)),
        ((641, 481), (336, 256), 720, (640, 480)),
        ((320, 240), (320, 240), 480, (320, 240)),
        ((640, 480), (336, 256), 0, (336, 256)),
        ((640, 480), (336, 256), 256, (336, 256)),
    ],
)
def test_an_edit_is_shown_as_large_as_its_camera_and_the_setting_allow(
    camera: tuple[int, int], edit: tuple[int, int], short_side: int, shown: tuple[int, int]
) -> None:
    assert shown_size(camera, edit, short_side) == shown


async def test_an_edit_takes_its_cameras_detail(frame: Frame) -> None:
    detail = Detail(480)
    await detail.restore(frame)
    detail.close()

    assert frame.camera is not None
    exact = av.VideoFrame.from_ndarray(255 - frame.camera.to_ndarray(format="rgb24"), format="rgb24")
    wanted = luma(exact.reformat(*CAMERA, "yuv420p"))
    plain = luma(av.VideoFrame.from_ndarray(255 - frame.source, format="rgb24").reformat(*CAMERA, "yuv420p"))
    shown = luma(frame.video())
    assert error(shown, wanted) < 0.5 * error(plain, wanted)
    assert (frame.video().width, frame.video().height) == CAMERA
    assert frame.detailed_s is not None


async def test_an_edit_that_wants_no_detail_is_only_enlarged(frame: Frame) -> None:
    frame.guided = False
    detail = Detail(480)
    await detail.restore(frame)
    detail.close()
    assert frame.picture is not None
    plain = av.VideoFrame.from_ndarray(frame.picture, format="rgb24").reformat(
        *CAMERA, "yuv420p", interpolation="BICUBIC"
    )
    assert error(luma(frame.video()), luma(plain)) < 0.5


async def test_an_untouched_frame_is_the_cameras_own(frame: Frame) -> None:
    detail = Detail(480)
    await detail.restore(frame.let_through())
    detail.close()
    assert frame.camera is not None
    assert np.array_equal(frame.video().to_ndarray(), frame.camera.to_ndarray())


async def test_without_detail_an_edit_leaves_as_it_was_made(frame: Frame) -> None:
    detail = Detail(0)
    await detail.restore(frame)
    detail.close()
    assert frame.shown is None
    assert frame.picture is not None
    assert np.array_equal(frame.video().to_ndarray(), frame.picture)


def luma(video: av.VideoFrame) -> NDArray[np.int16]:
    return video.to_ndarray()[: video.height].astype(np.int16)


def error(a: NDArray[np.int16], b: NDArray[np.int16]) -> float:
    return float(np.abs(a - b).mean())
