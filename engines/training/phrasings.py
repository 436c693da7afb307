"""Sentences to learn instructions from: wordings put into frames, with degrees, politeness and typing errors.

The wordings lie beside this file as TOML. A wording is split off for validation whole, with every sentence it could
appear in, so that validation asks for wordings never read. The held-back phrasings are in neither.
"""

import csv
import itertools
import random
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from zlib import crc32

from engines.colours import COLOURS
from engines.families import FAMILIES

_HERE = Path(__file__).parent
HELD_BACK_PATH = _HERE / "held_back_phrasings.tsv"
"""Phrasings no training or tuning may see: text, family ("unknown" for strangers), amount, colour."""

_SUBJECTS = (
    "it", "it", "it", "it", "this", "this", "everything", "the video", "the picture", "the image", "my webcam",
    "the camera", "my video", "the whole thing", "the scene", "the stream", "me", "us", "my face", "the room",
    "this room", "the frame", "the footage", "that", "all of it", "the whole picture", "my camera", "the screen",
    "all", "the entire image", "the shot", "my stream", "this video", "the view", "the cam", "my picture",
)  # fmt: skip

_ADJECTIVE_FRAMES = (
    "make {s} {x}", "make {s} {x}", "make {s} {x}", "make {s} look {x}", "make {s} look {x}", "make {s} appear {x}",
    "get {s} {x}", "let {s} be {x}", "let {s} look {x}", "have {s} look {x}", "show {s} {x}",
    "change {s} so it looks {x}", "edit {s} so that it is {x}", "make {x}", "turn {s} {x}",
    "{x}", "{x}", "i want {s} {x}", "i want {s} to be {x}", "i'd like {s} {x}", "i would like {s} to look {x}",
    "{s} should be {x}", "{s} should look {x}", "{s} must be {x}", "can {s} be {x}", "could {s} be {x}",
    "i need {s} {x}", "{s} {x}", "go {x}", "what if {s} was {x}", "i wish {s} was {x}",
    "it would be nice if {s} was {x}",
    "{s} but {x}", "wanna see {s} {x}", "i want to look {x}", "i think {s} should be {x}", "would be better {x}",
)  # fmt: skip
_NOUN_FRAMES = (
    "apply {x} to {s}", "add {x}", "use {x}", "switch to {x}", "turn on {x}", "set {s} to {x}", "change {s} to {x}",
    "show {s} in {x}", "show me {x}", "enable {x}", "try {x}", "do {x}", "put {x} on {s}", "put {s} in {x}",
    "give me {x}", "give {s} {x}", "go for {x}", "make {s} {x}", "make {x}", "select {x}", "choose {x}",
    "{x}", "{x}", "{x}", "i want {x}", "i'd like {x}", "with {x}", "in {x}", "can i have {x}", "can i get {x}",
    "let's have {x}", "let's try {x}", "how about {x}", "what about {x}", "gimme {x}", "i need {x}",
    "i feel like {x}",
    "{s} with {x}", "{s} in {x}", "could we have {x}", "i'd love {x}", "there should be {x}", "may i see {x}",
)  # fmt: skip
_LIKE_FRAMES = (
    "make {s} look like {x}", "make {s} look like {x}", "turn {s} into {x}", "convert {s} into {x}",
    "make {s} like {x}",
    "transform {s} into {x}", "make {s} {x}", "change {s} into {x}", "show {s} like {x}", "style {s} like {x}",
    "make {s} resemble {x}", "make {s} look as if {x}", "let {s} look like {x}", "edit {s} to look like {x}",
    "like {x}", "like {x}", "as {x}", "{x}", "as if {x}", "as though {x}", "i want {s} to look like {x}",
    "{s} should look like {x}", "it should seem like {x}", "could {s} look like {x}", "i want {s} like {x}",
    "looks like {x}",
    "i want {x}", "similar to {x}", "in the manner of {x}", "pretend {x}", "{s} as {x}",
)  # fmt: skip
_VERB_FRAMES = ("{x}", "{x}", "{x}", "{x}", "{x}", "{x}", "i want to {x}", "we should {x}", "i want you to {x}",
                "i'd like to {x}", "is it possible to {x}", "let us {x}", "how do i {x}", "you should {x}",
                "go ahead and {x}", "try to {x}", "i'd like you to {x}", "why don't you {x}",
                "let's {x}")  # fmt: skip
_NOUN_ENDINGS = ("", "", "effect", "effect", "filter", "filter", "look", "look", "style", "mode", "feel", "vibe",
                 "version", "treatment", "thing", "appearance", "mood")  # fmt: skip

