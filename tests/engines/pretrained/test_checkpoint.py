"""Whatever is wrong with a checkpoint is one line, told before a weight is read."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.compilers.placement import program_in
from engines.conditioning import InstructionError
from engines.model import ModelError, load_networks, load_parts
from engines.pretrained import loading
from engines.pretrained.checkpoint import read_checkpoint
from engines.program import frame_program
from tests.engines.stock import save_instruct_pix2pix, save_sd35


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_instruct_pix2pix(tmp_path_factory.mktemp("stock") / "pix2pix")


def edit_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_checkpoint_is_described_by_its_headers(stock: Path, tmp_path: Path) -> None:
    found = read_checkpoint(stock)
    assert (found.kind.model_name, found.channels, found.inputs) == ("rfdm1.5", 4, ("noisy", "source"))
    weights = load_file(stock / "unet" / "diffusion_pytorch_model.safetensors")
    assert found.denoiser.parameters == sum(tensor.numel() for tensor in weights.values())

    other = read_checkpoint(save_sd35(tmp_path / "sd35", with_t5=False))
    assert (other.kind.model_name, other.channels, other.inputs) == ("rfdm3.5", 16, ("noisy",))
    assert "text_encoder_3" not in other.components


def without_weights(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").rename(folder / "unet" / "weights.bin")


def truncated(folder: Path) -> None:
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def without_a_weight(folder: Path) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    del weights["conv_out.weight"]
    save_file(weights, path, metadata={"format": "pt"})


def with_another_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer" / "tokenizer.json"
    path.write_text(path.read_text().replace('"BPE"', '"Riddle"'))


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights missing": (without_weights, "has no safetensors weights; weights.bin is in a format"),
    "weights damaged": (truncated, "is damaged or incomplete"),
    "one weight missing": (without_a_weight, "lacks 1 weights, the first is conv_out.weight"),
    "no autoencoder": (lambda folder: shutil.rmtree(folder / "vae"), "config.json does not exist"),
    "no tokenizer": (lambda folder: shutil.rmtree(folder / "tokenizer"), "has no tokenizer"),
    "another tokenizer": (with_another_tokenizer, "holds no tokenizer that can be read"),
    "no scheduler": (lambda folder: shutil.rmtree(folder / "scheduler"), "has no scheduler"),
    "no network": (lambda folder: shutil.rmtree(folder / "unet"), "neither a UNet"),
    "configuration damaged": (
        lambda folder: (folder / "unet" / "config.json").write_text("{"),
        "cannot be read",
    ),
    "another class": (
        lambda folder: edit_json(folder / "unet" / "config.json", _class_name="UNetMotionModel"),
        "is a UNetMotionModel, rfdm1.5 is a UNet2DConditionModel",
    ),
    "SDXL": (
        lambda folder: edit_json(folder / "unet" / "config.json", addition_embed_type="text_time"),
        "wants more than a picture and a text",
    ),
    "inpainting": (
        lambda folder: edit_json(folder / "unet" / "config.json", in_channels=9),
        "takes 9 and gives 4 channels, the autoencoder has 4",
    ),
    "another text encoder": (
        lambda folder: edit_json(folder / "text_encoder" / "config.json", hidden_size=24),
        "reads text of width 16, the text encoder gives 24",
    ),
    "no channels told": (
        lambda folder: edit_json(folder / "unet" / "config.json", in_channels=None),
        "do not tell the network's and the autoencoder's channels",
    ),
    "an unknown prediction": (
        lambda folder: edit_json(folder / "scheduler" / "scheduler_config.json", prediction_type="score"),
        "prediction type 'score'",
    ),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_wrong_is_one_line(tmp_path: Path, stock: Path, what: str) -> None:
    spoil, line = SPOILT[what]
    shutil.copytree(stock, tmp_path / "spoilt")
    spoil(tmp_path / "spoilt")

    with pytest.raises(ModelError, match=line) as raised:
        load_parts(tmp_path / "spoilt")
    assert "\n" not in str(raised.value)


def test_too_little_memory_is_told_before_a_weight_is_read(
    stock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 1_000_000

    def never(*_: object) -> None:
        raise AssertionError("a weight was read")

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    monkeypatch.setattr(loading, "load_denoiser", never)
    with pytest.raises(ModelError, match=r"needs about .* of main memory, 1\.0 MB are free"):
        load_parts(stock)


def test_no_weight_is_read_of_what_could_not_be_loaded_to_the_end(
    tmp_path: Path, stock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a weight was read")

    shutil.copytree(stock, tmp_path / "spoilt")
    edit_json(tmp_path / "spoilt" / "scheduler" / "scheduler_config.json", beta_start="x")
    monkeypatch.setattr("engines.text_encoders.load_whole", never)
    monkeypatch.setattr("engines.pretrained.weights.load_whole", never)
    monkeypatch.setattr(loading, "load_whole", never)
    for load in (load_parts, partial(load_networks, dtype=torch.float32)):
        with pytest.raises(ModelError, match=r'scheduler_config\.json: beta_start is "x", not a number'):
            load(tmp_path / "spoilt")


def test_a_missing_library_is_told(stock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "find_spec", lambda name: None if name == "diffusers" else object())
    with pytest.raises(
        ModelError,
        match=r"needs the package diffusers: .venv/bin/pip install -c requirements.lock -e '.\[backbones\]'",
    ):
        load_parts(stock)


def test_half_precision_is_what_the_networks_are_kept_in_and_a_processor_reads_text_in_full(
    stock: Path,
) -> None:
    parts = load_parts(stock, torch.device("cpu"), torch.bfloat16)

    assert {weight.dtype for weight in parts.denoiser.parameters()} == {torch.bfloat16}
    assert parts.instruction_encoder.encode("a cat").code.dtype == torch.float32


def test_a_guided_model_is_loaded_as_its_engines_take_it_and_not_copied(stock: Path) -> None:
    """The code of no instruction comes from text encoders of another type."""
    parts = load_parts(stock, torch.device("cpu"), torch.float16)
    program = frame_program(parts)

    assert parts.silence is not None
    assert program_in(program, torch.float16) is program


def test_engines_are_made_without_the_text_encoders(stock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a text encoder was read")

    monkeypatch.setattr(loading, "load_embedder", never)
    parts = load_networks(stock, torch.float16)

    assert {weight.dtype for weight in parts.denoiser.parameters()} == {torch.float16}
    with pytest.raises(InstructionError, match="was loaded without its text encoders"):
        parts.instruction_encoder.encode("make it snow")
