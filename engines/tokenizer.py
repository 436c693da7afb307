"""Text -> numbers: words, mended where they are misspelt, as word pieces and hashed letter groups."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import torch
from torch import Tensor

MAX_WORDS = 48
MAX_PIECES = 4
MAX_GROUPS = 28

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WORD = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")


@dataclass(frozen=True, eq=False)
class Words:
    """A batch of texts as numbers; index 0 is padding everywhere."""

    pieces: Tensor
    """(B, W, MAX_PIECES) int64, rows of the piece table."""
    groups: Tensor
    """(B, W, MAX_GROUPS) int64, buckets of the letter groups."""


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
