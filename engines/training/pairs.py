"""Paired clips on disk: a video, its edit and the instruction that names the difference.

Three layouts are read, whichever the folder has:

* ``pairs.jsonl``, a line for each pair: ``{"source": "a.mp4", "target": "b.mp4", "instruction": "make it snow"}``.
* ``source/NAME.mp4``, ``target/NAME.mp4`` and ``instruction/NAME.txt``, a line for each wording.
* Señorita-2M (Zi et al. 2025, arXiv 2502.06734) as it is downloaded and unpacked: JSON files at the root, each a list
  (of lists) of records with ``source_video_path``, ``target_video_path``, ``instruction`` and
  ``enhanced_instruction``. Paths begin with ``./`` and a folder that may have been uploaded as ``FOLDER_upload``.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.training.media import CLIP_SUFFIXES

LONGEST_START = 240
"""Frames into a clip at which a sample may begin; a clip is decoded from its start, so that both sides agree."""

MOST_SKIPPED = 1000
"""Pairs drawn in vain for one crop that end a training; while a tenth can be used, chance never draws so many."""


@dataclass(frozen=True)
class Pair:
    """A clip, its edit and one or more wordings of the instruction."""

    source: Path
    target: Path
    instructions: tuple[str, ...]


def find_pairs(folder: Path) -> list[Pair]:
    """All pairs below a folder, by the layout it has; nothing inside a folder called ``eval``.

    Raises:
        FileNotFoundError: There is no such folder, or no pair in it.
        ValueError: A manifest cannot be read.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder")
    if (folder / "pairs.jsonl").is_file():
        found = list(_listed(folder))
    elif (folder / "source").is_dir() and (folder / "target").is_dir():
        found = list(_by_name(folder))
    else:
        found = list(_senorita(folder))
    pairs = [pair for pair in found if "eval" not in pair.source.relative_to(folder).parts]
    if not pairs:
        raise FileNotFoundError(
            f"no pairs in {folder}: neither pairs.jsonl, nor source/ and target/, nor JSON records of Señorita-2M"
        )
    return pairs


