import json
import re
import resource
import shutil
import signal
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from torch import Tensor

from engines.codecs import AutoencoderCodec
from engines.model import ModelError, load_parts
from engines.pretrained import convert as module
from engines.pretrained.checkpoint import read_checkpoint
from engines.pretrained.convert import Conversion, convert, main
from engines.pretrained.index import index_of
from engines.program import frame_program
from server.models import main as models
from tests.engines.stock import save_instruct_pix2pix, save_sd15, save_sd35, taesd

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("stock")
    return {
        "sd15": save_sd15(folder / "sd15"),
        "pix2pix": save_instruct_pix2pix(folder / "pix2pix"),
        "sd35": save_sd35(folder / "sd35"),
    }


def edited(folder: Path, text: str = "make it snow") -> Tensor:
    """The latent of one frame, whatever the model."""
    parts = load_parts(folder)
    generator = torch.Generator().manual_seed(0)
    picture = torch.randint(0, 256, (1, 64, 64, 3), generator=generator, dtype=torch.uint8)
    memory, noise = torch.randn(2, 1, parts.codec.channels, 8, 8, generator=generator)
    code = parts.instruction_encoder.encode(text).code[None]
    with torch.inference_mode():
        latent: Tensor = frame_program(parts, 2)(picture, memory, noise, code, torch.ones(1))[1]
    return latent


@pytest.mark.parametrize(
    ("kind", "trained"),
    [("sd15", ("noisy",)), ("pix2pix", ("noisy", "source")), ("sd35", ("noisy",))],
)
def test_a_converted_model_does_what_the_stock_one_did(
    tmp_path: Path, stock: dict[str, Path], kind: str, trained: tuple[str, ...]
) -> None:
    target = tmp_path / "mine"
    written = convert(Conversion(stock[kind], target, made_from=kind))
    index = index_of(written, "")

    torch.testing.assert_close(edited(target), edited(stock[kind]), atol=1e-4, rtol=1e-4)
    assert (index.name, index.trained_inputs, index.made_from) == ("mine", trained, kind)
    assert written.denoiser.config["in_channels"] == 3 * written.channels
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_network_of_several_files_is_read_by_diffusers(tmp_path: Path, stock: dict[str, Path]) -> None:
    whole, split = tmp_path / "whole", tmp_path / "split"
    convert(Conversion(stock["sd15"], whole, made_from=""))
    convert(Conversion(stock["sd15"], split, made_from="", shard_bytes=100_000))

    assert len(read_checkpoint(split).denoiser.weights) > 2
    one, many = (UNet2DConditionModel.from_pretrained(folder / "unet") for folder in (whole, split))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), many.parameters(), strict=True))


def test_the_network_can_be_stored_in_half_precision(tmp_path: Path, stock: dict[str, Path]) -> None:
    convert(Conversion(stock["sd15"], tmp_path / "half", made_from="", dtype=torch.float16))
    whole, half = read_checkpoint(stock["sd15"]).denoiser, read_checkpoint(tmp_path / "half").denoiser

    assert half.stored_bytes < 0.6 * whole.stored_bytes


def test_another_codec_takes_the_place_of_the_checkpoints_own(tmp_path: Path, stock: dict[str, Path]) -> None:
    taesd().save_pretrained(tmp_path / "taesd")
    convert(Conversion(stock["pix2pix"], tmp_path / "quick", made_from="", codec=tmp_path / "taesd"))

    codec = load_parts(tmp_path / "quick").codec
    assert isinstance(codec, AutoencoderCodec)
    assert isinstance(codec.autoencoder, AutoencoderTiny)
    with pytest.raises(ModelError, match=r"latents of 4 channels, rfdm3\.5 has 16"):
        convert(Conversion(stock["sd35"], tmp_path / "wrong", made_from="", codec=tmp_path / "taesd"))


def test_t5_may_be_left_out(tmp_path: Path, stock: dict[str, Path]) -> None:
    written = convert(Conversion(stock["sd35"], tmp_path / "light", made_from="", without_t5=True))
    index = json.loads((tmp_path / "light" / "model_index.json").read_text())

    assert "text_encoder_3" not in written.components
    assert (index["t5_tokens"], "tokenizer_3" in index) == (0, False)
    assert load_parts(tmp_path / "light").denoiser.tokens == 24