_OPENINGS = (
    "please", "please", "can you", "can you", "could you", "could you please", "can you please", "would you", "hey,",
    "ok", "now", "ok now", "and now", "then", "just", "pls", "alright,", "kindly", "next,", "hi,", "maybe", "so",
    "quick,", "would you mind,", "hey can you", "hello please",
)  # fmt: skip
_CLOSINGS = (
    "please", "please", "pls", "plz", "thanks", "thank you", "now", "for me", "right now", "if you can", "instead",
    "this time", "thx", "ok", "if possible", "would you", ", please", "again", "today", "for a moment", "my friend",
)  # fmt: skip
_PUNCTUATION = ("", "", "", "", "", ".", ".", "!", "?", "!!", "...")

_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SPELLINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        ("colour", "color"), ("color(?!i)", "colour"), ("grey", "gray"), ("gray", "grey"), ("pixelis", "pixeliz"),
        ("posteris", "posteriz"), ("chiselled", "chiseled"), ("cosy", "cozy"), (r"\band\b", "&"), (r"\band\b", "n"),
        (r"\byou\b", "u"), (r"\bto\b", "2"), ("black and white", "b&w"), (r"\bthe ", ""), (r"\ba ", ""), ("'", ""),
        ("it is", "it's"), ("-", " "), ("-", ""), (",", ""), (r"\bmake\b", "mak"), (r"\blike\b", "liek"),
    )
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
    ]
)
_COMMONNESS = 1.8
_WITHOUT_DEGREES = frozenset({"unchanged"})


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
class Phrasing:
    """One text and what it asks for."""

    text: str
    family: str | None
    """A name of ``FAMILIES``; None for a text that is no instruction the model knows."""
    amount: float = 1.0
    colour: str | None = None
    """A name of ``COLOURS``, with the tint only."""


