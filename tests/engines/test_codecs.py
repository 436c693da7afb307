import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny

from engines.codecs import AutoencoderCodec, PatchCodec, load_autoencoder
from tests.engines.stock import kl, taesd

PIXELS = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(("channels", "shift"), [(4, None), (16, 0.0609)])
def test_scale_and_shift_are_applied_once_each_way(channels: int, shift: float | None) -> None:
    torch.manual_seed(0)
    autoencoder = kl(channels, shift).eval()
    codec = AutoencoderCodec(autoencoder)
    with torch.inference_mode():
        mean = autoencoder.encode(PIXELS).latent_dist.mean
        latent = codec.encode(PIXELS)
        expected = (mean - (shift or 0.0)) * autoencoder.config.scaling_factor

        torch.testing.assert_close(latent, expected)
        torch.testing.assert_close(codec.decode(latent), autoencoder.decode(mean).sample)
    assert latent.shape == (2, codec.channels, 32 // codec.downscale, 48 // codec.downscale)
    assert (codec.channels, codec.downscale) == (channels, 8)


@pytest.mark.parametrize("channels", [4, 16])
def test_the_small_autoencoders_latents_are_normalised_already(channels: int) -> None:
    torch.manual_seed(0)
    autoencoder = taesd(channels).eval()
    codec = AutoencoderCodec(autoencoder)
    with torch.inference_mode():
        latent = codec.encode(PIXELS)
        torch.testing.assert_close(latent, autoencoder.encode(PIXELS).latents)
        torch.testing.assert_close(codec.decode(latent), autoencoder.decode(latent).sample)
    assert latent.shape == (2, channels, 4, 6)


def test_the_same_picture_has_the_same_latent() -> None:
    torch.manual_seed(0)
    codec = AutoencoderCodec(kl().eval())
    with torch.inference_mode():
        assert torch.equal(codec.encode(PIXELS), codec.encode(PIXELS))


def test_a_latent_has_no_bounds() -> None:
    latent = torch.full((1, 4, 2, 2), 7.0)
    assert torch.equal(AutoencoderCodec(kl().eval()).limit(latent), latent)


def test_both_kinds_are_read_from_their_folders(tmp_path: Path) -> None:
    kl().save_pretrained(tmp_path / "kl")
    taesd().save_pretrained(tmp_path / "tiny")

    assert isinstance(load_autoencoder(tmp_path / "kl", torch.float32).autoencoder, AutoencoderKL)
    read = load_autoencoder(tmp_path / "tiny", torch.bfloat16)
    assert isinstance(read.autoencoder, AutoencoderTiny)
    assert {weight.dtype for weight in read.parameters()} == {torch.bfloat16}


def test_another_kind_of_autoencoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"_class_name": "VQModel"}')
    with pytest.raises(ValueError, match="VQModel is not an autoencoder that can be used"):
        load_autoencoder(tmp_path, torch.float32)


@pytest.mark.parametrize("halvings", [1, 2, 3])
def test_planes_without_torch_are_what_decoding_gives(halvings: int) -> None:
    codec = PatchCodec(halvings)
    latent = torch.randn(codec.channels, 4, 6, generator=torch.Generator().manual_seed(0))

    planes = codec.planes(latent.numpy())

    assert torch.equal(torch.from_numpy(planes), codec.decode(latent[None])[0])
    assert torch.equal(torch.from_numpy(codec.squares(planes)), latent)


def test_a_codec_that_diffusers_saved_is_read_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    taesd().save_pretrained(tmp_path)
    assert "block_out_channels" in json.loads((tmp_path / "config.json").read_text())

    read = load_autoencoder(tmp_path, torch.float32)
    assert caplog.text == ""
    assert (read.downscale, read.autoencoder.config["block_out_channels"]) == (8, [8, 8, 8, 8])

    config = tmp_path / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "riddle": 1}))
    load_autoencoder(tmp_path, torch.float32)
    assert "{'riddle': 1} were passed to AutoencoderTiny" in caplog.text
