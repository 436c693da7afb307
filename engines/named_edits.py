"""Instructions that are nothing but names of the catalogue: "night", "a very dark background", "sepia and snow".

A learned encoder generalises, but what it makes of a bare word changes with every training. So what
:mod:`engines.names` lists is looked up before it is asked: a name, with or without words of courtesy, degree and
colour, alone or joined with others. Everything else is the encoder's; its tokenizer also mends misspelt names.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from engines.clauses import clauses
from engines.colours import COLOUR_NAMES, COLOURS, NAMED_COLOURS
from engines.conditioning import AMOUNT_RANGE
from engines.degrees import DEGREES
from engines.families import OPPOSITES, PEOPLE, SCREENS, STYLES, TAKES_NEUTRALS, TAKES_RGB, TAKES_RGB_OF
from engines.names import NAMES
from engines.tokenizer import split_words

_MOST_WORDS, _MOST_NAMES = 14, 5
_SHORT = {"n": "and", "bg": "background"}
_ARTICLES = frozenset({"a", "an", "the", "some"})
_THINGS = frozenset(("video", "picture", "image", "frame", "scene", "stream", "webcam", "camera", "screen"))
_BEFORE = _THINGS | frozenset((
    "make", "turn", "change", "convert", "transform", "set", "put", "show", "give", "add", "apply", "use", "enable",
    "try", "do", "get", "go", "switch", "let", "lets", "have", "want", "wanna", "need", "see", "would", "like",
    "id", "i", "we", "can", "could", "you", "u", "please", "pls", "plz", "kindly", "hey", "hi", "ok", "now", "just",
    "then", "also", "first", "it", "this", "that", "me", "us", "my", "everything", "all", "whole", "into", "to", "2",
    "in", "as", "with", "look", "be", "should",
))  # fmt: skip
_AFTER = _THINGS | frozenset((
    "please", "pls", "plz", "thanks", "thank", "you", "thx", "now", "for", "my", "me", "us", "it", "this",
    "everything", "all", "effect", "effects", "filter", "look", "style", "mode", "version", "vibe", "mood", "too",
    "on", "here", "again", "today",
))  # fmt: skip
"""Words around a name that change nothing of what it asks for."""

# Degrees only directly before the name: not in "light the room" or "so make it snow". Nor is "light blue" a little of
# blue, or "make the light warmer" a little of warmth.
_CLOSE_DEGREES = frozenset({("light",), ("so",)})
_TURNS = {
    tuple(words.split()): turn
    for turn, phrases in (
        ("more", ("more", "not enough", "too little")),
        ("less", ("less",)),
        ("too", ("too", "too much", "not so", "not as", "not that")),
        ("off", ("no", "no more", "not", "without", "stop", "turn off", "switch off", "remove", "delete")),
        ("off", ("undo", "cancel", "disable", "end")),
    )
    for words in phrases
}
_MORE, _LESS = 1.5, 0.5
_LEAST, _GREATEST = AMOUNT_RANGE
_PERCENT_DIGITS = 3
_BALLOONS = frozenset({"add_balloons", "remove_balloons"})
_GRADUAL = frozenset(OPPOSITES) - _BALLOONS
"""Of these "more" is what the name says already, and "less" is the contrary."""
_UNGRADED = frozenset({"unchanged", "remove_balloons"})

# What people say beside another name without a word between: "rainy night", "cartoon at night", "sepia brighter".
_SURROUNDINGS = frozenset({"night", "sunset", "fog", "snow", "rain"})
_WHOLE_LOOKS = _SURROUNDINGS | STYLES | SCREENS | {"black_and_white", "sepia"}
_MOST_WORDS_BESIDE = 8

# Beside an edit of a part these may be meant for that part alone: "blur and darken the background" asks for no
# blurred person, "grey but keep the red" for no grey red.
_OF_A_PART = PEOPLE | {"colour_pop"}
_LESS_COLOUR = frozenset({"black_and_white", "less_saturated"})
_MAY_SHARE = _LESS_COLOUR | {"blur", "brighter", "darker", "tint"}


@dataclass(frozen=True)
class NamedEdit:
    """One edit that is asked for by its name."""

    family: str
    amount: float = 1.0
    colour: str | None = None
    """A key of ``NAMED_COLOURS``, where the colour to give is said."""
    colour_of: str | None = None
    """A key of ``COLOURS``, where the colour of the things meant is said."""
    bare_colour: bool = False
    """It was said by nothing but its colour."""


def named_edits(text: str) -> tuple[NamedEdit, ...]:
    """The edits that ``text`` names, in that order; none where any part of it is something else."""
    edits = _joined(text, _MOST_NAMES) or _side_by_side(text)
    return edits if len(edits) < 2 or _go_together(edits) else ()


def _joined(text: str, most: int) -> tuple[NamedEdit, ...]:
    edit = _alone(text)
    if edit is not None:
        return (edit,)
    if most > 1:
        for left, right in reversed(clauses(text)):
            first = _alone(left)
            rest = _joined(right, most - 1) if first is not None else ()
            if first is not None and rest:
                return (first, *rest)
    return ()


def _side_by_side(text: str) -> tuple[NamedEdit, ...]:
    words = text.split()
    if len(words) > _MOST_WORDS_BESIDE:
        return ()
    for cut in range(1, len(words)):
        one, two = (_alone(" ".join(part)) for part in (words[:cut], words[cut:]))
        if one is None or two is None or one.family not in _WHOLE_LOOKS:
            continue
        comparative = two.family in _GRADUAL and words[-1].endswith("er")
        surroundings = two.family in _WHOLE_LOOKS and {one.family, two.family} & _SURROUNDINGS
        if comparative or surroundings:
            return (one, two)
    return ()


def _go_together(edits: tuple[NamedEdit, ...]) -> bool:
    """Whether the names mean together what they mean apart.

    Nothing is tinted for "blue and green balloons", and "paint it with watercolours" is one style.
    """
    families = frozenset(edit.family for edit in edits)
    coloured = sum(edit.family in TAKES_RGB | TAKES_RGB_OF | _LESS_COLOUR for edit in edits)
    return not (
        "unchanged" in families
        or (families & _OF_A_PART and families & _MAY_SHARE)
        or len(families & STYLES) > 1
        or (coloured > 1 and any(edit.bare_colour for edit in edits))
    )


@dataclass(frozen=True)
class _Rest:
    """What is left of a clause when words around the name are taken off."""

    words: tuple[str, ...]
    degree: float | None = None
    turn: str | None = None


def _alone(text: str) -> NamedEdit | None:
    words = _words(text)
    if not 0 < len(words) <= _MOST_WORDS:
        return None
    rests = {_Rest(words): None}
    # With as few words taken off as will do.
    while rests:
        for rest in rests:
            edit = _looked_up(rest.words)
            # "Turn the camera off" does not ask for the original.
            if edit is not None and not (edit.family == "unchanged" and _THINGS.intersection(words)):
                graded = _graded(edit, rest)
                if graded is not None:
                    return graded
        rests = dict.fromkeys(shorter for rest in rests for shorter in _shorter(rest) if shorter.words)
    return None


def _shorter(rest: _Rest) -> Iterator[_Rest]:
    """What remains with a word or a phrase taken off that is no part of a name."""
    yield from _without_courtesy(rest)
    if rest.degree is None:
        yield from _without_degree(rest)
    if rest.turn is None:
        yield from _without_turn(rest)


def _without_courtesy(rest: _Rest) -> Iterator[_Rest]:
    words = rest.words
    if words[0] in _BEFORE:
        yield replace(rest, words=words[1:])
    if words[-1] in _AFTER:
        yield replace(rest, words=words[:-1])


def _without_degree(rest: _Rest) -> Iterator[_Rest]:
    words = rest.words
    for word, others in ((words[0], words[1:]), (words[-1], words[:-1])):
        share = _share(word)
        if share:
            yield replace(rest, words=others, degree=min(max(share, _LEAST), _GREATEST))
    for length in range(1, min(_LONGEST_DEGREE, len(words) - 1) + 1):
        start, end = words[:length], words[-length:]
        if start in _DEGREES_BEFORE and not (start in _CLOSE_DEGREES and _ungraded(words[length])):
            yield replace(rest, words=words[length:], degree=_DEGREES_BEFORE[start])
        if end in _DEGREES_AFTER:
            yield replace(rest, words=words[:-length], degree=_DEGREES_AFTER[end])


def _share(word: str) -> float:
    """What "50%" says; 0 where a word says no such thing."""
    return int(word[:-1]) / 100 if word.endswith("%") else 0.0


def _without_turn(rest: _Rest) -> Iterator[_Rest]:
    words = rest.words
    for phrase, turn in _TURNS.items():
        if words[: len(phrase)] == phrase:
            yield replace(rest, words=words[len(phrase) :], turn=turn)
        # "Colours not so strong" are "not so strong colours", and "a bit less strong" ones are that as well.
        between, end = words[1 : -1 - len(phrase)], words[-1 - len(phrase) : -1]
        if end == phrase and len(words) > len(phrase) + 1:
            turned = replace(rest, words=(words[-1], words[0]), turn=turn)
            if not between:
                yield turned
            elif rest.degree is None and between in _DEGREES_COMPARATIVE:
                yield replace(turned, degree=_DEGREES_COMPARATIVE[between])
    if words[-1] == "off":
        yield replace(rest, words=words[:-1], turn="off")


def _ungraded(word: str) -> bool:
    return word in _BEFORE or word in _COLOUR_WORDS or word.endswith("er")


def _graded(edit: NamedEdit, rest: _Rest) -> NamedEdit | None:
    """``edit`` with the degree said beside it; None where the two make no sense together."""
    amount = rest.degree or 1.0
    if rest.turn == "off":
        return NamedEdit("unchanged") if _can_be_called_off(edit) and rest.degree is None else None
    if rest.turn is None:
        return edit if edit.family in _UNGRADED else replace(edit, amount=amount)
    if edit.family in _GRADUAL:
        family = edit.family if rest.turn == "more" else OPPOSITES[edit.family]
        return NamedEdit(family, amount)
    if edit.family in _UNGRADED or rest.turn == "too" or (edit.bare_colour and rest.turn == "less"):
        return None
    if rest.degree is None:
        return replace(edit, amount=_MORE if rest.turn == "more" else _LESS)
    return replace(edit, amount=amount) if (rest.turn == "more") == (amount > 1) else None


def _can_be_called_off(edit: NamedEdit) -> bool:
    """Light and colour cannot: whoever wants "no contrast" wants less of it."""
    return (
        edit.family not in _GRADUAL | _UNGRADED | _BALLOONS and edit.colour is None and edit.colour_of is None
    )


def _words(text: str) -> tuple[str, ...]:
    """The words of ``text`` without articles and signs, in British spelling; "50 %" is one."""
    words: list[str] = []
    for word in split_words(text):
        if word in ("%", "percent") and words and words[-1].isdecimal() and len(words[-1]) <= _PERCENT_DIGITS:
            words[-1] += "%"
        elif word.isalnum() and word not in _ARTICLES:
            words.append(_SHORT.get(word) or word.replace("color", "colour").replace("gray", "grey"))
    return tuple(words)


def _looked_up(words: tuple[str, ...]) -> NamedEdit | None:
    family = _PLAIN.get("".join(words))
    if family is not None:
        return NamedEdit(family)
    if _COLOUR_WORDS.isdisjoint(words):
        return None
    text = " ".join(words)
    if text in _BARE_COLOURS:
        return NamedEdit("tint", colour=_COLOUR_OF_NAME[text], bare_colour=True)
    for family, pattern in _COLOURED:
        match = pattern.fullmatch(text)
        if match is not None:
            said = match.groupdict()
            return NamedEdit(
                family,
                colour=_COLOUR_OF_NAME.get(said.get("c", "")),
                colour_of=_COLOUR_OF_NAME.get(said.get("o", "")),
            )
    return None


def _phrases(places: Iterable[str]) -> dict[tuple[str, ...], float]:
    return {
        _words(words): amount for place in reversed(tuple(places)) for words, amount in DEGREES[place].items()
    }


def _pattern(name: str, colours: Iterable[str]) -> re.Pattern[str]:
    """What matches a name with its colours as they are spelt."""
    text = " ".join(part if part in ("{c}", "{o}") else " ".join(_words(part)) for part in name.split())
    spelt = {
        slot: "|".join(sorted((name for colour in known for name in _SPELT[colour]), key=len, reverse=True))
        for slot, known in (("c", colours), ("o", COLOURS))
    }
    return re.compile(text.format(**{slot: f"(?P<{slot}>{names})" for slot, names in spelt.items()}))


_DEGREES_BEFORE = _phrases(("before", "comparative", "adjective", "amount_of", "count"))
_DEGREES_COMPARATIVE = _phrases(("comparative",))
_DEGREES_AFTER = _phrases(("after",))
_LONGEST_DEGREE = max(map(len, (*_DEGREES_BEFORE, *_DEGREES_AFTER)))
_SPELT = {colour: tuple(" ".join(_words(name)) for name in COLOUR_NAMES[colour]) for colour in NAMED_COLOURS}
_COLOUR_OF_NAME = {name: colour for colour, names in _SPELT.items() for name in names}
_COLOUR_WORDS = frozenset(word for name in _COLOUR_OF_NAME for word in name.split())
# "Blue" and "sky blue" are colours whatever they are said of, "carrot" and "wine" are not.
_BARE_COLOURS = frozenset(
    name
    for colour in COLOURS
    for name in _SPELT[colour]
    if not COLOURS.keys().isdisjoint(name.split()) or name in ("turquoise", "violet", "golden")
)
_PLAIN = {
    "".join(_words(name)): family for family, names in NAMES.items() for name in names if "{" not in name
}
_COLOURED = tuple(
    (family, _pattern(name, NAMED_COLOURS if family in TAKES_NEUTRALS else COLOURS))
    for family, names in NAMES.items()
    for name in names
    if "{" in name
)
