"""The run folder of a backbone, whatever ended the program that wrote it."""

import resource
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from engines.training.backbone import BackboneTrainer
from engines.training.backbone_run import (
    CHECKPOINT,
    RunOf,
    check_disk,
    claim_run,
    kept_checkpoint,
    put_in_place,
)
from engines.training.loop import TrainingError
from tests.engines.training.test_backbone import sd35, settings

Usage = namedtuple("Usage", "total used free")
WANTED = RunOf("sd15", "rfdm1.5", lora=0, distil=0)


def folders(run: Path, *names: str) -> None:
    for name in names:
        (run / name).mkdir()
        (run / name / "is").write_text(name)


def test_a_run_is_gone_on_with_by_the_same_training_alone(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "mine"
    claim_run(run, WANTED)
    claim_run(run, WANTED)
    with pytest.raises(TrainingError, match=r"another training \(--distil 0, not 8\): give this one a --run"):
        claim_run(run, replace(WANTED, distil=8))


def test_a_run_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be written: Not a directory"):
        claim_run(tmp_path / "file" / "run", WANTED)
    (tmp_path / "run.json").write_text("{half")
    with pytest.raises(TrainingError, match=r"run\.json cannot be read"):
        claim_run(tmp_path, WANTED)


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        ((), None),
        (("checkpoint",), "checkpoint"),
        (("checkpoint.new",), None),
        (("checkpoint", "checkpoint.new"), "checkpoint"),
        (("checkpoint.new", "checkpoint.old"), "checkpoint.new"),
        (("checkpoint", "checkpoint.old"), "checkpoint"),
    ],
)
def test_after_a_kill_at_any_moment_the_last_whole_checkpoint_is_kept(
    tmp_path: Path, left: tuple[str, ...], kept: str | None
) -> None:
    folders(tmp_path, *left)
    found = kept_checkpoint(tmp_path)

    assert found == (None if kept is None else tmp_path / CHECKPOINT)
    assert [path.name for path in tmp_path.iterdir()] == ([] if kept is None else [CHECKPOINT])
    assert found is None or (found / "is").read_text() == kept


def test_a_new_checkpoint_takes_the_place_of_the_last(tmp_path: Path) -> None:
    folders(tmp_path, "checkpoint", "checkpoint.new")
    put_in_place(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    assert (tmp_path / CHECKPOINT / "is").read_text() == "checkpoint.new"


def test_a_checkpoint_that_cannot_be_written_is_one_line_and_the_last_stays(tmp_path: Path) -> None:
    trainer = BackboneTrainer(*sd35(), settings(), tmp_path)
    trainer.save()
    trainer.progress.step = 1
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(TrainingError, match=r"step 1 cannot be written .* the last one stays") as raised:
            trainer.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [CHECKPOINT]
    assert BackboneTrainer(*sd35(), settings(), tmp_path).step == 0


def test_a_disk_without_room_for_two_checkpoints_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 30 * 10**9))
    sd15 = 860_000_000
    check_disk(tmp_path, 4 * sd15, sd15)
    with pytest.raises(TrainingError, match=r"a checkpoint takes 16\.0 GB, .* 30\.0 GB are free"):
        check_disk(tmp_path, 4 * 10**9, 10**9)
    folders(tmp_path, CHECKPOINT)
    check_disk(tmp_path, 4 * 10**9, 10**9)
