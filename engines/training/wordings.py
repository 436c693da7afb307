"""One edit in words: the wordings of each family, with degrees and colours filled in.

The wordings lie beside this file as TOML, degrees and the names of colours in ``engines``. A wording is split off for
validation whole, with every sentence it could appear in, so that validation asks for wordings never read.
"""

import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

from engines.colours import COLOUR_NAMES, COLOURS, NEUTRALS
from engines.degrees import DEGREES
from engines.families import FAMILIES, TAKES_NEUTRALS
from engines.training.sentences import Phrase

_HERE = Path(__file__).parent
_Entry = TypeVar("_Entry")

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
class Clause:
    """One edit in words, before it becomes a sentence."""

    phrase: Phrase
    family: str
    amount: float
    colour: str | None
    colour_of: str | None


class Wordings:
    """Draws clauses of one split.

    Attributes:
        families: Family name -> part of speech -> the wordings of the split.
        slots: Name of a slot -> what can stand there.
    """

    def __init__(self, split: Split) -> None:
        """Read the wordings.

        Args:
            split: Which of them to draw from.
        """
        wordings: dict[str, dict[str, list[str]]] = read_words("wordings.toml")
        self.families = {
            family: {
                part: kept
                for part, entries in wordings[family].items()
                if (kept := [wording for wording in entries if split.has(f"{family} {wording}")])
            }
            for family in FAMILIES
        }
        self.slots: dict[str, list[str]] = read_words("strangers.toml")["slots"]
        self._degrees: dict[str, list[tuple[str, float]]] = {
            place: list(words.items()) for place, words in DEGREES.items()
        }

    def texts(self) -> Iterator[str]:
        """Everything that can be drawn, slots unfilled."""
        for parts in self.families.values():
            for part in parts.values():
                yield from part
        for words in self._degrees.values():
            yield from (word for word, _ in words)
        for named in COLOUR_NAMES.values():
            yield from named
        yield from (*_NOUN_ENDINGS, *_BACKGROUNDS)

    def plain(self, family: str, part: str, rng: random.Random) -> str:
        """A wording of one part of speech without degree or colour; "effect" where the family has none."""
        return _parted(_early(self.families[family].get(part, ["effect"]), rng))[0]

    def draw(self, family: str, rng: random.Random) -> Clause:
        """One way to ask for a family."""
        parts = self.families[family]
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
        return Clause(phrase, family, amount or shade or 1.0, colour, colour_of)

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
            wording = wording.replace("{t}", rng.choice(self.slots[rng.choice(("object", "clothes"))]))
        return wording.replace("{b}", rng.choice(_BACKGROUNDS)), colour, colour_of, shade

    def _name(self, colour: str, rng: random.Random) -> str:
        names = COLOUR_NAMES[colour]
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


_PLACES = {
    "adj": ("before",) * 6 + ("after",),
    "noun": ("amount_of", "amount_of", "after", "adjective", "adjective", "adjective"),
    "like": ("after", "before"),
    "verb": ("after", "after", "before"),
    "say": ("after",),
    "thing": ("amount_of", "adjective"),
    "when": ("before",),
}
"""Part of speech -> the tables of ``DEGREES`` its degrees come from, the likelier more often."""


def read_words(name: str) -> dict[str, Any]:
    """One of the TOML files beside this one."""
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
