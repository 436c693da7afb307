"""Typed instruction -> conditioning: a small reader of words that survives typing errors.

:mod:`engines.tokenizer` makes numbers of the text and :mod:`engines.reader` reads them; here is decided what a
reading means.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from engines.clauses import clauses
from engines.colours import COLOURS, NAMED_COLOURS
from engines.conditioning import (
    MOST_EDITS,
    NO_COLOUR,
    RGB,
    Conditioning,
    InstructionError,
    instruction_code,
)
from engines.families import EXAMPLES, FAMILIES, TAKES_NEUTRALS, TAKES_RGB, TAKES_RGB_OF
from engines.model import ModelError
from engines.named_edits import named_edits
from engines.opinions import Opinion, joined_opinion, named_opinion, read_opinion
from engines.reader import FORMAT_VERSION, NOTHING, READ_EDITS, STRANGER, Reader, ReaderConfig, Reading
from engines.tokenizer import Tokenizer, Vocabulary

MAX_CHARACTERS = 500
CACHE_SIZE = 1024

_CONFIG_NAME, _WEIGHTS_NAME = "config.json", "model.safetensors"
_VOCABULARY_NAME, _LEXICON_NAME = "vocab.txt", "lexicon.txt"
# The network was taught 1 for everything said without a degree, so an answer this close to 1 means 1.
_PLAIN_WITHIN = 0.15
# Half an instruction is done only where it is surely meant.
_SURE_OF_HALF = 0.9


class TrainedInstructionEncoder:
    """The instruction encoder that is shipped with the model; safe to call from any thread."""

    def __init__(self, config: ReaderConfig, reader: Reader, vocabulary: Vocabulary) -> None:
        """Take a trained reader.

        Args:
            config: The reader's shape and calibration.
            reader: Its network, float32 on the CPU; switched to evaluation here.
            vocabulary: The word pieces of its table, and its lexicon.
        """
        self.config = config
        self._reader = reader.eval().requires_grad_(False)
        self._vocabulary = vocabulary
        self._tokenizer = Tokenizer(vocabulary, config.group_buckets)
        self._cached = lru_cache(maxsize=CACHE_SIZE)(self._encode)

    def save(self, folder: Path) -> None:
        """Write config, vocabulary and weights (float16, the piece table int8) to ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            name: tensor.half().contiguous() if tensor.is_floating_point() else tensor.contiguous()
            for name, tensor in self._reader.state_dict().items()
        }
        save_file(tensors, folder / _WEIGHTS_NAME)
        for name, words in (
            (_VOCABULARY_NAME, self._vocabulary.pieces),
            (_LEXICON_NAME, self._vocabulary.lexicon),
        ):
            (folder / name).write_text("\n".join(words) + "\n", encoding="utf-8")
        (folder / _CONFIG_NAME).write_text(json.dumps(asdict(self.config), indent=2) + "\n", encoding="utf-8")

    def encode(self, text: str) -> Conditioning:
        """Encode one instruction; the last CACHE_SIZE texts are remembered.

        A text that is no known instruction gets the code of "unchanged": rather nothing than a guess. Where only a
        part of it can be done, that is done, and ``known`` is false.

        Raises:
            InstructionError: The text is blank or longer than MAX_CHARACTERS.
        """
        if len(text) > MAX_CHARACTERS:
            raise InstructionError(
                f"an instruction has at most {MAX_CHARACTERS} characters, this one has {len(text)}"
            )
        if not text.strip():
            raise InstructionError("an instruction needs at least one word")
        return self._cached(text)

    @torch.inference_mode()
    def read(self, texts: list[str]) -> Reading:
        """The network's raw answers to a batch of texts."""
        reading: Reading = self._reader(self._tokenizer(texts))
        return reading

    def opinion(self, text: str) -> Opinion:
        """What ``text`` names, else the surest of all ways to read it: as a whole, or cut in two where words join."""
        named = named_edits(text) or named_edits(" ".join(self._tokenizer.words(text)))
        if named:
            return named_opinion(named)
        cuts = clauses(text)
        reading = self.read([text, *(clause for cut in cuts for clause in cut)])
        whole, *parts = (
            read_opinion(reading, row, self.config.temperature) for row in range(len(reading.edits))
        )
        joined = (joined_opinion(*both) for both in zip(parts[::2], parts[1::2], strict=True))
        return max(
            (whole, *(both for both in joined if both is not None)), key=lambda opinion: opinion.sureness
        )

    def _encode(self, text: str) -> Conditioning:
        opinion = self.opinion(text)
        first = opinion.edits[0, :STRANGER]
        confidence = opinion.known_probability * (first.max() / first.sum()).item()
        known = confidence >= self.config.known_threshold
        read = _edits_read(opinion, _known_slots(opinion.edits) if known else _known_part(opinion.edits))
        edits = dict(tuple(read.items())[:MOST_EDITS])
        left_out = (*tuple(read)[MOST_EDITS:], *opinion.left_out)
        nearest = tuple(dict.fromkeys((*edits, *_likeliest(opinion.edits))))
        return Conditioning(
            text=text,
            code=instruction_code(
                dict.fromkeys(edits or ("unchanged",), 1.0),
                edits,
                _colour_to_give(edits, opinion.colour),
                _colour_meant(edits, opinion.colour_of),
            ),
            family=nearest[0],
            confidence=confidence,
            known=known and not left_out,
            nearest=tuple(EXAMPLES[family][0] for family in nearest[:3]),
            edits=tuple(edits.items()),
            left_out=left_out,
        )


