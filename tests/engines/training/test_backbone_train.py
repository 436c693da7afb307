"""The command, from paired clips to a folder that edits."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import accelerate
import pytest
import torch
from PIL import Image
from torch import Tensor

from engines.model import load_parts
from engines.pretrained.checkpoint import read_checkpoint
from engines.pretrained.index import index_of
from engines.pretrained.loading import load_denoiser
from engines.pretrained.needs import Room
from engines.training import backbone_checks, backbone_train
from engines.training.adapters import trained_parameters, with_adapters
from engines.training.backbone import BackboneTrainer
from engines.training.backbone_sheet import UNGUIDED, write_sheet
from engines.training.backbone_train import draw_batch, learned_inputs
from engines.training.loop import TrainingError
from engines.training.pairs import PairedBatch, PairedCrop, PairSampler, find_pairs
from engines.training.train import main
from tests.engines.stock import save_instruct_pix2pix, save_sd35
from tests.engines.training.test_backbone import four_clips, sd35, settings
from tests.engines.training.test_pairs import clip


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_instruct_pix2pix(tmp_path_factory.mktemp("stock") / "pix2pix")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    clip(folder / "a.mp4", 20), clip(folder / "b.mp4", 60)
    record = {"source": "a.mp4", "target": "b.mp4", "instruction": "brighter"}
    (folder / "pairs.jsonl").write_text(json.dumps(record))
    return folder


def command(init: Path, pairs: Path, out: Path, *more: str) -> list[str]:
    places = ["--init", str(init), "--pairs", str(pairs), "--run", str(out.parent / "run"), "--out", str(out)]
    return ["--backbone", "sd15", *places, "--steps", "1", "--batch", "1", "--crop", "32", *more]


def test_a_checkpoint_becomes_an_rfdm_and_then_teaches_a_live_one(
    tmp_path: Path, stock: Path, pairs: Path
) -> None:
    trained, live = tmp_path / "one" / "trained", tmp_path / "two" / "live"
    assert main(command(stock, pairs, trained, "--lora", "2")) == 0
    index = index_of(read_checkpoint(trained), "")
    assert index.trained_inputs == ("noisy", "source", "memory")
    assert (index.steps, index.key_frame_interval) == (8, 3)
    run = trained.parent / "run"
    with Image.open(run / "samples" / "000001.jpg") as sheet:
        assert sheet.size == (388, 388)
    assert list(run.glob("events.out.tfevents.*"))

    assert main(command(trained, pairs, live, "--distil", "2")) == 0
    parts = load_parts(live)
    assert (parts.steps, parts.guidance, parts.key_frame_interval) == (1, None, 3)
    assert bool(torch.stack([weight.isfinite().all() for weight in parts.denoiser.parameters()]).all())


def test_a_memory_that_training_never_met_is_not_claimed(tmp_path: Path, stock: Path, pairs: Path) -> None:
    trained = tmp_path / "trained"
    assert main(command(stock, pairs, trained, "--lora", "2", "--frames", "1")) == 0

    index = index_of(read_checkpoint(trained), "")
    assert index.trained_inputs == ("noisy", "source")
    assert load_parts(trained).key_frame_interval is None
    assert learned_inputs(index, 2) == ("noisy", "source", "memory")
    assert learned_inputs(replace(index, trained_inputs=("noisy", "memory")), 1) == (
        "noisy",
        "source",
        "memory",
    )


def test_a_training_told_to_end_goes_on_where_it_was(
    tmp_path: Path,
    stock: Path,
    pairs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = command(stock, pairs, tmp_path / "out", "--steps", "2")
    train_step = BackboneTrainer.train_step

    def told_in_a_step(trainer: BackboneTrainer, batch: Sequence[PairedCrop]) -> float:
        signal.raise_signal(signal.SIGTERM)
        return train_step(trainer, batch)

    with monkeypatch.context() as patched:
        patched.setattr(BackboneTrainer, "train_step", told_in_a_step)
        assert main(arguments) == 130
    assert "the same command resumes" in capsys.readouterr().err
    assert main(arguments) == 0

    said = capsys.readouterr().err
    assert f"resuming at step 1, from {tmp_path / 'run'}" in said
    assert f"wrote {tmp_path / 'out'}" in said


def test_looking_at_samples_leaves_what_is_trained_as_it_is(tmp_path: Path) -> None:
    trainer = BackboneTrainer(*sd35(), settings(), tmp_path)
    trainer.train_step(four_clips())
    before = [weight.detach().clone() for weight in trainer.trainable]
    write_sheet(trainer, four_clips()[0], 1, UNGUIDED, tmp_path / "sheet.jpg")

    assert all(torch.equal(one, other) for one, other in zip(before, trainer.trainable, strict=True))
    assert (tmp_path / "sheet.jpg").is_file()


def test_each_process_uses_the_gpu_that_is_its_own(
    tmp_path: Path, stock: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text encoders, teacher and codec lie where the network does; only the main process writes."""
    seen: list[tuple[torch.device, torch.dtype]] = []

    def embedder(checkpoint: object, index: object, device: torch.device, dtype: torch.dtype) -> None:
        seen.append((device, dtype))
        raise TrainingError("seen")

    second = SimpleNamespace(device=torch.device("cuda", 1), is_main_process=False)
    monkeypatch.setattr(accelerate, "PartialState", lambda cpu: second)
    monkeypatch.setattr(backbone_checks, "room_on", lambda _: Room(device=10**9, host=0))
    monkeypatch.setattr(backbone_train, "_embedder", embedder)
    assert main(command(stock, pairs, tmp_path / "out")) == 2

    assert seen == [(torch.device("cuda", 1), torch.bfloat16)]
    assert list(tmp_path.iterdir()) == []


