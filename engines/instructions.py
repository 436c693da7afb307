"""Typed instruction -> conditioning: a small reader of words that survives typing errors.

Each word is the mean of its word pieces, taken from a frozen table that carries general meaning, joined with the
mean of its hashed letter groups, which is learned and still recognises "penicl". Two transformer layers read the
words, and one attention pool per question answers: which family, how much, which colour.
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engines.colours import COLOURS
from engines.conditioning import AMOUNT_RANGE, NO_COLOUR, Conditioning, InstructionError, instruction_code
from engines.families import EXAMPLES, FAMILIES
from engines.model import ModelError

FORMAT_VERSION = 1
MAX_CHARACTERS = 500
MAX_WORDS = 48
MAX_PIECES = 4
MAX_GROUPS = 28
CACHE_SIZE = 1024

_CONFIG_NAME, _WEIGHTS_NAME = "config.json", "model.safetensors"
_VOCABULARY_NAME, _LEXICON_NAME = "vocab.txt", "lexicon.txt"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WORD = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")
# Below this weight a family is noise of the softmax, not something the text asked for.
_LEAST_WEIGHT = 0.08
_SHARPNESS = 2.0
# The network was taught 1 for everything said without a degree, so an answer this close to 1 means 1.
_PLAIN_WITHIN = 0.15


@dataclass(frozen=True)
class ReaderConfig:
    """Shape and calibration of one trained reader, saved beside its weights."""

    piece_width: int = 96
    group_width: int = 64
    group_buckets: int = 8192
    width: int = 128
    layers: int = 2
    heads: int = 4
    known_threshold: float = 0.5
    """Least probability of being an instruction at all; below it a text is unknown."""
    temperature: float = 1.0
    """Divides the family logits so that the confidence is a probability (Guo et al., 2017)."""
    families: tuple[str, ...] = FAMILIES
    colours: tuple[str, ...] = tuple(COLOURS)
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True, eq=False)
class Words:
    """A batch of texts as numbers; index 0 is padding everywhere."""

    pieces: Tensor
    """(B, W, MAX_PIECES) int64, rows of the piece table."""
    groups: Tensor
    """(B, W, MAX_GROUPS) int64, buckets of the letter groups."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What the network read, per text of the batch."""

    families: Tensor
    """(B, families + 1) logits; the last is "no instruction I know"."""
    amount: Tensor
    """(B,) within AMOUNT_RANGE."""
    colours: Tensor
    """(B, colours) logits."""


@dataclass(frozen=True)
class Vocabulary:
    """What the tokenizer knows of words."""

    pieces: tuple[str, ...]
    """WordPieces in table order, from row 1 on; inner pieces start with "##"."""
    lexicon: tuple[str, ...]
    """Words of the trade, the commonest first, that a misspelt word may be mended to."""