def spoil(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


SPOILT: dict[str, tuple[str, str, dict[str, object], str]] = {
    "network of other widths": (
        "sd15",
        "unet/config.json",
        {"block_out_channels": [24, 32]},
        r"unet/config\.json is not of these weights: by it conv_in\.bias is of 24, stored is one of 16",
    ),
    "network of no widths": (
        "sd15",
        "unet/config.json",
        {"block_out_channels": "wide"},
        r"unet/config\.json describes no UNet2DConditionModel: ",
    ),
    "transformer of more layers": (
        "sd35",
        "transformer/config.json",
        {"num_layers": 3},
        r"transformer/config\.json is not of these weights|transformer lacks \d+ weights",
    ),
    "transformer of no patches": (
        "sd35",
        "transformer/config.json",
        {"patch_size": 0},
        r"transformer/config\.json",
    ),
    "autoencoder of other widths": (
        "sd35",
        "vae/config.json",
        {"block_out_channels": [8, 8, 8, 16]},
        r"vae/config\.json is not of these weights: by it ",
    ),
    "autoencoder without scale": (
        "sd15",
        "vae/config.json",
        {"scaling_factor": None},
        r"vae/config\.json: scaling_factor is null, not a number",
    ),
    "source without scale": (
        "pix2pix",
        "vae/config.json",
        {"scaling_factor": 0},
        r"vae/config\.json: scaling_factor is 0\.0, not a number above 0",
    ),
    "text encoder of other widths": (
        "sd15",
        "text_encoder/config.json",
        {"intermediate_size": 20},
        r"text_encoder/config\.json is not of these weights: by it \S*fc1\.bias is of 20, stored is one of 32",
    ),
    "text encoder of no layers": (
        "sd35",
        "text_encoder_2/config.json",
        {"num_hidden_layers": "x"},
        r"text_encoder_2/config\.json describes no CLIPTextModelWithProjection: .*num_hidden_layers",
    ),
    "text encoder of no length": (
        "sd15",
        "text_encoder/config.json",
        {"max_position_embeddings": None},
        "text_encoder/config.json",
    ),
    "T5 of other widths": (
        "sd35",
        "text_encoder_3/config.json",
        {"d_ff": 20},
        r"text_encoder_3/config\.json is not of these weights",
    ),
    "tokenizer": (
        "sd15",
        "tokenizer/tokenizer.json",
        {"model": 3},
        "tokenizer holds no tokenizer that can be",
    ),
    "second tokenizer": (
        "sd35",
        "tokenizer_2/tokenizer.json",
        {"model": 3},
        "tokenizer_2 holds no tokenizer that can be read",
    ),
    "noise that is no number": (
        "sd15",
        "scheduler/scheduler_config.json",
        {"beta_start": "x"},
        r'scheduler_config\.json: beta_start is "x", not a number',
    ),
    "noise out of range": (
        "sd15",
        "scheduler/scheduler_config.json",
        {"beta_end": 7.0},
        r"scheduler_config\.json describes no noise levels: a beta of it is not between 0 and 1",
    ),
    "noise of another kind": (
        "sd15",
        "scheduler/scheduler_config.json",
        {"beta_schedule": "riddle"},
        r"scheduler_config\.json describes no noise levels: .*riddle",
    ),
    "noise of no steps": (
        "sd35",
        "scheduler/scheduler_config.json",
        {"num_train_timesteps": 0},
        "num_train_timesteps is 0, not a whole number of at least 1",
    ),
    "noise without shift": (
        "sd35",
        "scheduler/scheduler_config.json",
        {"shift": None},
        "shift is null, not a",
    ),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_could_never_be_loaded_is_told_before_anything_is_written(
    tmp_path: Path, stock: dict[str, Path], capfd: pytest.CaptureFixture[str], what: str
) -> None:
    kind, name, values, line = SPOILT[what]
    shutil.copytree(stock[kind], tmp_path / "spoilt")
    spoil(tmp_path / "spoilt" / name, **values)
    capfd.readouterr()

    assert main([str(tmp_path / "spoilt"), str(tmp_path / "x")]) == 2
    told = capfd.readouterr().err
    assert re.search(line, told)
    assert told.startswith("afterimage convert: ")
    assert told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["spoilt"]


def test_what_is_left_out_or_replaced_may_be_spoilt(tmp_path: Path, stock: dict[str, Path]) -> None:
    shutil.copytree(stock["sd35"], tmp_path / "spoilt")
    spoil(tmp_path / "spoilt" / "text_encoder_3" / "config.json", d_ff=20)
    spoil(tmp_path / "spoilt" / "vae" / "config.json", block_out_channels=[8, 8, 8, 16])
    codec = stock["sd35"] / "vae"
    source, target = tmp_path / "spoilt", tmp_path / "light"
    convert(Conversion(source, target, made_from="", codec=codec, without_t5=True))

    assert load_parts(target).denoiser.tokens == 24
    spoil(tmp_path / "light" / "vae" / "config.json", block_out_channels=[8, 8, 8, 16])
    with pytest.raises(ModelError, match=r"vae/config\.json is not of these weights"):
        convert(Conversion(stock["sd35"], tmp_path / "x", made_from="", codec=tmp_path / "light" / "vae"))


@pytest.mark.parametrize("limit", [10_000, 400_000])
def test_nothing_is_left_of_a_conversion_that_cannot_write_on(
    tmp_path: Path, stock: dict[str, Path], limit: int
) -> None:
    """Copied files fail with an error of the system, those of the network with one of their library's."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(ModelError, match=r"never cannot be written: .*File too large") as raised:
            convert(Conversion(stock["sd15"], tmp_path / "never", made_from=""))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_of_a_conversion_that_is_interrupted(
    tmp_path: Path,
    stock: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    monkeypatch.setattr(module, "save_file", lambda *_, **__: signal.raise_signal(number))
    assert main([str(stock["sd15"]), str(tmp_path / "never")]) == 130
    assert "never was not written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_conversion_left_is_never_a_model_and_goes_with_the_next(
    tmp_path: Path, stock: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(stock["sd15"], tmp_path / ".mine.unfinished-abcdefgh")
    models([str(tmp_path)])
    listed = capsys.readouterr().out
    assert main([str(stock["sd15"]), str(tmp_path / "mine")]) == 0

    assert f"{tmp_path} holds 1.0 MB that a killed afterimage convert or train left unfinished" in listed
    assert ".mine" not in listed
    assert "removed 1.0 MB" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_full_disk_is_told_before_anything_is_written(
    tmp_path: Path, stock: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 10, 1000))
    with pytest.raises(ModelError, match=r"would take 1\.0 MB on the disk, 0\.0 MB are free"):
        convert(Conversion(stock["sd15"], tmp_path / "never", made_from=""))
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_out_needs_no_room(
    tmp_path: Path, stock: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = read_checkpoint(stock["sd35"])
    without = checkpoint.stored_bytes - checkpoint.components["text_encoder_3"].stored_bytes
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, without))
    with pytest.raises(ModelError, match="would take"):
        convert(Conversion(stock["sd35"], tmp_path / "whole", made_from=""))
    convert(Conversion(stock["sd35"], tmp_path / "light", made_from="", without_t5=True))


def test_the_codec_of_a_whole_checkpoint_can_be_named(
    tmp_path: Path, stock: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(stock["pix2pix"]), str(tmp_path / "x"), "--codec", str(stock["sd15"])]) == 0
    assert f"afterimage serve --model {tmp_path / 'x'}" in capsys.readouterr().out


def test_what_cannot_be_converted_is_one_line(
    tmp_path: Path, stock: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    done = tmp_path / "done"
    assert main([str(stock["sd15"]), str(done)]) == 0
    said, told = capsys.readouterr()
    assert [line.partition(",")[0] for line in told.splitlines()] == ["writing text_encoder", "writing unet"]
    assert "untrained yet: source, memory" in said
    assert "afterimage train --backbone sd15" in said

    for arguments, line in (
        ([str(stock["sd15"]), str(done)], "exists already"),
        ([str(stock["sd15"]), str(tmp_path / "x"), "--to", "rfdm3.5"], "can become rfdm1.5, not rfdm3.5"),
        ([str(done), str(tmp_path / "x")], "is an RFDM folder already"),
        (["absent", str(tmp_path / "x")], "no model 'absent'"),
        (["rfdm-tiny", str(tmp_path / "x")], "is a model like rfdm-tiny, not a Stable Diffusion checkpoint"),
        (
            [str(stock["sd15"]), str(tmp_path / "x"), "--without-t5"],
            "rfdm1.5 has no T5 that could be left out",
        ),
        ([str(stock["sd15"]), str(tmp_path / "x"), "--codec", "./absent"], "no autoencoder './absent'"),
        (
            [str(stock["sd15"]), str(tmp_path / "x"), "--codec", str(tmp_path)],
            "a folder with its config.json",
        ),
        ([str(tmp_path), str(tmp_path / "x")], f"{tmp_path} is no model folder: it has no model_index.json"),
    ):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert line in error
        assert error.startswith("afterimage convert: ")
        assert error.count("\n") == 1
