import pytest
import torch

from engines.training.media import Scene
from engines.training.people import _SKIN, UNKNOWN, _dressed, _jpeg, _toned, people_crop


def person_scene() -> Scene:
    """A white person in the left half of a black room."""
    frames = torch.zeros(1, 3, 256, 256, dtype=torch.uint8)
    frames[..., :128] = 255
    return Scene("photo", frames, frames[:, :1].clone())


def figure_scene() -> Scene:
    """Somebody in red, seen whole in a grey room."""
    mattes = torch.zeros(1, 1, 256, 256, dtype=torch.uint8)
    mattes[..., 60:200, 100:150] = 255
    red = torch.tensor([220, 20, 20], dtype=torch.uint8).view(1, 3, 1, 1)
    return Scene("figure", torch.where(mattes > 0, red, torch.full_like(red, 120)), mattes)


def test_picture_and_matte_of_a_crop_stay_together() -> None:
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        pictures, mattes = people_crop(person_scene(), None, 3, 2, 64, generator)
        assert pictures.shape == (3, 3, 64, 64)
        assert mattes.shape == (3, 1, 64, 64)
        bright = pictures.mean(1, keepdim=True) > 0.4
        assert float((bright == (mattes > 0.5)).float().mean()) > 0.98


def test_a_person_can_be_put_before_another_scene() -> None:
    green = Scene(
        "backdrop", torch.tensor([30, 200, 30], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 256, 256)
    )
    pictures, mattes = people_crop(person_scene(), green, 1, 1, 64, torch.Generator().manual_seed(2))
    behind = pictures[0].permute(1, 2, 0)[mattes[0, 0] < 0.02]

    assert len(behind)
    assert float((behind[:, 1] - behind[:, 0]).mean()) > 0.3


def test_a_scene_without_mattes_has_no_people_to_crop() -> None:
    scene = Scene("photo", torch.zeros(1, 3, 256, 256, dtype=torch.uint8))
    with pytest.raises(ValueError, match="photo has no mattes"):
        people_crop(scene, None, 1, 1, 64, torch.Generator())

    with pytest.raises(ValueError, match="photo has no mattes"):
        people_crop(figure_scene(), None, 1, 1, 64, torch.Generator(), companion=scene)


@pytest.mark.parametrize("seed", range(8))
def test_a_companion_adds_to_the_people_of_a_crop(seed: int) -> None:
    def person_share(companion: Scene | None) -> float:
        generator = torch.Generator().manual_seed(seed)
        return float(people_crop(nobody_there, None, 1, 1, 256, generator, companion)[1].mean())

    nobody_there = Scene(
        "room",
        torch.full((1, 3, 256, 256), 120, dtype=torch.uint8),
        torch.zeros(1, 1, 256, 256, dtype=torch.uint8),
    )

    assert person_share(None) == 0
    assert person_share(figure_scene()) > 0.001


@pytest.mark.parametrize("seed", range(8))
def test_nobody_is_cut_off_in_the_middle_of_a_picture(seed: int) -> None:
    """Somebody whom their own picture cuts off below stands on the lower edge, however small."""
    standing = figure_scene()
    frames, mattes = standing.frames.clone(), torch.zeros(1, 1, 256, 256, dtype=torch.uint8)
    mattes[..., 100:, 60:120] = 255
    room = Scene("room", torch.full((1, 3, 256, 256), 90, dtype=torch.uint8))
    matte = people_crop(
        Scene("standing", frames, mattes), room, 1, 1, 128, torch.Generator().manual_seed(seed)
    )[1][0, 0]

    inside = (matte > 0.5).any(1).nonzero().flatten()
    assert len(inside) == 0 or int(inside.max()) >= 126


def test_where_nobody_has_looked_stays_unknown() -> None:
    room = Scene("room", torch.full((1, 3, 256, 256), 90, dtype=torch.uint8))
    for seed in range(10):
        mattes = people_crop(figure_scene(), room, 2, 1, 64, torch.Generator().manual_seed(seed))[1]
        assert bool(((mattes == UNKNOWN) | (mattes >= 0)).all())
        assert float((mattes == UNKNOWN).float().mean()) > 0.3


def test_a_jpeg_of_low_quality_is_still_the_picture() -> None:
    picture = torch.linspace(0, 1, 64).expand(3, 64, 64)
    torch.testing.assert_close(_jpeg(picture, 30), picture, atol=0.06, rtol=0)


def test_varied_crops_keep_picture_and_matte_together() -> None:
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        pictures, mattes = people_crop(person_scene(), None, 3, 2, 64, generator, varied=True)
        white, black = (pictures[(side > 0.5).expand_as(pictures)] for side in (mattes, 1 - mattes))
        assert pictures.shape == (3, 3, 64, 64)
        assert len(black) == 0 or float(white.mean()) > float(black.mean()) + 0.1


def test_clothes_change_and_skin_stays() -> None:
    blue = torch.tensor([0.1, 0.2, 0.7]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    skin = torch.tensor(_SKIN).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    dressed = [
        _dressed(torch.cat([blue, skin], 3), torch.Generator().manual_seed(seed))[0] for seed in range(12)
    ]
    clothes = torch.stack([picture[:, 16, 8] for picture in dressed])
    faces = torch.stack([picture[:, 16, 56] for picture in dressed])

    assert int((clothes.std(0) > 0.1).sum()) >= 2
    torch.testing.assert_close(faces, skin[:, :, 0, 0].expand_as(faces), atol=0.06, rtol=0)


def test_a_full_turn_of_hues_is_the_picture_and_greys_stay_grey() -> None:
    colours = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
    greys = colours[:, :1].expand(2, 3, 8, 8)
    as_it_is = ((1.0, 1.0), (1.0, 1.0))

    torch.testing.assert_close(_toned(colours, 0.0, *as_it_is, torch.Generator()), colours)
    turned = _toned(greys, 0.5, *as_it_is, torch.Generator().manual_seed(3))
    torch.testing.assert_close(turned, greys)
    assert not torch.allclose(_toned(colours, 0.5, *as_it_is, torch.Generator().manual_seed(3)), colours)
