import numpy as np
import pytest
from numpy.typing import NDArray

from engines.drift import LEARN_FRAMES, DriftMeter

Picture = NDArray[np.uint8]


def scene(frame: int, brightness: int = 0) -> Picture:
    """A coloured pattern that moves, brighter where asked."""
    y, x = np.mgrid[0:64, 0:96]
    waves = [np.sin((x + frame) / 9 + c) + np.cos((y - frame) / (7 + c)) for c in range(3)]
    levels: Picture = np.clip(120 + 40 * np.stack(waves, -1) + brightness, 0, 255).astype(np.uint8)
    return levels


def negative(picture: Picture) -> Picture:
    return np.asarray(255 - picture, np.uint8)


def shifted(picture: Picture, levels: int) -> Picture:
    moved: Picture = np.clip(picture.astype(int) + levels, 0, 255).astype(np.uint8)
    return moved


def learnt(meter: DriftMeter) -> DriftMeter:
    for frame in range(LEARN_FRAMES):
        assert meter.measure(scene(frame), negative(scene(frame))) is None
    return meter


def test_an_edit_that_keeps_its_look_does_not_drift() -> None:
    meter = learnt(DriftMeter())
    measured = [meter.measure(scene(frame), negative(scene(frame))) for frame in range(10, 80)]

    assert measured[-1] == pytest.approx(0, abs=0.005)


def test_a_scene_that_gets_brighter_is_no_drift() -> None:
    meter = learnt(DriftMeter())
    measured = [meter.measure(scene(f, f), negative(scene(f, f))) for f in range(10, 60)]

    assert measured[-1] == pytest.approx(0, abs=0.01)


def test_a_cast_of_a_tenth_is_a_drift_of_a_tenth() -> None:
    meter = learnt(DriftMeter())
    measured = [meter.measure(scene(f), shifted(negative(scene(f)), 26)) for f in range(10, 310)]

    assert measured[-1] == pytest.approx(26 / 255, abs=0.01)


def test_noise_in_single_frames_averages_out() -> None:
    meter = learnt(DriftMeter())
    measured = [meter.measure(scene(f), shifted(negative(scene(f)), 26 * (-1) ** f)) for f in range(10, 110)]

    assert max(value for value in measured if value is not None) < 0.01


def test_after_a_reset_the_present_look_is_the_right_one() -> None:
    meter = learnt(DriftMeter())
    meter.reset()
    for frame in range(LEARN_FRAMES):
        assert meter.measure(scene(frame), shifted(scene(frame), 30)) is None

    assert meter.measure(scene(40), shifted(scene(40), 30)) == pytest.approx(0, abs=0.005)


def test_another_strength_begins_anew() -> None:
    meter = learnt(DriftMeter())

    assert meter.measure(scene(10), negative(scene(10)), strength=0.5) is None


def test_a_grey_empty_scene_has_an_answer() -> None:
    meter, grey = DriftMeter(), np.full((64, 64, 3), 128, np.uint8)
    measured = [meter.measure(grey, grey) for _ in range(LEARN_FRAMES + 5)]

    assert measured[-1] == pytest.approx(0, abs=0.005)


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="for a source of"):
        DriftMeter().measure(scene(0), np.zeros((32, 32, 3), np.uint8))
