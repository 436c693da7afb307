import json
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from engines.training.pairs import (
    Pair,
    PairedBatch,
    PairedCrop,
    PairSampler,
    Skipped,
    Skips,
    find_pairs,
)


def clip(path: Path, first_grey: int, frames: int = 8, size: tuple[int, int] = (64, 48)) -> Path:
    """A clip whose n-th frame is grey, ten levels per frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(frames):
            picture = np.full((size[1], size[0], 3), first_grey + 10 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_a_manifest_names_pairs(tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4", 20), clip(tmp_path / "b.mp4", 40)
    record = {"source": "a.mp4", "target": "b.mp4", "instruction": "brighter"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(record) + "\n\n")

    (pair,) = find_pairs(tmp_path)
    assert (pair.source.name, pair.target.name, pair.instructions) == ("a.mp4", "b.mp4", ("brighter",))


def test_folders_of_equal_names_are_pairs(tmp_path: Path) -> None:
    for name in ("one", "two", "unsaid"):
        clip(tmp_path / "source" / f"{name}.mp4", 20), clip(tmp_path / "target" / f"{name}.mp4", 40)
    (tmp_path / "instruction").mkdir()
    for name in ("one", "two"):
        (tmp_path / "instruction" / f"{name}.txt").write_text("make it brighter\n\nlighten it\n")

    pairs = find_pairs(tmp_path)
    assert [pair.source.stem for pair in pairs] == ["one", "two"]
    assert pairs[0].instructions == ("make it brighter", "lighten it")


def test_senorita_is_read_as_it_is_unpacked(tmp_path: Path) -> None:
    folder = tmp_path / "obj_removal_videos_upload" / "60"
    clip(folder / "828b_org.mp4", 20), clip(folder / "828b.mp4", 40)
    record = {
        "source_video_path": "./obj_removal_videos/60/828b_org.mp4",
        "target_video_path": "./obj_removal_videos_upload/60/828b.mp4",
        "instruction": "remove the cup",
        "enhanced_instruction": "Take the cup off the table.",
    }
    absent = {**record, "source_video_path": "./obj_swap/1/absent.mp4"}
    unmade = {**record, "target_video_path": None}
    records = [[record], [absent, unmade, {"instruction": "nothing"}]]
    (tmp_path / "obj_removal.json").write_text(json.dumps(records))

    (pair,) = find_pairs(tmp_path)
    assert pair.source == folder / "828b_org.mp4"
    assert pair.instructions == ("remove the cup", "Take the cup off the table.")


def test_source_and_target_are_the_same_frames_and_window(tmp_path: Path) -> None:
    clip(tmp_path / "source" / "a.mp4", 20)
    clip(tmp_path / "target" / "a.mp4", 120, size=(128, 96))
    (tmp_path / "instruction").mkdir()
    (tmp_path / "instruction" / "a.txt").write_text("brighter")

    batch = PairSampler(find_pairs(tmp_path), frames=3, size=32).batch(6, torch.Generator().manual_seed(0))
    assert batch.skipped == []
    for crop in batch.crops:
        assert crop.source.shape == crop.target.shape == (3, 3, 32, 32)
        difference = (crop.target - crop.source).mean((1, 2, 3)) * 255
        torch.testing.assert_close(difference, torch.full((3,), 100.0), atol=4, rtol=0)
        levels = crop.source.mean((1, 2, 3))
        assert (levels.diff() > 5 / 255).all()


def test_nothing_in_a_folder_called_eval_is_trained_on(tmp_path: Path) -> None:
    clip(tmp_path / "eval" / "a.mp4", 20), clip(tmp_path / "b.mp4", 40)
    record = {"source": "eval/a.mp4", "target": "b.mp4", "instruction": "brighter"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(record))

    with pytest.raises(FileNotFoundError, match="no pairs in"):
        find_pairs(tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1"),
        ('{"source": "a.mp4"}', "'target'"),
        ("[]", "TypeError"),
        ('{"source": "a.mp4", "target": "b.mp4", "instruction": 5}', "the instruction is no text"),
    ],
)
def test_a_broken_manifest_is_one_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "pairs.jsonl").write_text(line)
    with pytest.raises(ValueError, match=said) as raised:
        find_pairs(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_pair_too_short_for_its_frames_is_told(tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4", 20, frames=2)
    record = {"source": "a.mp4", "target": "a.mp4", "instruction": "nothing"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(record))

    with pytest.raises(ValueError, match="has 2 frames, 3 are needed"):
        PairSampler(find_pairs(tmp_path), frames=3, size=32).batch(1, torch.Generator())


def one_of_ten(folder: Path) -> list[Pair]:
    """Pairs of which one can be read, one is too short, and eight are no videos."""
    clip(folder / "whole.mp4", 20), clip(folder / "short.mp4", 20, frames=2)
    names = ["whole", "short", *(f"broken{index}" for index in range(8))]
    for name in names[2:]:
        (folder / f"{name}.mp4").write_text("no video")
    return [Pair(folder / f"{name}.mp4", folder / "whole.mp4", ("brighter",)) for name in names]


def test_a_pair_that_cannot_be_used_is_told_with_the_crops_drawn_instead(tmp_path: Path) -> None:
    pairs = one_of_ten(tmp_path)
    batch = PairSampler(pairs, frames=3, size=32).batch(20, torch.Generator().manual_seed(0))

    assert len(batch.crops) == 20, "however few can be used"
    assert {skipped.pair for skipped in batch.skipped} == set(pairs[1:])
    (short,) = {skipped.reason for skipped in batch.skipped if skipped.pair == pairs[1]}
    assert short == "it has 2 frames, 3 are needed"


def test_each_skipped_pair_is_told_once_and_all_are_counted() -> None:
    good, bad, worse = (Pair(Path(name), Path(name), ("",)) for name in ("good", "bad", "worse"))
    crop = PairedCrop(torch.zeros(0), torch.zeros(0), "")
    said: list[str] = []
    skips = Skips(said.append)
    skips.note(PairedBatch([crop, crop], [Skipped(bad, "torn"), Skipped(bad, "torn")]))
    skips.note(PairedBatch([crop, crop], [Skipped(worse, "short"), Skipped(bad, "cut")]))

    assert said == ["skipped bad: torn", "skipped worse: short"]
    assert good not in skips.pairs
    assert skips.summary() == "skipped 2 pairs, 4 of 8 draws (50%)"


def test_a_set_of_which_nothing_can_be_used_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = one_of_ten(tmp_path)[1:]
    with pytest.raises(ValueError, match="none of 9 pairs could be used"):
        PairSampler(broken, frames=3, size=32).batch(1, torch.Generator())
    monkeypatch.setattr("engines.training.pairs.MOST_SKIPPED", 4)
    with pytest.raises(ValueError, match="none of 4 pairs could be used"):
        PairSampler(broken, frames=3, size=32).batch(1, torch.Generator())
