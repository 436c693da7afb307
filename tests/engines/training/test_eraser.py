import torch

from engines.backbones.tiny import Eraser, NormalisedConv2d
from engines.codecs import PatchCodec
from engines.training.eraser import eraser_loss, with_balloons

GREY = torch.full((12, 3, 64, 64), 0.4)


def covered() -> tuple[torch.Tensor, torch.Tensor]:
    return with_balloons(GREY, torch.Generator().manual_seed(0))


def test_what_balloons_cover_is_just_where_the_picture_changed() -> None:
    sources, covers = covered()

    assert covers.shape == (12, 1, 64, 64)
    changed = (sources - GREY).abs().amax(1, keepdim=True)
    assert float(changed[covers < 1e-3].max()) < 0.01
    assert float(covers.max()) > 0.99
    assert float(covers.min()) >= 0


def test_some_pictures_have_no_balloon() -> None:
    _, covers = with_balloons(GREY.repeat(5, 1, 1, 1), torch.Generator().manual_seed(0))

    assert 1 <= int((covers.amax((1, 2, 3)) == 0).sum()) <= 25


def test_the_loss_is_least_for_the_truth() -> None:
    _, covers = covered()
    sure = torch.nn.functional.pixel_unshuffle(torch.nn.functional.avg_pool2d(covers, 2) * 40 - 20, 2)
    fill = PatchCodec(2).encode(GREY * 2 - 1)

    right = eraser_loss(sure, fill, covers, GREY)
    assert right < eraser_loss(-sure, fill, covers, GREY)
    assert right < eraser_loss(sure, fill + 0.5, covers, GREY)


def test_the_eraser_gives_logits_and_a_latent_of_the_sources_size() -> None:
    found, fill = Eraser(48, (16, 16, 16), NormalisedConv2d)(torch.zeros(1, 48, 12, 20))

    assert found.shape == (1, 4, 12, 20)
    assert fill.shape == (1, 48, 12, 20)
