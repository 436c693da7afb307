"""Measures that need pretrained weights: DreamSim and CLIP. Nothing is ever downloaded.

Where a package or its weights are missing there is no figure but a reason (:class:`Score`), never a zero.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.metrics import Distance

_DREAMSIM_SIDE = 224
_DREAMSIM_PARTS = (
    "dino_vitb16_pretrain.pth",
    "open_clip_vitb16_pretrain.pth.tar",
    "clip_vitb16_pretrain.pth.tar",
)
"""Files the package looks for; it downloads a gigabyte where one is missing, which must not happen unasked."""


class MissingWeightsError(RuntimeError):
    """A measure's package or weights are not here; the message is one line that says which."""


@dataclass(frozen=True)
class Score:
    """A figure, or why there is none.

    Attributes:
        value: None where it could not be measured.
        reason: Why not; empty where it could.
    """

    value: float | None
    reason: str = ""


def score(measure: Callable[[], float]) -> Score:
    """The figure, or why it is missing."""
    try:
        return Score(measure())
    except MissingWeightsError as error:
        return Score(None, str(error))


def load_dreamsim(folder: Path) -> Distance:
    """DreamSim (Fu et al. 2023), the paper's distance between two pictures: 0 alike, about 1 unrelated.

    With it :func:`engines.metrics.video_distance` is ViDreamSim, and the temporal measures are the paper's own.

    Args:
        folder: The package's ``cache_dir``, with its ensemble of three networks.

    Raises:
        MissingWeightsError: The package ``dreamsim`` or a file of its weights is missing.
    """
    if find_spec("dreamsim") is None:
        raise MissingWeightsError("the package dreamsim is not installed")
    missing = [part for part in _DREAMSIM_PARTS if not (folder / part).is_file()]
    if missing:
        raise MissingWeightsError(f"{folder} lacks DreamSim's {', '.join(missing)}")
    import dreamsim  # type: ignore[import-not-found]  # an optional package

    model: Any
    model, _ = dreamsim.dreamsim(pretrained=True, device="cpu", cache_dir=str(folder))

    @torch.no_grad()
    def distance(pictures: Tensor, targets: Tensor) -> Tensor:
        if pictures.shape != targets.shape:
            raise ValueError(f"shapes differ: {tuple(pictures.shape)} and {tuple(targets.shape)}")
        sides = (_DREAMSIM_SIDE, _DREAMSIM_SIDE)
        both = [
            F.interpolate(each, sides, mode="bicubic", antialias=True).clamp(0, 1)
            for each in (pictures, targets)
        ]
        # One pair at a time: the package drops the batch dimension of a single picture.
        pairs = [model(a[None], b[None]).reshape(()) for a, b in zip(*both, strict=True)]
        return torch.stack(pairs).float()

    return distance


class ClipScores:
    """CLIP (Radford et al. 2021) on the frames of a clip, from a local folder as transformers saves it.

    Args:
        folder: Model and processor, e.g. of CLIP ViT-L/14.

    Raises:
        MissingWeightsError: transformers or the folder's files are missing.
    """

    def __init__(self, folder: Path) -> None:
        if find_spec("transformers") is None:
            raise MissingWeightsError("the package transformers is not installed")
        if not (folder / "config.json").is_file():
            raise MissingWeightsError(f"{folder} holds no CLIP model")
        from transformers import CLIPModel, CLIPProcessor

        try:
            self._model: Any = CLIPModel.from_pretrained(folder, local_files_only=True).eval()
            self._processor: Any = CLIPProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise MissingWeightsError(f"{folder}: {str(error).splitlines()[0]}") from error

    def frame_consistency(self, clip: Tensor) -> float:
        """CLIPFrame: mean cosine of consecutive frames' embeddings, in [-1, 1]; (T, 3, H, W) in [0, 1], T > 1.

        The temporal measure of the TGVE benchmark (Wu et al. 2023).

        Raises:
            ValueError: There are fewer than two frames.
        """
        if len(clip) < 2:
            raise ValueError(f"a temporal measure needs two frames, not {len(clip)}")
        embedded = self._frames(clip)
        return float(F.cosine_similarity(embedded[1:], embedded[:-1]).mean())

    def text_similarity(self, clip: Tensor, text: str) -> float:
        """CLIPText: mean cosine between frames and a description of the edited clip, in [-1, 1]."""
        inputs = self._processor(text=[text], return_tensors="pt", padding=True, truncation=True)
        with torch.no_grad():
            described = self._model(pixel_values=self._pixels(clip), **inputs)
        return float(F.cosine_similarity(described.image_embeds, described.text_embeds).mean())

    def _frames(self, clip: Tensor) -> Tensor:
        inputs = self._processor(text=["frame"], return_tensors="pt", padding=True)
        with torch.no_grad():
            embedded: Tensor = self._model(pixel_values=self._pixels(clip), **inputs).image_embeds
        return embedded

    def _pixels(self, clip: Tensor) -> Tensor:
        levels = (clip.clamp(0, 1) * 255).round().to(torch.uint8)
        pixels: Tensor = self._processor.image_processor(list(levels), return_tensors="pt")["pixel_values"]
        return pixels