class Tokenizer:
    """Splits texts into words, mends their spelling, and takes WordPieces and letter groups of each."""

    def __init__(self, vocabulary: Vocabulary, group_buckets: int) -> None:
        """Take the vocabulary and the number of hash buckets.

        Args:
            vocabulary: The pieces and the lexicon.
            group_buckets: Rows of the letter-group table, padding included.
        """
        self._rows = {piece: row for row, piece in enumerate(vocabulary.pieces, 1)}
        self._ranks = {word: rank for rank, word in enumerate(vocabulary.lexicon)}
        self._buckets = group_buckets
        self._tokenized = lru_cache(maxsize=50_000)(self._tokenize_word)
        self._mended = lru_cache(maxsize=50_000)(self._mend)

    def __call__(self, texts: list[str]) -> Words:
        """Tokenize ``texts`` into one padded batch; longer texts are read up to MAX_WORDS words."""
        batch = [[self._tokenized(word) for word in self.words(text)] for text in texts]
        longest = max(1, *(len(words) for words in batch), 1)
        no_word = ((0,) * MAX_PIECES, (0,) * MAX_GROUPS)
        padded = [words + [no_word] * (longest - len(words)) for words in batch]
        return Words(
            torch.tensor([[pieces for pieces, _ in words] for words in padded]),
            torch.tensor([[groups for _, groups in words] for words in padded]),
        )

    def words(self, text: str) -> list[str]:
        """The first MAX_WORDS words of ``text`` in lower case, mended where they are misspelt."""
        return [mended for word in split_words(text) for mended in self._mended(word)][:MAX_WORDS]

    def _mend(self, word: str) -> tuple[str, ...]:
        """The words meant by ``word``: itself where it is one, else the commonest within one typing error."""
        if len(word) < 4 or word in self._ranks or word in self._rows or not word.isalpha():
            return (word,)
        near = [edited for edited in _edits(word) if edited in self._ranks]
        if near:
            return (min(near, key=self._ranks.__getitem__),)
        return self._split(word) or (word,)

    def _split(self, word: str) -> tuple[str, ...]:
        """``word`` cut into words of the lexicon of at least two letters, or nothing where that fails."""
        if word in self._ranks:
            return (word,)
        for cut in range(len(word) - 2, 1, -1):
            if word[:cut] in self._ranks and (rest := self._split(word[cut:])):
                return (word[:cut], *rest)
        return ()

    def _tokenize_word(self, word: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        pieces = self._pieces(word)[:MAX_PIECES]
        groups = self._groups(word)[:MAX_GROUPS]
        return (
            tuple(pieces + [0] * (MAX_PIECES - len(pieces))),
            tuple(groups + [0] * (MAX_GROUPS - len(groups))),
        )

    def _pieces(self, word: str) -> list[int]:
        pieces: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                row = self._rows.get(word[start:end] if start == 0 else f"##{word[start:end]}")
                if row is not None:
                    pieces.append(row)
                    start = end
                    break
            else:
                return []
        return pieces

    def _groups(self, word: str) -> list[int]:
        # The whole word first: it survives the cut where a word is too long. The pair of ends and the sorted
        # letters stay the same under swapped letters.
        bounded = f"<{word}>"
        parts = [f"={word}", f"{word[0]}~{word[-1]}", "#" + "".join(sorted(word))]
        parts += [bounded[at : at + size] for size in (3, 4, 2) for at in range(len(bounded) - size + 1)]
        return [crc32(part.encode()) % (self._buckets - 1) + 1 for part in parts]


def _edits(word: str) -> Iterator[str]:
    """Every word one typing error away: a letter dropped, swapped with the next, replaced or added."""
    for at in range(len(word) + 1):
        left, right = word[:at], word[at:]
        if right:
            yield left + right[1:]
        if len(right) > 1:
            yield left + right[1] + right[0] + right[2:]
        for letter in _LETTERS:
            yield left + letter + right
            if right:
                yield left + letter + right[1:]


def split_words(text: str) -> list[str]:
    """The first MAX_WORDS lower-case words and signs of ``text``, accents dropped."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("&", " and "))
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    # An apostrophe carries no meaning here and splits "don't" into words nobody was taught.
    return _WORD.findall(plain.replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", ""))[:MAX_WORDS]


class Reader(nn.Module):
    """The network: words in, answers out."""

    piece_table: Tensor
    piece_scale: Tensor

    def __init__(self, config: ReaderConfig, vocabulary_size: int) -> None:
        """Make an untrained reader with an empty piece table.

        Args:
            config: Its shape.
            vocabulary_size: Rows of the piece table, without the padding row.
        """
        super().__init__()
        width = config.width
        self.register_buffer(
            "piece_table", torch.zeros(vocabulary_size + 1, config.piece_width, dtype=torch.int8)
        )
        self.register_buffer("piece_scale", torch.ones(vocabulary_size + 1))
        self.groups = nn.Embedding(config.group_buckets, config.group_width, padding_idx=0)
        self.word = nn.Linear(config.piece_width + config.group_width, width)
        self.positions = nn.Parameter(torch.zeros(MAX_WORDS, width))
        self.layers = nn.ModuleList(ReaderLayer(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.questions = nn.Parameter(torch.randn(3, width) / math.sqrt(width))
        self.families = nn.Linear(width, len(config.families) + 1)
        self.amount = nn.Linear(width, 1)
        self.colours = nn.Linear(width, len(config.colours))

    def forward(self, words: Words) -> Reading:
        """Read a batch of texts."""
        hidden, present = self.states(words)
        scores = torch.einsum("qc,bwc->bqw", self.questions, hidden)
        weights = scores.masked_fill(~present[:, None], -1e4).softmax(-1)
        family, amount, colour = (weights @ hidden).unbind(1)
        low, high = AMOUNT_RANGE
        return Reading(
            self.families(family),
            low + (high - low) * self.amount(amount).squeeze(-1).sigmoid(),
            self.colours(colour),
        )

    def states(self, words: Words) -> tuple[Tensor, Tensor]:
        """Word states (B, W, width) after the last layer, and which words are present (B, W)."""
        present = words.groups[..., 0] > 0
        # A text without a single word still has one place to look at.
        present[:, 0] = True
        pieces = (
            self.piece_table[words.pieces].to(self.piece_scale.dtype)
            * self.piece_scale[words.pieces][..., None]
        )
        meaning = _mean(pieces, words.pieces > 0)
        letters = _mean(self.groups(words.groups), words.groups > 0)
        hidden = self.join(meaning, letters) + self.positions[: words.pieces.shape[1]]
        for layer in self.layers:
            hidden = layer(hidden, present)
        return self.norm(hidden), present

    def join(self, meaning: Tensor, letters: Tensor) -> Tensor:
        """One vector per word, (B, W, width), from what it means and how it is spelt."""
        joined: Tensor = self.word(torch.cat((meaning, letters), -1))
        return joined


class ReaderLayer(nn.Module):
    """Pre-norm transformer layer (Xiong et al., 2020)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, hidden: Tensor, present: Tensor) -> Tensor:
        """Hidden states (B, W, width), ``present`` (B, W) true where there is a word."""
        batch, length, width = hidden.shape
        q, k, v = (
            self.qkv(self.attention_norm(hidden))
            .view(batch, length, 3, self.heads, -1)
            .permute(2, 0, 3, 1, 4)
        )
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=present[:, None, None, :])
        hidden = hidden + self.dropout(self.out(attended.transpose(1, 2).reshape(batch, length, width)))
        fed: Tensor = hidden + self.dropout(self.narrow(F.gelu(self.widen(self.feed_norm(hidden)))))
        return fed


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

        A text that is no known instruction gets the code of "unchanged": rather nothing than a guess.

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

    def known_probability(self, reading: Reading) -> Tensor:
        """(B,) probability of being an instruction the model knows."""
        stranger = (reading.families / self.config.temperature).softmax(-1)[:, -1]
        return 1 - stranger

    def _encode(self, text: str) -> Conditioning:
        reading = self.read([text])
        known_probability = self.known_probability(reading).item()
        known = known_probability >= self.config.known_threshold
        logits = reading.families[0, :-1] / self.config.temperature
        probabilities = logits.softmax(-1)
        order = probabilities.argsort(descending=True).tolist()
        family = self.config.families[order[0]]
        colour = self.config.colours[int(reading.colours[0].argmax())]
        weights = sharpened(logits) if known else {"unchanged": 1.0}
        amount = reading.amount[0].item()
        code = instruction_code(
            weights,
            1.0 if not known or abs(amount - 1) <= _PLAIN_WITHIN else amount,
            COLOURS[colour] if "tint" in weights else NO_COLOUR,
        )
        return Conditioning(
            text=text,
            code=code,
            family=family,
            confidence=known_probability * probabilities[order[0]].item(),
            known=known,
            nearest=tuple(EXAMPLES[self.config.families[index]][0] for index in order[:3]),
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


def sharpened(logits: Tensor) -> dict[str, float]:
    """Family weights that sum to 1 from (families,) logits; a clear answer becomes exactly one-hot."""
    weights = (logits * _SHARPNESS).softmax(-1)
    weights = torch.where(weights < _LEAST_WEIGHT, 0.0, weights)
    if weights.max() > 1 - 2 * _LEAST_WEIGHT:
        weights = (weights == weights.max()).float()
    weights = weights / weights.sum()
    return {family: weight for family, weight in zip(FAMILIES, weights.tolist(), strict=True) if weight > 0}


def _mean(vectors: Tensor, present: Tensor) -> Tensor:
    """Mean over the second to last axis of ``vectors`` where ``present``; zeros where nothing is."""
    mask = present[..., None].to(vectors.dtype)
    return (vectors * mask).sum(-2) / mask.sum(-2).clamp(min=1)


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
    for name, needed in (("families", FAMILIES), ("colours", tuple(COLOURS))):
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