class Phrasebook:
    """Draws sentences of one split, forever and by the generator handed in."""

    def __init__(self, split: Split) -> None:
        """Read the wordings.

        Args:
            split: Which of them to draw from.
        """
        self._held_back = frozenset(_plain(phrasing.text) for phrasing in held_back())
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
        self._strangers = [
            kept
            for kind in strangers["texts"].values()
            if (kept := [text for text in kind if split.has(text)])
        ]
        self._degrees: dict[str, list[tuple[str, float]]] = {
            place: list(words.items()) for place, words in _read("degrees.toml").items()
        }
        names: dict[str, list[str]] = _read("colour_names.toml")
        self._colours = {colour: names[colour] for colour in COLOURS}

    def draw(self, rng: random.Random, stranger_share: float) -> Phrasing:
        """One phrasing; ``stranger_share`` of them are no instruction the model knows."""
        while True:
            phrasing = self._stranger(rng) if rng.random() < stranger_share else self._instruction(rng)
            if phrasing.text.strip() and _plain(phrasing.text) not in self._held_back:
                return phrasing

    def lexicon(self) -> tuple[str, ...]:
        """Every word the phrasings are made of, the commonest first."""
        texts = [wording for parts in self._wordings.values() for part in parts.values() for wording in part]
        texts += [text for kind in self._strangers for text in kind]
        texts += [word for words in self._degrees.values() for word, _ in words]
        texts += itertools.chain(*self._slots.values(), *self._colours.values())
        texts += itertools.chain(_SUBJECTS, _ADJECTIVE_FRAMES, _NOUN_FRAMES, _LIKE_FRAMES, _VERB_FRAMES)
        texts += itertools.chain(_NOUN_ENDINGS, _OPENINGS, _CLOSINGS)
        counts = Counter(word for text in texts for word in re.findall(r"[a-z]{2,}", text.replace("'", "")))
        american = {
            word.replace("colour", "color"): count for word, count in counts.items() if "colour" in word
        }
        return tuple(word for word, _ in (counts + Counter(american)).most_common())

    def _instruction(self, rng: random.Random) -> Phrasing:
        # The tint has one wording for every colour to learn, so it is drawn more often.
        family = "tint" if rng.random() < 0.08 else rng.choice(FAMILIES)
        parts = self._wordings[family]
        (part,) = rng.choices(tuple(parts), [len(entries) for entries in parts.values()])
        # The commonest wordings come first in their lists and are drawn most: drawn evenly, "make it black and
        # white" was read as the negative, whose wordings speak of black and white more often.
        wording = parts[part][int(len(parts[part]) * rng.random() ** _COMMONNESS)]
        colour = None
        amount = 1.0
        if family == "tint":
            colour = rng.choice(tuple(COLOURS))
            names = self._colours[colour]
            name = names[0] if rng.random() < 0.4 else rng.choice(names)
            if " " not in name and rng.random() < 0.1:
                # "deep blue" and "pale blue" say how much of the blue; "dark" and "light" name other colours.
                word, amount = rng.choice((("deep", 1.5), ("strong", 1.5), ("pale", 0.5), ("faint", 0.5)))
                name = f"{word} {name}"
            wording = wording.replace("{c}", name)
        degree = rng.random() < 0.4 and amount == 1.0 and family not in _WITHOUT_DEGREES
        text, amount = _SENTENCES[part](self, rng, wording, amount, degree)
        return Phrasing(_as_typed(text, rng), family, amount, colour)

    def _adjective(self, rng: random.Random, wording: str, amount: float, degree: bool) -> tuple[str, float]:
        if degree:
            place = "comparative" if _is_comparative(wording) else "before"
            if rng.random() < 0.15:
                word, amount = rng.choice(self._degrees["after"])
                wording = f"{wording} {word}"
            else:
                word, amount = rng.choice(self._degrees[place])
                wording = f"{word} {wording}"
        return _frame(rng, _ADJECTIVE_FRAMES, 16, wording), amount

    def _noun(self, rng: random.Random, wording: str, amount: float, degree: bool) -> tuple[str, float]:
        if wording.split()[0] in _COMPARATIVES:
            if degree:
                word, amount = rng.choice(self._degrees["comparative"])
                wording = f"{word} {wording}"
            return _frame(rng, _NOUN_FRAMES, 21, wording), amount
        ending = rng.choice(_NOUN_ENDINGS)
        phrase = f"{wording} {ending}".strip()
        if degree and rng.random() < 0.35:
            word, amount = rng.choice(self._degrees["amount_of"])
            phrase = f"{word} {wording}"
        elif degree and rng.random() < 0.3:
            word, amount = rng.choice(self._degrees["after"])
            phrase = f"{phrase} {word}"
        elif degree:
            word, amount = rng.choice(self._degrees["adjective"])
            phrase = f"{_article(rng, word)}{word} {phrase}"
        elif ending or rng.random() < 0.3:
            phrase = f"{_article(rng, phrase)}{phrase}"
        return _frame(rng, _NOUN_FRAMES, 21, phrase), amount

    def _like(self, rng: random.Random, wording: str, amount: float, degree: bool) -> tuple[str, float]:
        text = _frame(rng, _LIKE_FRAMES, 14, wording)
        if degree and rng.random() < 0.5:
            word, amount = rng.choice(self._degrees["after"])
            text = f"{text} {word}"
        elif degree:
            word, amount = rng.choice(self._degrees["before"])
            text = f"{word} {text}" if text.startswith(("like", "as")) else f"{text} {word}"
        return text, amount

    def _verb(self, rng: random.Random, wording: str, amount: float, degree: bool) -> tuple[str, float]:
        text = wording.replace("{s}", rng.choice(_SUBJECTS))
        if degree and rng.random() < 0.65:
            word, amount = rng.choice(self._degrees["after"])
            text = f"{text} {word}"
        elif degree:
            word, amount = rng.choice(self._degrees["before"])
            text = f"{word} {text}"
        if rng.random() < 0.75:
            return _polite(rng, text), amount
        return _frame(rng, _VERB_FRAMES, len(_VERB_FRAMES), text), amount

    def _say(self, rng: random.Random, wording: str, amount: float, degree: bool) -> tuple[str, float]:
        text = wording
        if degree and _is_comparative(wording):
            word, amount = rng.choice(self._degrees["comparative"])
            text = f"{word} {text}"
        elif degree and len(wording.split()) <= 3:
            place = rng.choice(("before", "after", "adjective", "amount_of"))
            word, amount = rng.choice(self._degrees[place])
            text = f"{text} {word}" if place == "after" else f"{word} {text}"
        elif degree:
            word, amount = rng.choice(self._degrees["after"])
            text = f"{text} {word}"
        return _close(rng, text), amount

    def _stranger(self, rng: random.Random) -> Phrasing:
        roll = rng.random()
        if roll < 0.08:
            return Phrasing(_gibberish(rng), None)
        if roll < 0.13:
            return Phrasing(self._word_salad(rng), None)
        text = rng.choice(rng.choice(self._strangers))
        text = re.sub(r"\{(\w+)\}", lambda slot: rng.choice(self._slots.get(slot[1], [slot[0]])), text)
        if rng.random() < 0.5:
            text = _polite(rng, text)
        return Phrasing(_as_typed(text, rng), None)

    def _word_salad(self, rng: random.Random) -> str:
        return " ".join(rng.choice(rng.choice(tuple(self._slots.values()))) for _ in range(rng.randint(1, 5)))


def held_back(path: Path = HELD_BACK_PATH) -> tuple[Phrasing, ...]:
    """The phrasings kept for the test, strangers among them with family None."""
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Phrasing(
                row["text"],
                None if row["family"] == "unknown" else row["family"],
                float(row["amount"] or 1.0),
                row["colour"] or None,
            )
            for row in csv.DictReader(file, delimiter="\t")
        )


