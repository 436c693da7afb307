"""Sentences to learn instructions from: wordings in frames, with politeness and typing errors, and two in one.

The held-back phrasings are never drawn, whichever split is asked for.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator

from engines.families import FAMILIES, OPPOSITES
from engines.training.held_back import Phrasing, held_back
from engines.training.keyboard import as_typed
from engines.training.sentences import (
    SUBJECTS,
    Phrase,
    joined_sentence,
    polite,
    sentence,
    vocabulary,
    without_courtesy,
)
from engines.training.strangers import Strangers
from engines.training.wordings import Split, Wordings

_JOINED_SHARE = 0.3
_HALF_KNOWN_SHARE = 0.05
_BARE_SHARE = 0.25


# Families whose sentences differ by their colours, and the one that stands for "no", are drawn more often.
_MORE_OFTEN = (*("tint",) * 3, *("recolour",) * 8, "background_replace",
               "background_replace", "background_tint", "colour_pop", "add_balloons", "unchanged", "unchanged",
               "background_grey")  # fmt: skip
_SECOND_EDITS = (
    "brighter", "brighter", "darker", "darker", "darker", "more_contrast", "less_contrast", "more_saturated",
    "less_saturated", "warmer", "cooler", "blur", "sharpen", "fog", "snow", "rain", "background_blur",
    "black_and_white", "glow", "tint", "background_dark",
)  # fmt: skip
# What can be called off: "no more rain", "turn the fog off". Colour and light cannot, "no contrast" is less of it.
_CALLED_OFF = (
    "sepia", "negative", "pencil_sketch", "cartoon", "neon_edges", "thermal", "night", "sunset", "blur",
    "relief", "mosaic",
    "painting", "fog", "fog", "watercolour", "ink", "halftone", "stained_glass", "blueprint", "chalk", "vhs", "crt",
    "night_vision", "xray", "teal_orange", "glow", "snow", "snow", "rain", "rain", "background_blur",
)  # fmt: skip
_CALLING_OFF = (
    "no more {x}", "stop the {x}", "turn off the {x}", "turn the {x} off", "remove the {x} effect",
    "switch off the {x}",
    "undo the {x}", "get rid of the {x} filter", "disable {x}", "cancel the {x}", "end the {x}", "{x} off",
    "enough {x}",
    "drop the {x} filter", "i don't want {x} anymore", "take the {x} effect off", "stop with the {x}",
    "without the {x} filter",
)  # fmt: skip
_LEAVING_OUT = (
    "don't {x}",
    "do not {x}",
    "please don't {x}",
    "never {x}",
    "you should not {x}",
    "dont {x} anymore",
)


class Phrasebook:
    """Draws sentences of one split, forever and by the generator handed in."""

    def __init__(self, split: Split) -> None:
        """Read the wordings.

        Args:
            split: Which of them to draw from.
        """
        self._held_back = frozenset(without_courtesy(phrasing.text) for phrasing in held_back())
        self._wordings, self._strangers = Wordings(split), Strangers(split)

    def draw(self, rng: random.Random, stranger_share: float) -> Phrasing:
        """One phrasing; ``stranger_share`` of them are no instruction the model knows."""
        while True:
            phrasing = (
                Phrasing(self._strangers.draw(rng), None)
                if rng.random() < stranger_share
                else self._instruction(rng)
            )
            if phrasing.text.strip() and without_courtesy(phrasing.text) not in self._held_back:
                return phrasing

    def lexicon(self) -> tuple[str, ...]:
        """Every word the phrasings are made of, the commonest first."""
        texts = [
            *self._wordings.texts(),
            *self._strangers.texts(),
            *_CALLING_OFF,
            *_LEAVING_OUT,
            *vocabulary(),
        ]
        counts = Counter(word for text in texts for word in re.findall(r"[a-z]{2,}", text.replace("'", "")))
        american = {
            word.replace("colour", "color"): count for word, count in counts.items() if "colour" in word
        }
        return tuple(word for word, _ in (counts + Counter(american)).most_common())

    def _instruction(self, rng: random.Random) -> Phrasing:
        roll = rng.random()
        if roll < _JOINED_SHARE:
            return self._joined(rng)
        if roll < _JOINED_SHARE + _HALF_KNOWN_SHARE:
            return self._half_known(rng)
        family = rng.choice(FAMILIES + _MORE_OFTEN)
        if family == "unchanged" and rng.random() < 0.4:
            return self._called_off(rng)
        clause = self._wordings.draw(family, rng)
        # Said in a word or two, an instruction looks most like a stranger, so it has to be read often.
        text = clause.phrase.text if rng.random() < _BARE_SHARE else sentence(clause.phrase, rng)
        text = as_typed(text.replace("{s}", rng.choice(SUBJECTS)), rng)
        return Phrasing(text, family, clause.amount, clause.colour, clause.colour_of)

    def _joined(self, rng: random.Random) -> Phrasing:
        first, second = self._pair(rng)
        one, two = self._wordings.draw(first, rng), self._wordings.draw(second, rng)
        text = as_typed(joined_sentence(one.phrase, two.phrase, rng), rng)
        if _differ(one.colour, two.colour) or _differ(one.colour_of, two.colour_of):
            # The code holds one colour, so only the first of two edits with different colours can be done.
            return Phrasing(text, first, one.amount, one.colour, one.colour_of, half_known=True)
        colours = (one.colour or two.colour, one.colour_of or two.colour_of)
        return Phrasing(text, first, one.amount, *colours, joined=(second, two.amount))

    def _pair(self, rng: random.Random) -> tuple[str, str]:
        """Two families that can stand in one sentence: neither the same nor opposite."""
        while True:
            first = rng.choice(FAMILIES[1:])
            second = rng.choice(_SECOND_EDITS if rng.random() < 0.4 else FAMILIES[1:])
            if first != second and OPPOSITES.get(first) != second:
                return (second, first) if rng.random() < 0.25 else (first, second)

    def _half_known(self, rng: random.Random) -> Phrasing:
        clause = self._wordings.draw(rng.choice(FAMILIES[1:]), rng)
        other = self._strangers.request(rng)
        stranger_first = rng.random() < 0.4
        pair = (other, clause.phrase) if stranger_first else (clause.phrase, other)
        return Phrasing(
            as_typed(joined_sentence(*pair, rng), rng),
            clause.family,
            clause.amount,
            clause.colour,
            clause.colour_of,
            half_known=True,
            stranger_first=stranger_first,
        )

    def _called_off(self, rng: random.Random) -> Phrasing:
        family = rng.choice(_CALLED_OFF)
        part = "verb" if rng.random() < 0.35 and "verb" in self._wordings.families[family] else "noun"
        frames = _LEAVING_OUT if part == "verb" else _CALLING_OFF
        wording = self._wordings.plain(family, part, rng)
        text = sentence(Phrase("say", rng.choice(frames).replace("{x}", wording)), rng)
        text = text.replace("{s}", "it").replace("{b}", "the background")
        return Phrasing(as_typed(polite(text, rng), rng), "unchanged")


def draws(split: Split, seed: int, stranger_share: float) -> Iterator[Phrasing]:
    """An endless stream of phrasings, the same for the same seed."""
    book, rng = Phrasebook(split), random.Random(seed)
    while True:
        yield book.draw(rng, stranger_share)


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other
