"""Sentences to learn instructions from: wordings in frames, with degrees, colours, politeness and typing errors.

The wordings lie beside this file as TOML. A wording is split off for validation whole, with every sentence it could
appear in, so that validation asks for wordings never read. The held-back phrasings are in neither.
"""

import itertools
import random
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

from engines.colours import COLOURS, NAMED_COLOURS, NEUTRALS
from engines.families import FAMILIES, TAKES_NEUTRALS
from engines.training.held_back import Phrasing, held_back
from engines.training.keyboard import as_typed, gibberish
from engines.training.sentences import (
    SUBJECTS,
    Phrase,
    joined_sentence,
    polite,
    sentence,
    vocabulary,
    without_courtesy,
)

_HERE = Path(__file__).parent
_Entry = TypeVar("_Entry")
_JOINED_SHARE = 0.3
_HALF_KNOWN_SHARE = 0.05
_BARE_SHARE = 0.25

_NOUN_ENDINGS = ("", "", "effect", "effect", "filter", "filter", "look", "look", "style", "mode", "feel", "vibe",
                 "version", "treatment", "thing", "appearance", "mood")  # fmt: skip
_BACKGROUNDS = (
    "the background", "the background", "the background", "the background", "my background", "background",
    "what is behind me", "what's behind me", "everything behind me", "the backdrop", "the room behind me",
    "the stuff behind me",
    "whatever is behind me", "the wall behind me", "the area behind me", "everything behind the person",
    "everything except me",
    "everything but me", "all but the person", "my surroundings", "the rest of the room", "everything around me",
    "everything around the person", "the scenery behind me", "all of the background", "the whole background",
    "the space behind me", "everything that is not me",
)  # fmt: skip
_COMPARATIVES = frozenset(
    [
        "more",
        "less",
        "higher",
        "lower",
        "stronger",
        "weaker",
        "greater",
        "better",
        "softer",
        "deeper",
        "bolder",
        "richer",
        "extra",
        "sharper",
        "crisper",
    ]
)
_WITHOUT_DEGREES = frozenset({"unchanged"})
_COMMONNESS = 1.8
# Families whose sentences differ by their colours, and the one that stands for "no", are drawn more often.
_MORE_OFTEN = (*("tint",) * 3, *("recolour",) * 8, "background_replace",
               "background_replace", "background_tint", "colour_pop", "add_balloons", "unchanged", "unchanged",
               "background_grey")  # fmt: skip
