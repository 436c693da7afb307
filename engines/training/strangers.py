"""Texts that ask for nothing the model was taught: talk, questions, other programs' work, and letters at random."""

import random
import re
from collections.abc import Iterator

from engines.training.keyboard import as_typed, gibberish
from engines.training.sentences import Phrase, joined_sentence, polite
from engines.training.wordings import Split, read_words


class Strangers:
    """Draws strangers of one split."""

    def __init__(self, split: Split) -> None:
        """Read the texts.

        Args:
            split: Which of them to draw from.
        """
        read = read_words("strangers.toml")
        self._slots: dict[str, list[str]] = read["slots"]
        self._texts = {
            name: kept
            for name, kind in read["texts"].items()
            if (kept := [text for text in kind if split.has(text)])
        }
        self._requests = [text for name in read["requests"] for text in self._texts.get(name, ())]

    def texts(self) -> Iterator[str]:
        """Everything that can be drawn, slots unfilled."""
        for kind in (*self._texts.values(), *self._slots.values()):
            yield from kind

    def request(self, rng: random.Random) -> Phrase:
        """Something to do that the model cannot, as a clause of a sentence."""
        return Phrase("verb", self._filled(rng.choice(self._requests), rng))

    def draw(self, rng: random.Random) -> str:
        """One text."""
        roll = rng.random()
        if roll < 0.06:
            return gibberish(rng)
        if roll < 0.10:
            return self._word_salad(rng)
        if roll < 0.14:
            one, two = self.request(rng), self.request(rng)
            return as_typed(joined_sentence(one, two, rng), rng)
        text = self._filled(rng.choice(self._texts[rng.choice(tuple(self._texts))]), rng)
        if rng.random() < 0.5:
            text = polite(text, rng)
        return as_typed(text, rng)

    def _filled(self, text: str, rng: random.Random) -> str:
        return re.sub(r"\{(\w+)\}", lambda slot: rng.choice(self._slots.get(slot[1], [slot[0]])), text)

    def _word_salad(self, rng: random.Random) -> str:
        return " ".join(rng.choice(rng.choice(tuple(self._slots.values()))) for _ in range(rng.randint(1, 5)))