def draws(split: Split, seed: int, stranger_share: float) -> Iterator[Phrasing]:
    """An endless stream of phrasings, the same for the same seed."""
    book, rng = Phrasebook(split), random.Random(seed)
    while True:
        yield book.draw(rng, stranger_share)


_Sentence = Callable[[Phrasebook, random.Random, str, float, bool], tuple[str, float]]
_SENTENCES: Mapping[str, _Sentence] = {
    "adj": Phrasebook._adjective,
    "noun": Phrasebook._noun,
    "like": Phrasebook._like,
    "verb": Phrasebook._verb,
    "say": Phrasebook._say,
}


def _read(name: str) -> dict[str, Any]:
    with (_HERE / name).open("rb") as file:
        return tomllib.load(file)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9&]+", text.lower()))


def _is_comparative(wording: str) -> bool:
    first = wording.split()[0]
    return first in _COMPARATIVES or (first.endswith("er") and " " not in wording)


def _article(rng: random.Random, phrase: str) -> str:
    if rng.random() < 0.25:
        return ""
    return rng.choice(("an " if phrase[0] in "aeiou" else "a ", "the ", "some ", "a "))


def _frame(rng: random.Random, frames: tuple[str, ...], imperatives: int, wording: str) -> str:
    """``wording`` in one of ``frames``; the first ``imperatives`` of them are orders and may be asked politely."""
    index = rng.randrange(len(frames))
    text = frames[index].replace("{s}", rng.choice(_SUBJECTS)).replace("{x}", wording)
    return _polite(rng, text) if index < imperatives else _close(rng, text)


def _polite(rng: random.Random, order: str) -> str:
    if rng.random() < 0.35:
        order = f"{rng.choice(_OPENINGS)} {order}"
    return _close(rng, order)


def _close(rng: random.Random, text: str) -> str:
    return f"{text} {rng.choice(_CLOSINGS)}" if rng.random() < 0.2 else text


def _as_typed(text: str, rng: random.Random) -> str:
    """``text`` as it leaves a keyboard: spelling, typing errors, case, punctuation."""
    text = text.replace(" ,", ",")
    for pattern, replacement in _SPELLINGS:
        if rng.random() < 0.2:
            text = pattern.sub(replacement, text)
    if rng.random() < 0.3:
        for _ in range(1 if rng.random() < 0.7 else 2):
            text = _mistype(text, rng)
    roll = rng.random()
    if roll < 0.2:
        text = text[:1].upper() + text[1:]
    elif roll < 0.25:
        text = text.upper()
    elif roll < 0.28:
        text = text.title()
    return text + rng.choice(_PUNCTUATION)


def _mistype(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    long = [index for index, word in enumerate(words) if len(word) >= 4]
    if not long:
        return text
    index = rng.choice(long)
    word = words[index]
    # The first letter is the one people get right.
    at = rng.randrange(1, len(word) - 1)
    roll = rng.random()
    if roll < 0.3:
        word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    elif roll < 0.55:
        word = word[:at] + word[at + 1 :]
    elif roll < 0.7:
        word = word[:at] + word[at] + word[at:]
    elif roll < 0.88:
        word = word[:at] + _neighbour_key(word[at], rng) + word[at + 1 :]
    elif roll < 0.94:
        word = word[:at] + _neighbour_key(word[at], rng) + word[at:]
    elif index + 1 < len(words):
        words[index + 1] = word + words[index + 1]
        del words[index]
        return " ".join(words)
    words[index] = word
    return " ".join(words)


def _neighbour_key(letter: str, rng: random.Random) -> str:
    for row in _KEYBOARD:
        at = row.find(letter.lower())
        if at >= 0:
            return row[max(0, min(len(row) - 1, at + rng.choice((-1, 1))))]
    return letter


def _gibberish(rng: random.Random) -> str:
    kind = rng.randrange(5)
    if kind == 0:  # a hand on the keyboard
        row = rng.choice(_KEYBOARD)
        return " ".join(
            "".join(rng.choice(row) for _ in range(rng.randint(2, 9))) for _ in range(rng.randint(1, 4))
        )
    if kind == 1:  # along a row
        row = rng.choice(_KEYBOARD)
        start = rng.randrange(len(row) - 3)
        return row[start : start + rng.randint(3, 9)] * rng.randint(1, 2)
    if kind == 2:
        letters = "abcdefghijklmnopqrstuvwxyz"
        return " ".join(
            "".join(rng.choice(letters) for _ in range(rng.randint(1, 8))) for _ in range(rng.randint(1, 5))
        )
    if kind == 3:
        return "".join(rng.choice("0123456789 .,-+*/()[]{}!?#$%&@=:;") for _ in range(rng.randint(1, 15)))
    return rng.choice("abcdefghijklmnopqrstuvwxyz!?.0123456789") * rng.randint(1, 12)
