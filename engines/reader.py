"""The network that reads an instruction: which edits, one or two, how much of each, and which colours.

Each word is the mean of its word pieces, taken from a frozen table that carries general meaning, joined with the
mean of its hashed letter groups, which is learned and still recognises "penicl". Transformer layers read the words,
and one attention pool per question answers.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.colours import COLOURS, NAMED_COLOURS
from engines.conditioning import AMOUNT_RANGE, MOST_EDITS
from engines.families import FAMILIES
from engines.tokenizer import MAX_WORDS, Words

FORMAT_VERSION = 2
STRANGER, NOTHING = len(FAMILIES), len(FAMILIES) + 1
"""Answers after the families: an edit nobody taught, and no edit at all."""
READ_EDITS = MOST_EDITS + 1
"""Edits that are told apart: one more than can be done, so that none is dropped without a word."""


@dataclass(frozen=True)
class ReaderConfig:
    """Shape and calibration of one trained reader, saved beside its weights."""

    piece_width: int = 96
    group_width: int = 64
    group_buckets: int = 8192
    width: int = 128
    layers: int = 3
    heads: int = 4
    known_threshold: float = 0.35
    """Least confidence to do what was read: a refused instruction annoys more than a guess, but a wild guess most."""
    temperature: float = 1.0
    """Divides the family logits so that the confidence is a probability (Guo et al., 2017)."""
    families: tuple[str, ...] = FAMILIES
    colours: tuple[str, ...] = tuple(NAMED_COLOURS)
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True, eq=False)
class Reading:
    """What the network read, per text of the batch; edits in the order they are named."""

    edits: Tensor
    """(B, MOST_EDITS, families + 2) logits; the last two are ``STRANGER`` and ``NOTHING``."""
    amounts: Tensor
    """(B, MOST_EDITS) within AMOUNT_RANGE."""
    colour: Tensor
    """(B, NAMED_COLOURS) logits of the colour to give."""
    colour_of: Tensor
    """(B, COLOURS) logits of the colour of the things meant."""


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
        # Which edit and how much of it, for each edit, then the two colours.
        self.questions = nn.Parameter(torch.randn(2 * MOST_EDITS + 2, width) / math.sqrt(width))
        self.families = nn.Linear(width, len(config.families) + 2)
        self.amount = nn.Linear(width, 1)
        self.colour = nn.Linear(width, len(config.colours))
        self.colour_of = nn.Linear(width, len(COLOURS))

    def forward(self, words: Words) -> Reading:
        """Read a batch of texts."""
        hidden, present = self.states(words)
        scores = torch.einsum("qc,bwc->bqw", self.questions, hidden)
        weights = scores.masked_fill(~present[:, None], -1e4).softmax(-1)
        answers = weights @ hidden
        edits, amounts = answers[:, :MOST_EDITS], answers[:, MOST_EDITS : 2 * MOST_EDITS]
        low, high = AMOUNT_RANGE
        return Reading(
            self.families(edits),
            low + (high - low) * self.amount(amounts).squeeze(-1).sigmoid(),
            self.colour(answers[:, -2]),
            self.colour_of(answers[:, -1]),
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
        # One pass instead of a vector for each of a word's letter groups: half the time of a step of training.
        groups = words.groups.flatten(0, 1)
        letters = F.embedding_bag(groups, self.groups.weight, mode="mean", padding_idx=0)
        letters = letters.view(*words.groups.shape[:2], -1)
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


def _mean(vectors: Tensor, present: Tensor) -> Tensor:
    """Mean over the second to last axis of ``vectors`` where ``present``; zeros where nothing is."""
    mask = present[..., None].to(vectors.dtype)
    return (vectors * mask).sum(-2) / mask.sum(-2).clamp(min=1)
