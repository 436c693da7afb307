import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from engines.learned_metrics import ClipScores, MissingWeightsError, Score, load_dreamsim, score
from engines.metrics import video_distance

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real CLIP of a few thousand random weights, saved as the large ones are."""
    folder = tmp_path_factory.mktemp("clip")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    pictures = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    transformers.CLIPProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(folder)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    ends = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1, "pad_token_id": len(words) - 1}
    torch.manual_seed(0)
    model = transformers.CLIPModel(
        transformers.CLIPConfig(
            text_config={**sizes, **ends, "vocab_size": len(words)},
            vision_config={**sizes, "image_size": 32, "patch_size": 8},
            projection_dim=8,
        )
    )
    model.save_pretrained(folder)
    return folder


def frames(seed: int, count: int) -> Tensor:
    return torch.rand(count, 3, 40, 48, generator=torch.Generator().manual_seed(seed))


def test_a_still_clip_is_wholly_consistent(clip_folder: Path) -> None:
    scores = ClipScores(clip_folder)
    still = frames(0, 1).expand(3, -1, -1, -1)

    assert scores.frame_consistency(still) == pytest.approx(1, abs=1e-5)
    assert scores.frame_consistency(frames(0, 3)) < 0.9999


def test_likeness_to_a_text_is_a_cosine(clip_folder: Path) -> None:
    scores = ClipScores(clip_folder)

    assert -1 <= scores.text_similarity(frames(0, 2), "a pencil sketch") <= 1
    assert scores.text_similarity(frames(0, 2), "a cat") != scores.text_similarity(frames(0, 2), "a pencil")


def test_one_frame_has_no_consistency(clip_folder: Path) -> None:
    with pytest.raises(ValueError, match="two frames, not 1"):
        ClipScores(clip_folder).frame_consistency(frames(0, 1))


def test_missing_weights_are_a_reason_and_not_a_zero(tmp_path: Path) -> None:
    missing = score(lambda: ClipScores(tmp_path).frame_consistency(frames(0, 2)))

    assert missing == Score(None, f"{tmp_path} holds no CLIP model")


def test_a_damaged_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))

    with pytest.raises(MissingWeightsError, match=str(tmp_path)) as raised:
        ClipScores(tmp_path)
    assert "\n" not in str(raised.value)


def test_what_is_measured_has_no_reason() -> None:
    assert score(lambda: 0.25) == Score(0.25, "")


def test_dreamsim_that_is_not_installed_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.learned_metrics.find_spec", lambda _: None)

    assert score(lambda: video_distance(frames(0, 1), frames(0, 1), load_dreamsim(tmp_path))) == Score(
        None, "the package dreamsim is not installed"
    )


def test_dreamsim_without_weights_downloads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.learned_metrics.find_spec", lambda _: object())

    with pytest.raises(MissingWeightsError, match=r"lacks DreamSim's dino_vitb16_pretrain\.pth"):
        load_dreamsim(tmp_path)


def test_dreamsim_makes_a_video_distance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the package, whose weights are a gigabyte: the same call, the same shapes."""
    package = ModuleType("dreamsim")
    seen: list[torch.Size] = []

    def distance(first: Tensor, second: Tensor) -> Tensor:
        seen.append(first.shape)
        return (first - second).abs().mean()

    vars(package)["dreamsim"] = lambda pretrained, device, cache_dir: (distance, None)
    monkeypatch.setitem(sys.modules, "dreamsim", package)
    monkeypatch.setattr("engines.learned_metrics.find_spec", lambda _: object())
    for part in (
        "dino_vitb16_pretrain.pth",
        "open_clip_vitb16_pretrain.pth.tar",
        "clip_vitb16_pretrain.pth.tar",
    ):
        (tmp_path / part).touch()
    grey = torch.full((2, 3, 32, 32), 0.5)

    assert video_distance(grey, grey + 0.2, load_dreamsim(tmp_path)) == pytest.approx(0.2, abs=1e-5)
    assert seen == [torch.Size([1, 3, 224, 224])] * 2