def _listed(folder: Path) -> Iterator[Pair]:
    manifest = folder / "pairs.jsonl"
    for number, line in enumerate(manifest.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            pair = Pair(folder / record["source"], folder / record["target"], (record["instruction"],))
            if not isinstance(record["instruction"], str):
                raise TypeError("the instruction is no text")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{manifest}, line {number}: {error!r}") from error
        for path in (pair.source, pair.target):
            if not path.is_file():
                raise ValueError(f"{manifest}, line {number}: {path} does not exist")
        yield pair


def _by_name(folder: Path) -> Iterator[Pair]:
    targets = {path.stem: path for path in (folder / "target").iterdir()}
    for source in sorted((folder / "source").iterdir()):
        text = folder / "instruction" / f"{source.stem}.txt"
        if source.suffix.lower() not in CLIP_SUFFIXES or source.stem not in targets or not text.is_file():
            continue
        wordings = tuple(
            line.strip() for line in text.read_text(encoding="utf-8").splitlines() if line.strip()
        )
        if wordings:
            yield Pair(source, targets[source.stem], wordings)


def _senorita(folder: Path) -> Iterator[Pair]:
    for manifest in sorted(folder.glob("*.json")):
        try:
            records = json.loads(manifest.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{manifest} is not JSON: {error}") from error
        for record in _flat(records):
            pair = _senorita_pair(folder, record)
            if pair is not None:
                yield pair


def _flat(records: object) -> Iterator[Mapping[str, Any]]:
    """Records, whether listed, listed in lists or named in a mapping."""
    if isinstance(records, Mapping):
        if "source_video_path" in records:
            yield records
        else:
            records = list(records.values())
    if isinstance(records, list):
        for record in records:
            yield from _flat(record)


def _senorita_pair(folder: Path, record: Mapping[str, Any]) -> Pair | None:
    """The pair of a record; None where a video was not downloaded or nothing is said of it."""
    source = _unpacked(folder, record.get("source_video_path"))
    target = _unpacked(folder, record.get("target_video_path"))
    said = (record.get(name) for name in ("instruction", "enhanced_instruction"))
    wordings = tuple(text.strip() for text in said if isinstance(text, str) and text.strip())
    return Pair(source, target, wordings) if source and target and wordings else None


def _unpacked(folder: Path, name: object) -> Path | None:
    if not isinstance(name, str):
        return None
    first, _, rest = name.removeprefix("./").partition("/")
    for path in (folder / first / rest, folder / f"{first}_upload" / rest):
        if rest and path.is_file():
            return path
    return None


@dataclass(frozen=True, eq=False)
class PairedCrop:
    """The same moving window of a clip and of its edit: (K, 3, H, W) each in [0, 1], and one wording."""

    source: Tensor
    target: Tensor
    instruction: str


@dataclass(frozen=True)
class Skipped:
    """A pair that was drawn and could not be used, and why."""

    pair: Pair
    reason: str


@dataclass(frozen=True, eq=False)
class PairedBatch:
    """The crops of a step, and what was drawn for it in vain."""

    crops: list[PairedCrop]
    skipped: list[Skipped]


@dataclass(frozen=True)
class PairSampler:
    """Crops of K ordered frames from random pairs.

    Attributes:
        pairs: What to draw from.
        frames: K.
        size: Side of a crop, in pixels.
        max_lag: Most frames between two frames of a crop; the live path's memory is one to six frames old.
    """

    pairs: Sequence[Pair]
    frames: int
    size: int
    max_lag: int = 6

    def batch(self, count: int, generator: torch.Generator) -> PairedBatch:
        """So many crops, each of a pair that can be used; others are drawn in the place of those that cannot.

        Raises:
            ValueError: None of :data:`MOST_SKIPPED` pairs, or of all if there are fewer, could be used.
        """
        batch = PairedBatch([], [])
        for _ in range(count):
            batch.crops.append(self._usable(generator, batch.skipped))
        return batch

    def _usable(self, generator: torch.Generator, skipped: list[Skipped]) -> PairedCrop:
        failed: set[int] = set()
        while True:
            index = _draw(len(self.pairs), generator)
            if index in failed:
                continue
            pair = self.pairs[index]
            try:
                return self._crop(pair, generator)
            except (OSError, ValueError, av.error.FFmpegError) as error:
                failed.add(index)
                skipped.append(Skipped(pair, str(error)))
                if len(failed) == min(MOST_SKIPPED, len(self.pairs)):
                    raise ValueError(
                        f"none of {len(failed)} pairs could be used, the last was {pair.source}: {error}"
                    ) from error

    def _crop(self, pair: Pair, generator: torch.Generator) -> PairedCrop:
        lag = 1 + _draw(self.max_lag, generator)
        source, target = _Clip(pair.source), _Clip(pair.target)
        length = min(source.length, target.length)
        lag = min(lag, max(1, (length - 1) // max(1, self.frames - 1)))
        latest = min(length - (self.frames - 1) * lag, LONGEST_START)
        if latest < 1:
            raise ValueError(f"it has {length} frames, {self.frames} are needed")
        first = _draw(latest, generator)
        wanted = [first + index * lag for index in range(self.frames)]
        both = torch.cat([source.read(wanted), _of_size(target.read(wanted), source.size)])
        crops = _window(both, self.size, generator)
        if _draw(2, generator):
            crops = crops.flip(-1)
        text = pair.instructions[_draw(len(pair.instructions), generator)]
        return PairedCrop(crops[: self.frames], crops[self.frames :], text)


@dataclass
class Skips:
    """Counts what a training could not use and tells of each pair once.

    Attributes:
        tell: Given a line.
        used: Crops that were drawn.
        drawn_in_vain: Draws of pairs that could not be used.
        pairs: Those pairs.
    """

    tell: Callable[[str], None]
    used: int = 0
    drawn_in_vain: int = 0
    pairs: set[Pair] = field(default_factory=set)

    def note(self, batch: PairedBatch) -> None:
        """Count a batch, and tell of the pairs not told of before."""
        self.used += len(batch.crops)
        self.drawn_in_vain += len(batch.skipped)
        for skipped in batch.skipped:
            if skipped.pair not in self.pairs:
                self.pairs.add(skipped.pair)
                self.tell(f"skipped {skipped.pair.source}: {skipped.reason}")

    @property
    def share(self) -> float:
        """Of all draws, those in vain: pairs are drawn at random, so it is about the set's own."""
        return self.drawn_in_vain / max(1, self.used + self.drawn_in_vain)

    def summary(self) -> str:
        """How many there were, in a line."""
        draws = self.used + self.drawn_in_vain
        return f"skipped {len(self.pairs)} pairs, {self.drawn_in_vain} of {draws} draws ({self.share:.0%})"


def _draw(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


class _Clip:
    """A video file: how many frames it has, how large they are, and any of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path} has no video")
            stream = container.streams.video[0]
            self.size = (stream.height, stream.width)
            # A container need not tell; then the frames are counted.
            self.length = stream.frames or sum(1 for _ in container.decode(video=0))

    def read(self, wanted: Sequence[int]) -> Tensor:
        """Frames by index, (len(wanted), 3, H, W) in [0, 1]."""
        frames: list[Tensor] = []
        with av.open(str(self._path)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index in wanted:
                    frames.append(torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1))
                if index >= wanted[-1]:
                    break
        if len(frames) != len(wanted):
            raise ValueError(f"{self._path} ends before frame {wanted[-1]}")
        return torch.stack(frames).float() / 255


def _of_size(frames: Tensor, size: tuple[int, int]) -> Tensor:
    if frames.shape[-2:] == size:
        return frames
    return F.interpolate(frames, size, mode="bilinear", antialias=True, align_corners=False)


def _window(frames: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A random square of the frames' short side or less, brought to ``size``."""
    short = min(frames.shape[-2:])
    side = min(short, max(size, short - _draw(max(1, short // 4), generator)))
    top = _draw(frames.shape[-2] - side + 1, generator)
    left = _draw(frames.shape[-1] - side + 1, generator)
    crops = frames[..., top : top + side, left : left + side]
    return _of_size(crops, (size, size)).clamp(0, 1)