def test_too_little_shared_memory_for_the_readers_is_told_before_they_are_waited_for(
    tmp_path: Path,
    stock: Path,
    pairs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gpu = SimpleNamespace(device=torch.device("cuda"), is_main_process=False)
    monkeypatch.setattr(accelerate, "PartialState", lambda cpu: gpu)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=67_000_000))
    usual = command(stock, pairs, tmp_path / "out", "--batch", "4", "--crop", "512")
    assert main(usual) == 2
    error = capsys.readouterr().err
    assert "8 processes that read clips pass on 1.3 GB through /dev/shm, 67.0 MB are free" in error
    assert error.count("\n") == 1

    monkeypatch.setattr(backbone_checks, "room_on", lambda _: Room(device=0, host=0))
    assert main([*usual, "--workers", "0"]) == 2
    assert "on the GPU before any picture" in capsys.readouterr().err


@pytest.mark.timeout(900)
def test_two_processes_train_together(tmp_path: Path, stock: Path, pairs: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    options = command(stock, pairs, tmp_path / "out")
    # The launcher would take --run for one of its own.
    del options[options.index("--run") : options.index("--run") + 2]
    environment = {
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    done = subprocess.run(
        [*launch, "engines.training.backbone_train", *options],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=840,
    )

    assert done.returncode == 0, done.stderr
    assert "1 pairs, on cpu:0 x 2" in done.stderr
    assert index_of(read_checkpoint(tmp_path / "out"), "").trained_inputs == ("noisy", "source", "memory")


def drawn(folder: Path, process: int = 0) -> Callable[[int], PairedBatch]:
    return partial(draw_batch, PairSampler(find_pairs(folder), 2, 16), 2, 0, process)


def test_crops_are_drawn_by_processes_that_are_started_anew(pairs: Path) -> None:
    """Python 3.14 starts them so, with what can be pickled."""
    draw = drawn(pairs)
    one, other = draw(3), pickle.loads(pickle.dumps(draw))(3)

    assert torch.equal(one.crops[1].source, other.crops[1].source)


def test_no_process_sees_what_another_does(tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4", 0, frames=24)
    record = {"source": "a.mp4", "target": "a.mp4", "instruction": "nothing"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(record))
    batches = [drawn(tmp_path, process)(step) for process in (0, 1) for step in (0, 1, 1009)]
    sources = [torch.stack([crop.source for crop in batch.crops]) for batch in batches]

    assert not any(torch.equal(*two) for two in combinations(sources, 2))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes")
@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_training_sees_what_an_unbroken_one_does(
    workers: int, tmp_path: Path, stock: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    stop_at: int | None = None

    def step(trainer: BackboneTrainer, batch: Sequence[PairedCrop]) -> float:
        seen.extend(torch.cat([crop.source, crop.target]) for crop in batch)
        trainer.progress.step += 1
        if trainer.step == stop_at:
            signal.raise_signal(signal.SIGTERM)
        return 0.0

    def options(name: str) -> list[str]:
        return command(stock, pairs, tmp_path / name / "out", "--steps", "4", "--lora", "2")

    monkeypatch.setattr(BackboneTrainer, "train_step", step)
    assert main(options("unbroken")) == 0
    unbroken, seen = seen, []
    monkeypatch.setattr(backbone_train, "_workers", lambda *_: workers)
    stop_at = 2
    assert main(options("broken")) == 130
    assert main(options("broken")) == 0

    assert len(seen) == len(unbroken) == 4
    assert all(torch.equal(one, other) for one, other in zip(seen, unbroken, strict=True))
    assert not torch.equal(seen[0], seen[1])


def test_pairs_that_cannot_be_used_are_told(
    tmp_path: Path, stock: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clip(tmp_path / "a.mp4", 20), clip(tmp_path / "short.mp4", 20, frames=2)
    records = [
        {"source": name, "target": "a.mp4", "instruction": "brighter"} for name in ("a.mp4", "short.mp4")
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, records)))

    def step(trainer: BackboneTrainer, _: object) -> float:
        trainer.progress.step += 1
        return 0.0

    monkeypatch.setattr(BackboneTrainer, "train_step", step)
    arguments = command(stock, tmp_path, tmp_path / "out", "--steps", "3", "--batch", "4", "--lora", "2")
    assert main(arguments) == 0
    said = capsys.readouterr().err

    assert said.count(f"skipped {tmp_path / 'short.mp4'}: it has 2 frames, 3 are needed") == 1
    assert "skipped 1 pairs, " in said


def test_a_full_gpu_is_one_line(
    tmp_path: Path,
    stock: Path,
    pairs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")

    monkeypatch.setattr(BackboneTrainer, "train_step", full)
    assert main(command(stock, pairs, tmp_path / "out")) == 2
    assert "--lora least" in capsys.readouterr().err.splitlines()[-1]


def test_too_little_memory_is_told_before_a_weight_is_read(
    tmp_path: Path,
    stock: Path,
    pairs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(backbone_checks, "room_on", lambda _: Room(device=0, host=3_000_000))
    assert main(command(stock, pairs, tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert "of main memory before any picture, 3.0 MB are free; --lora RANK trains less" in error
    assert error.count("\n") == 1


def test_adapters_are_counted_as_what_is_trained(tmp_path: Path) -> None:
    for stock, inputs in (
        (save_instruct_pix2pix(tmp_path / "pix2pix"), 12),
        (save_sd35(tmp_path / "sd35", with_t5=False), 48),
    ):
        checkpoint = read_checkpoint(stock)
        denoiser = load_denoiser(checkpoint, index_of(checkpoint, ""), torch.float32)
        network = denoiser.get_submodule(checkpoint.kind.denoiser)
        counted = trained_parameters(network, 3, inputs)
        adapted = with_adapters(network, 3)

        assert counted == sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)


def test_adapters_that_do_not_fit_are_told_before_a_weight_is_read(
    tmp_path: Path,
    stock: Path,
    pairs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a weight was read")

    monkeypatch.setattr(backbone_train, "load_autoencoder", never)
    arguments = command(stock, pairs, tmp_path / "out", "--lora")
    frozen = 4 * sum(component.parameters for component in read_checkpoint(stock).components.values())
    monkeypatch.setattr(backbone_checks, "room_on", lambda _: Room(device=0, host=frozen + 100_000))
    assert main([*arguments, "32"]) == 2
    told = capsys.readouterr().err
    assert "MB are free; a lower --lora takes less" in told
    assert told.count("\n") == 1
    assert main([*arguments, "33"]) == 2
    assert f"--lora 33 is more than the widest layers of {stock} can use: 32" in capsys.readouterr().err
    # The next try is of another rank, which the run folder of this one would refuse.
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("decay", ["1", "2", "-0.1", "nan", "slow"])
def test_an_average_that_would_never_follow_is_refused(
    tmp_path: Path, stock: Path, pairs: Path, capsys: pytest.CaptureFixture[str], decay: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(command(stock, pairs, tmp_path / "out", f"--ema={decay}"))
    assert f"argument --ema: {decay!r} is not a number from 0 to below 1" in capsys.readouterr().err


def test_what_cannot_be_trained_is_one_line(
    tmp_path: Path, stock: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    other = save_sd35(tmp_path / "sd35", with_t5=False)
    narrow = shutil.copytree(stock, tmp_path / "narrow")
    config = narrow / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "block_out_channels": [24, 32]}))
    out = tmp_path / "out"
    capsys.readouterr()
    for arguments, line in (
        (command(stock, tmp_path / "absent", out), "is not a folder"),
        (command(stock, tmp_path / "empty", out), "no pairs in"),
        (command(tmp_path / "nobody", pairs, out), "no model"),
        (command(other, pairs, out), "is a sd35 checkpoint, asked for is sd15"),
        (command(narrow, pairs, out), "unet/config.json is not of these weights"),
        (command(stock, pairs, stock), "exists already"),
        (command(stock, pairs, other / "model_index.json" / "out"), "cannot be written: File exists"),
        (command(stock, pairs, out, "--crop", "40"), "--crop must be a multiple of 16"),
        (command(stock, pairs, out, "--distil", "4"), "cannot teach: it was never trained to use the memory"),
    ):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert line in error
        assert error.startswith("afterimage train: ")
        assert error.count("\n") == 1
    assert not out.exists()