_SECOND_EDITS = (
    "brighter", "brighter", "darker", "darker", "darker", "more_contrast", "less_contrast", "more_saturated",
    "less_saturated", "warmer", "cooler", "blur", "sharpen", "fog", "snow", "rain", "background_blur",
    "black_and_white", "glow", "tint", "background_dark",
)  # fmt: skip
_OPPOSITES = frozenset(
    frozenset(pair)
    for pair in (
        ("brighter", "darker"), ("more_contrast", "less_contrast"), ("more_saturated", "less_saturated"),
        ("warmer", "cooler"), ("blur", "sharpen"), ("add_balloons", "remove_balloons"),
    )
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


class Split(Enum):
    """Which wordings to draw from."""

    TRAINING = "training"
    VALIDATION = "validation"
    EVERYTHING = "everything"

    def has(self, wording: str) -> bool:
        """Whether ``wording`` is in this split; about one in seven is kept for validation."""
        if self is Split.EVERYTHING:
            return True
        return (crc32(wording.encode()) % 7 == 0) == (self is Split.VALIDATION)


@dataclass(frozen=True)
class _Clause:
    """One edit in words, before it becomes a sentence."""

    phrase: Phrase
    family: str
    amount: float
    colour: str | None
    colour_of: str | None


class Phrasebook:
    """Draws sentences of one split, forever and by the generator handed in."""

    def __init__(self, split: Split) -> None:
        """Read the wordings.

        Args:
            split: Which of them to draw from.
        """
        self._held_back = frozenset(without_courtesy(phrasing.text) for phrasing in held_back())
        wordings: dict[str, dict[str, list[str]]] = _read("wordings.toml")
        self._wordings = {
            family: {
                part: kept
                for part, entries in wordings[family].items()
                if (kept := [wording for wording in entries if split.has(f"{family} {wording}")])
            }
            for family in FAMILIES
        }
        strangers = _read("strangers.toml")
        self._slots: dict[str, list[str]] = strangers["slots"]
        self._strangers = {
            name: kept
            for name, kind in strangers["texts"].items()
            if (kept := [text for text in kind if split.has(text)])
        }
        self._requests = [text for name in strangers["requests"] for text in self._strangers.get(name, ())]
        self._degrees: dict[str, list[tuple[str, float]]] = {
            place: list(words.items()) for place, words in _read("degrees.toml").items()
        }
        names: dict[str, list[str]] = _read("colour_names.toml")
        self._colours = {colour: names[colour] for colour in NAMED_COLOURS}

    def draw(self, rng: random.Random, stranger_share: float) -> Phrasing:
        """One phrasing; ``stranger_share`` of them are no instruction the model knows."""
        while True:
            phrasing = self._stranger(rng) if rng.random() < stranger_share else self._instruction(rng)
            if phrasing.text.strip() and without_courtesy(phrasing.text) not in self._held_back:
                return phrasing

    def lexicon(self) -> tuple[str, ...]:
        """Every word the phrasings are made of, the commonest first."""
        texts = [wording for parts in self._wordings.values() for part in parts.values() for wording in part]
        texts += [text for kind in self._strangers.values() for text in kind]
        texts += [word for words in self._degrees.values() for word, _ in words]
        texts += itertools.chain(*self._slots.values(), *self._colours.values())
        texts += (*_NOUN_ENDINGS, *_BACKGROUNDS, *_CALLING_OFF, *_LEAVING_OUT, *vocabulary())
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
        clause = self._clause(family, rng)
        # Said in a word or two, an instruction looks most like a stranger, so it has to be read often.
        text = clause.phrase.text if rng.random() < _BARE_SHARE else sentence(clause.phrase, rng)
        text = as_typed(text.replace("{s}", rng.choice(SUBJECTS)), rng)
        return Phrasing(text, family, clause.amount, clause.colour, clause.colour_of)

    def _joined(self, rng: random.Random) -> Phrasing:
        first, second = self._pair(rng)
        one, two = self._clause(first, rng), self._clause(second, rng)
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
            if first != second and {first, second} not in _OPPOSITES:
                return (second, first) if rng.random() < 0.25 else (first, second)

    def _half_known(self, rng: random.Random) -> Phrasing:
        clause = self._clause(rng.choice(FAMILIES[1:]), rng)
        other = Phrase("verb", self._filled(rng.choice(self._requests), rng))
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
        parts = self._wordings[rng.choice(_CALLED_OFF)]
        part = "verb" if rng.random() < 0.35 and "verb" in parts else "noun"
        frames = _LEAVING_OUT if part == "verb" else _CALLING_OFF
        wording = _parted(_early(parts.get(part, ["effect"]), rng))[0]
        text = sentence(Phrase("say", rng.choice(frames).replace("{x}", wording)), rng)
        text = text.replace("{s}", "it").replace("{b}", "the background")
        return Phrasing(as_typed(polite(text, rng), rng), "unchanged")

    def _clause(self, family: str, rng: random.Random) -> _Clause:
        parts = self._wordings[family]
        (key,) = rng.choices(tuple(parts), [len(entries) for entries in parts.values()])
        # The commonest wordings come first in their lists and are drawn most: drawn evenly, "make it black and
        # white" was read as the negative, whose wordings speak of black and white more often.
        wording, amount = _parted(_early(parts[key], rng))
        part, _, named = key.partition("_")
        wording, colour, colour_of, shade = self._coloured(family, wording, rng)
        if named:
            colour = named
        plain = amount is None and shade is None and family not in _WITHOUT_DEGREES
        phrase = Phrase(part, wording)
        if plain and rng.random() < 0.4:
            phrase, amount = self._graded(family, phrase, rng)
        elif part == "noun":
            phrase = _with_ending(phrase, rng)
        return _Clause(phrase, family, amount or shade or 1.0, colour, colour_of)

    def _coloured(
        self, family: str, wording: str, rng: random.Random
    ) -> tuple[str, str | None, str | None, float | None]:
        """``wording`` with its slots filled, the colours they name, and the amount a shade of it means."""
        colour = colour_of = shade = None
        if "{o}" in wording:
            colour_of = rng.choice(tuple(COLOURS))
            wording = wording.replace("{o}", self._name(colour_of, rng))
        if "{n}" in wording:
            colour = rng.choice(("white", "black"))
            wording = wording.replace("{n}", self._name(colour, rng))
        if "{c}" in wording:
            neutral = family in TAKES_NEUTRALS and rng.random() < 0.15
            colour = rng.choice([name for name in (NEUTRALS if neutral else COLOURS) if name != colour_of])
            name = self._name(colour, rng)
            if family in ("tint", "background_tint") and " " not in name and rng.random() < 0.1:
                # "deep blue" and "pale blue" say how much of the blue; "dark" and "light" name other colours.
                word, shade = rng.choice((("deep", 1.5), ("strong", 1.5), ("pale", 0.5), ("faint", 0.5)))
                name = f"{word} {name}"
            wording = wording.replace("{c}", name)
        for slot in ("{k}", "{x}"):
            wording = wording.replace(slot, self._name(rng.choice(tuple(COLOURS)), rng))
        if "{t}" in wording:
            wording = wording.replace("{t}", rng.choice(self._slots[rng.choice(("object", "clothes"))]))
        return wording.replace("{b}", rng.choice(_BACKGROUNDS)), colour, colour_of, shade

    def _name(self, colour: str, rng: random.Random) -> str:
        names = self._colours[colour]
        return names[0] if rng.random() < 0.45 else rng.choice(names)

    def _graded(self, family: str, phrase: Phrase, rng: random.Random) -> tuple[Phrase, float]:
        """``phrase`` with words of degree, and the amount they mean."""
        places = _PLACES[phrase.part]
        text = phrase.text
        if phrase.part == "noun" and text.split()[0] in _COMPARATIVES:
            places = ("comparative",)
        elif phrase.part == "adj" and _is_comparative(text):
            places = ("comparative",) * 5 + ("after",)
        elif phrase.part == "say":
            short = ("before", "after", "adjective", "amount_of") if len(text.split()) <= 3 else ("after",)
            places = ("comparative",) if _is_comparative(text) else short
        elif phrase.part == "thing" and family == "add_balloons":
            places = ("count",)
        place = rng.choice(places)
        word, amount = _early(self._degrees[place], rng)
        if place == "after":
            if phrase.part == "noun":
                phrase = _with_ending(phrase, rng)
            return replace(phrase, text=f"{phrase.text} {word}"), amount
        if phrase.part == "like":
            return Phrase("say", f"{word} {rng.choice(('like', 'as'))} {text}"), amount
        if place == "adjective" and phrase.part in ("noun", "thing"):
            ended = _ended(text, rng) if phrase.part == "noun" else text
            return replace(phrase, text=f"{_article(word, rng)}{word} {ended}"), amount
        return replace(phrase, text=f"{word} {text}"), amount

    def _stranger(self, rng: random.Random) -> Phrasing:
        roll = rng.random()
        if roll < 0.06:
            return Phrasing(gibberish(rng), None)
        if roll < 0.10:
            return Phrasing(self._word_salad(rng), None)
        if roll < 0.14:
            one, two = (Phrase("verb", self._filled(rng.choice(self._requests), rng)) for _ in range(2))
            return Phrasing(as_typed(joined_sentence(one, two, rng), rng), None)
        text = self._filled(rng.choice(self._strangers[rng.choice(tuple(self._strangers))]), rng)
        if rng.random() < 0.5:
            text = polite(text, rng)
        return Phrasing(as_typed(text, rng), None)

    def _filled(self, text: str, rng: random.Random) -> str:
        return re.sub(r"\{(\w+)\}", lambda slot: rng.choice(self._slots.get(slot[1], [slot[0]])), text)

    def _word_salad(self, rng: random.Random) -> str:
        return " ".join(rng.choice(rng.choice(tuple(self._slots.values()))) for _ in range(rng.randint(1, 5)))


def draws(split: Split, seed: int, stranger_share: float) -> Iterator[Phrasing]:
    """An endless stream of phrasings, the same for the same seed."""
    book, rng = Phrasebook(split), random.Random(seed)
    while True:
        yield book.draw(rng, stranger_share)


_PLACES = {
    "adj": ("before",) * 6 + ("after",),
    "noun": ("amount_of", "amount_of", "after", "adjective", "adjective", "adjective"),
    "like": ("after", "before"),
    "verb": ("after", "after", "before"),
    "say": ("after",),
    "thing": ("amount_of", "adjective"),
    "when": ("before",),
}
"""Part of speech -> the tables of ``degrees.toml`` its degrees come from, the likelier more often."""


def _read(name: str) -> dict[str, Any]:
    with (_HERE / name).open("rb") as file:
        return tomllib.load(file)


def _parted(wording: str) -> tuple[str, float | None]:
    """The words of ``wording``, and the amount they mean by themselves, as in "drizzle @0.5"."""
    words, _, amount = wording.partition(" @")
    return words, float(amount) if amount else None


def _early(words: list[_Entry], rng: random.Random) -> _Entry:
    """One of ``words``, the first ones more often."""
    return words[int(len(words) * rng.random() ** _COMMONNESS)]


def _is_comparative(wording: str) -> bool:
    first = wording.split()[0]
    return first in _COMPARATIVES or (first.endswith("er") and " " not in wording)


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _with_ending(phrase: Phrase, rng: random.Random) -> Phrase:
    """A noun as people end it: "sepia look", "a sepia effect"."""
    if phrase.text.split()[0] in _COMPARATIVES:
        return phrase
    text = _ended(phrase.text, rng)
    return replace(
        phrase, text=f"{_article(text, rng)}{text}" if text != phrase.text or rng.random() < 0.3 else text
    )


def _ended(noun: str, rng: random.Random) -> str:
    return f"{noun} {rng.choice(_NOUN_ENDINGS)}".strip()


def _article(phrase: str, rng: random.Random) -> str:
    if rng.random() < 0.25:
        return ""
    return rng.choice(("an " if phrase[0] in "aeiou" else "a ", "the ", "some ", "a "))
