import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.backbones.regions import Defocus, Hue
from engines.backbones.tiny import TinyConfig, TinyDenoiser
from engines.codecs import PatchCodec
from engines.families import FAMILIES
from engines.training.filters import luma
from engines.training.regions import near_hue

CODEC = PatchCodec(2)
RED, BLUE = (0.9, 0.1, 0.1), (0.1, 0.25, 0.95)


def code(given: tuple[float, float, float], meant: tuple[float, float, float]) -> Tensor:
    return torch.tensor([*given, *meant])[None]


def patches(*colours: tuple[float, float, float]) -> Tensor:
    """Plain colours side by side, each 16 pixels wide, (1, 3, 16, ·) in [0, 1]."""
    return torch.cat([torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 16, 16) for colour in colours], 3)


def pixels(latent: Tensor) -> Tensor:
    return (CODEC.decode(latent) + 1) / 2


@pytest.fixture
def hue() -> Hue:
    """With the target's own thresholds, and paint that keeps lightness and vividness."""
    part = Hue()
    with torch.no_grad():
        part.direction.copy_(torch.tensor([2.0, 1.6]))
        part.vividness.copy_(torch.tensor([2.5, 0.55]))
    last = part.paint[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return part


def test_things_of_the_named_colour_are_found_and_no_others(hue: Hue) -> None:
    picture = patches(RED, (0.7, 0.2, 0.15), (0.2, 0.7, 0.2), (0.5, 0.5, 0.5), BLUE)
    near = CODEC.decode(hue(CODEC.encode(picture * 2 - 1), code(BLUE, RED))[0])
    meant = near_hue(picture, torch.tensor(RED).view(1, 3, 1, 1))
    inside = [slice(16 * index + 4, 16 * index + 12) for index in range(5)]

    for place in inside:
        torch.testing.assert_close(
            near[..., 4:12, place].mean(1, keepdim=True), meant[..., 4:12, place], atol=0.03, rtol=0
        )


def test_paint_has_the_hue_of_the_colour_given_and_the_light_of_the_thing(hue: Hue) -> None:
    picture = patches(RED)
    painted, grey = (pixels(each) for each in hue(CODEC.encode(picture * 2 - 1), code(BLUE, RED))[1:])
    torch.testing.assert_close(luma(painted), luma(picture), atol=0.01, rtol=0)
    torch.testing.assert_close(grey, luma(picture).expand_as(grey), atol=1e-3, rtol=0)

    assert bool((painted[:, 2] > painted[:, 0] + 0.3).all())


def test_each_picture_of_a_batch_has_its_own_colours(hue: Hue) -> None:
    pictures = torch.cat([patches(RED), patches(BLUE)])
    codes = torch.cat([code(BLUE, RED), code(RED, BLUE)])
    together = hue(CODEC.encode(pictures * 2 - 1), codes)
    alone = hue(CODEC.encode(pictures[1:] * 2 - 1), codes[1:])

    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one[1:], other)


def test_nobodys_colours_are_in_the_background_out_of_focus() -> None:
    part = Defocus()
    picture = torch.cat([patches(RED), patches(BLUE)], 3)
    behind = torch.zeros(1, 4, 4, 8)
    behind[..., 4:] = 1
    blurred = pixels(part(CODEC.encode(picture * 2 - 1), behind, torch.ones(1)))
    flat = torch.tensor(BLUE).view(1, 3, 1, 1).expand(1, 3, 16, 12)

    torch.testing.assert_close(blurred[..., 20:], flat, atol=0.02, rtol=0)


@torch.no_grad()
def test_a_larger_amount_blurs_more_once_that_is_learned() -> None:
    part = Defocus()
    first, last = part.width[0], part.width[2]
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    nn.init.ones_(first.weight)
    nn.init.constant_(first.bias, -0.8)
    last.weight.copy_(torch.tensor([[-4.0], [0.0], [4.0]]).expand(3, 16))
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    behind = torch.ones(1, 4, 16, 16)
    little, much = (
        float(
            pixels(part(CODEC.encode(noise * 2 - 1), behind, torch.tensor([amount])))[..., 8:-8, 8:-8].std()
        )
        for amount in (0.4, 1.6)
    )

    assert much < 0.8 * little < 0.5 * float(noise.std())


def test_before_a_wall_the_rim_of_a_person_keeps_nothing_of_what_was_behind() -> None:
    """A person's edge on a green room, put before a blue wall: half person, half wall."""
    denoiser = small_denoiser()
    person, room, wall = (torch.tensor(colour).view(3, 1, 1) for colour in (RED, (0.1, 0.6, 0.2), BLUE))
    share = torch.zeros(1, 64, 64)
    share[:, :, :32] = 1
    share[:, :, 32:34] = 0.5
    source = CODEC.encode(torch.lerp(room, person, share)[None] * 2 - 1)
    logits = torch.logit(share, eps=1e-4)[None]
    figure = F.pixel_unshuffle(F.interpolate(logits, scale_factor=0.5), 2)
    code = torch.zeros(1, denoiser.code_length)
    code[:, FAMILIES.index("background_replace")] = 1
    code[:, -6:-3] = torch.tensor(BLUE)

    walled = denoiser.defocused(torch.zeros_like(source), source, figure, code)
    shown = pixels(denoiser.spared(walled, source, figure, code))
    expected = torch.lerp(wall, person, share)

    torch.testing.assert_close(shown[0, ..., 36:-8], expected[..., 36:-8], atol=0.01, rtol=0)
    torch.testing.assert_close(shown[0, :, 8:-8, 8:30], expected[:, 8:-8, 8:30], atol=0.01, rtol=0)
    # Green is in neither of the two; where exactly within 2x2 pixels the person ends, their share does not say.
    assert float(shown[0, 1, 8:-8, 28:38].max()) < 0.35


def small_denoiser() -> TinyDenoiser:
    torch.manual_seed(0)
    families = tuple(FAMILIES.index(name) for name in ("background_blur", "background_replace"))
    small = TinyConfig(
        widths=(8, 8, 8),
        context_width=8,
        figure_ramp=(0.0, 1.0),
        defocus_families=families,
    )
    return TinyDenoiser(small).eval().requires_grad_(False)
