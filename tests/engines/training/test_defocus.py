import torch

from engines.codecs import PatchCodec
from engines.training.defocus import defocus_loss
from engines.training.regions import blurred_behind


def test_the_loss_is_of_what_is_seen_behind_people_alone() -> None:
    generator, codec = torch.Generator().manual_seed(0), PatchCodec(2)
    pictures, amounts = torch.rand(2, 3, 64, 64, generator=generator), torch.tensor([0.6, 1.2])
    mattes = torch.zeros(2, 1, 64, 64)
    mattes[..., :32] = 1
    blurred = blurred_behind(pictures, amounts.view(-1, 1, 1, 1), mattes)
    before_people = torch.where(mattes > 0, 1 - blurred, blurred)

    assert defocus_loss(codec.encode(before_people * 2 - 1), pictures, mattes, amounts, codec) < 2e-3
    assert defocus_loss(codec.encode(pictures * 2 - 1), pictures, mattes, amounts, codec) > 0.05
