import pytest
import torch
from torch import Tensor, nn

from engines.training.media import Scene
from engines.training.validation import FEWEST, SHARE, Overlap, split, subject_of


def scene(name: str, masked: bool = True, frames: int = 1) -> Scene:
    """A white person in the left half of a black room."""
    pictures = torch.zeros(frames, 3, 256, 288, dtype=torch.uint8)
    pictures[..., :144] = 255
    return Scene(name, pictures, pictures[:, :1].clone() if masked else None)


class Bright(nn.Module):
    """Takes whatever is bright for a person."""

    def forward(self, source: Tensor) -> Tensor:
        grey = nn.functional.pixel_shuffle(source, 4).mean(1, keepdim=True)
        return 100 * nn.functional.pixel_unshuffle(nn.functional.avg_pool2d(grey, 2), 2)


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("clips/train/talk_ann_1.mp4", "talk_ann"),
        ("clips/train/talk_ann_2.mp4", "talk_ann"),
        ("photos/Photo-017.jpg", "photo_017"),
        ("photos/photo_017_crop2.jpg", "photo_017"),
        ("moonwalk.mp4", "moonwalk"),
    ],
)
def test_a_name_tells_who_is_shown(name: str, subject: str) -> None:
    assert subject_of(name) == subject


def test_a_share_of_the_people_is_held_out_with_all_that_shows_them() -> None:
    scenes = [scene(f"talk_{who}_{take}.mp4", masked=take < 2) for who in range(200) for take in range(3)]
    held_out = split(scenes)
    training, validation = (
        {subject_of(each.name) for each in side} for side in (held_out.training, held_out.validation)
    )

    assert not training & validation
    assert len(training | validation) == 200
    assert 0.5 * SHARE < len(validation) / 200 < 1.5 * SHARE
    assert all(each.mattes is not None for each in held_out.validation)
    assert len(held_out.validation) == 2 * len(validation)


def test_what_is_held_out_stays_so_when_scenes_join() -> None:
    scenes = [scene(f"talk_{who}.mp4") for who in range(100)]
    few, many = split(scenes[:60]), split([*scenes, scene("room_1.mp4", masked=False)])

    assert {each.name for each in few.validation} <= {each.name for each in many.validation}


def test_few_people_are_all_trained_on() -> None:
    scenes = [scene(f"talk_{who}.mp4") for who in range(FEWEST)]

    assert split(scenes).training == scenes
    assert split(scenes).validation == []


def test_the_overlap_of_everybody_is_intersection_over_union() -> None:
    nobody = Scene("dark_1", torch.zeros(1, 3, 256, 256, dtype=torch.uint8), torch.zeros(1, 1, 256, 256))
    half = scene("talk_bob_1")
    assert half.mattes is not None
    wide = Scene("talk_bob_1", half.frames, torch.full_like(half.mattes, 255))
    people = [scene("talk_ann_1"), scene("talk_ann_2", frames=9), wide, nobody]

    overlaps = Overlap(people, torch.device("cpu"))(Bright())
    assert overlaps.tolist() == pytest.approx([1, 0.5, 1], abs=0.01)


def test_a_scene_without_mattes_has_no_overlap() -> None:
    with pytest.raises(ValueError, match="room has no mattes"):
        Overlap([scene("room", masked=False)], torch.device("cpu"))
