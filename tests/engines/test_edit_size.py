import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.edit_size import edit_size


@pytest.mark.parametrize(
    ("camera", "edit"),
    [
        ((640, 480), (336, 256)),
        ((480, 640), (256, 336)),
        ((1280, 720), (448, 256)),
        ((1920, 1080), (448, 256)),
        ((512, 512), (256, 256)),
        ((160, 120), (176, 128)),
        ((4000, 10), (64, 16)),
    ],
)
def test_the_size_keeps_the_aspect_as_nearly_as_it_can(
    camera: tuple[int, int], edit: tuple[int, int]
) -> None:
    assert edit_size(*camera, short_side=256) == edit


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from((128, 256, 512)))
def test_both_sides_are_multiples_of_16_and_bounded(width: int, height: int, short_side: int) -> None:
    edited = edit_size(width, height, short_side)
    assert all(side % 16 == 0 and side >= 16 for side in edited)
    assert min(edited) <= short_side
    assert max(edited) <= 4 * short_side + 16
    assert (edited[0] >= edited[1]) == (width >= height) or edited[0] == edited[1]


def test_no_picture_has_no_size() -> None:
    with pytest.raises(ValueError, match="0x480"):
        edit_size(0, 480, 256)