def load_instruction_encoder(folder: Path) -> TrainedInstructionEncoder:
    """Read an encoder saved by :meth:`TrainedInstructionEncoder.save`.

    Raises:
        ModelError: A file is missing or damaged, or was made for another version, other families or other colours.
    """
    config = _load_config(folder / _CONFIG_NAME)
    try:
        vocabulary = Vocabulary(
            tuple((folder / _VOCABULARY_NAME).read_text(encoding="utf-8").splitlines()),
            tuple((folder / _LEXICON_NAME).read_text(encoding="utf-8").splitlines()),
        )
        tensors = load_file(folder / _WEIGHTS_NAME)
    except (OSError, UnicodeDecodeError, SafetensorError) as error:
        raise ModelError(f"cannot read the instruction encoder in {folder}: {error}") from error
    reader = Reader(config, len(vocabulary.pieces))
    try:
        reader.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{folder / _WEIGHTS_NAME} does not fit {_CONFIG_NAME}: {reason}") from error
    return TrainedInstructionEncoder(config, reader, vocabulary)


def _edits_read(opinion: Opinion, slots: Sequence[int]) -> dict[str, float]:
    """Family -> amount of the edits in ``slots``; one that is named twice is one: "darker, much darker"."""
    read = {
        FAMILIES[int(opinion.edits[slot, :STRANGER].argmax())]: opinion.amounts[slot].item() for slot in slots
    }
    if len(read) > 1:
        # "Back to normal, then add snow" is snow.
        read.pop("unchanged", None)
    return {family: 1.0 if abs(amount - 1) <= _PLAIN_WITHIN else amount for family, amount in read.items()}


def _likeliest(probabilities: Tensor) -> Iterator[str]:
    """The families that are likely at all, the likeliest first."""
    likely = probabilities[:, :STRANGER].sum(0)
    return (FAMILIES[index] for index in likely.argsort(descending=True).tolist() if likely[index] > 0)


def _known_slots(probabilities: Tensor) -> tuple[int, ...]:
    """The edits of a text that is known as a whole: the first, and each that is rather named than not."""
    named = probabilities[:, :STRANGER].sum(-1) > probabilities[:, NOTHING]
    return (0, *(slot for slot in range(1, READ_EDITS) if named[slot]))


def _known_part(probabilities: Tensor) -> tuple[int, ...]:
    """The edits a text asks for beside something that nobody taught; none where all of it is strange."""
    if not (probabilities[:, STRANGER] > 0.5).any():
        return ()
    known = probabilities[:, :STRANGER].sum(-1) >= _SURE_OF_HALF
    return tuple(slot for slot in range(READ_EDITS) if known[slot])


def _colour_to_give(families: Collection[str], logits: Tensor) -> RGB:
    """The colour read, where one of ``families`` gives one; white, grey and black only where it can be given."""
    takers = TAKES_RGB.intersection(families)
    if not takers:
        return NO_COLOUR
    names = tuple(NAMED_COLOURS if takers <= TAKES_NEUTRALS else COLOURS)
    return NAMED_COLOURS[names[int(logits[: len(names)].argmax())]]


def _colour_meant(families: Collection[str], logits: Tensor) -> RGB:
    if not TAKES_RGB_OF.intersection(families):
        return NO_COLOUR
    return COLOURS[tuple(COLOURS)[int(logits.argmax())]]


def _load_config(path: Path) -> ReaderConfig:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"cannot read the instruction encoder: {error}") from error
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    found = values.get("format_version") if isinstance(values, dict) else None
    if found != FORMAT_VERSION:
        raise ModelError(f"{path} has format version {found}, this program reads version {FORMAT_VERSION}")
    for name, needed in (("families", FAMILIES), ("colours", tuple(NAMED_COLOURS))):
        saved = values.get(name)
        if saved != list(needed):
            named = ", ".join(map(str, saved)) if isinstance(saved, list) else saved
            raise ModelError(
                f"{path} was trained for the {name} {named}; this program has {', '.join(needed)}"
            )
        values[name] = needed
    try:
        return ReaderConfig(**values)
    except TypeError as error:
        raise ModelError(f"{path} does not describe an instruction encoder: {error}") from error
