"""What an instruction encoder is worth on phrasings it never read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from engines.colours import COLOURS, NAMED_COLOURS
from engines.conditioning import (
    NO_COLOUR,
    RGB_INDEX,
    RGB_OF_INDEX,
    Conditioning,
    InstructionEncoder,
)
from engines.families import FAMILIES
from engines.named_edits import named_edits
from engines.training.held_back import HELD_BACK_PATH, Phrasing, held_back, is_read_right

_AMOUNT_WITHIN = 0.25
NOTHING_READ = "nothing"


@dataclass(frozen=True)
class FamilyReading:
    """How the phrasings that ask for one family are read, alone or joined with another.

    Attributes:
        asked: How many ask for it.
        read: Share that is read as this family, whatever else is read.
        taken_for: What stands in its place otherwise -> how often; ``NOTHING_READ`` where no edit is done.
        taken_in: What was asked for where this family is read instead -> how often; "stranger" for a text that asks
            for nothing that is known.
    """

    asked: int
    read: float
    taken_for: dict[str, int]
    taken_in: dict[str, int]


@dataclass(frozen=True)
class Misread:
    """A phrasing that is not read as it is meant.

    Attributes:
        text: As it is typed.
        wanted: Edits with amounts and colours.
        read: What the encoder makes of it, likewise.
        confidence: Of that reading; the surer, the worse.
    """

    text: str
    wanted: str
    read: str
    confidence: float


@dataclass(frozen=True)
class TextReport:
    """What an encoder is worth on phrasings it never read; shares in [0, 1].

    Attributes:
        instructions: Phrasings that ask for what is known.
        strangers: Those that do not.
        joined: Instructions that join two edits.
        named: Instructions made of the catalogue's names alone, which are understood whatever was learned.
        top1: Instructions whose family is right, of two joined edits both.
        joined_top1: The same of the joined ones alone.
        parameters: Instructions whose families, amounts (within 0.25) and colours are right.
        unknown_detected: Strangers recognised as such.
        false_alarms: Instructions taken for strangers.
        families: Family name -> how it is read.
        misread: Everything read wrong, the surest first.
    """

    instructions: int
    strangers: int
    joined: int
    named: int
    top1: float
    joined_top1: float
    parameters: float
    unknown_detected: float
    false_alarms: float
    families: dict[str, FamilyReading]
    misread: tuple[Misread, ...]


def evaluate_text(encoder: InstructionEncoder, held_back_path: Path = HELD_BACK_PATH) -> TextReport:
    """Measure ``encoder`` on the held-back phrasings.

    Raises:
        ValueError: The file of phrasings is not what it should be.
    """
    return measure(encoder, held_back(held_back_path))


def measure(encoder: InstructionEncoder, phrasings: Sequence[Phrasing]) -> TextReport:
    """Measure ``encoder`` on labelled phrasings, through the same call the server makes."""
    answers = [(phrasing, encoder.encode(phrasing.text)) for phrasing in phrasings]
    asked = [(phrasing, answer) for phrasing, answer in answers if phrasing.family is not None]
    strangers = [(phrasing, answer) for phrasing, answer in answers if phrasing.family is None]
    joined = [(phrasing, answer) for phrasing, answer in asked if phrasing.joined is not None]
    wrong = [
        _misread(phrasing, answer)
        for phrasing, answer in answers
        if answer.known == (phrasing.family is None)
        or (phrasing.family is not None and not _is_exact(phrasing, answer))
    ]
    return TextReport(
        instructions=len(asked),
        strangers=len(strangers),
        joined=len(joined),
        named=sum(bool(named_edits(phrasing.text)) for phrasing, _ in asked),
        top1=_share([is_read_right(*pair) for pair in asked]),
        joined_top1=_share([is_read_right(*pair) for pair in joined]),
        parameters=_share([_is_exact(*pair) for pair in asked]),
        unknown_detected=_share([not answer.known for _, answer in strangers]),
        false_alarms=_share([not answer.known for _, answer in asked]),
        families=_by_family(answers),
        misread=tuple(sorted(wrong, key=lambda misread: -misread.confidence)),
    )


def _share(outcomes: Sequence[bool]) -> float:
    return sum(outcomes) / max(1, len(outcomes))


def _is_exact(phrasing: Phrasing, answer: Conditioning) -> bool:
    if not is_read_right(phrasing, answer):
        return False
    amounts = dict(answer.edits)
    rgb, rgb_of = answer.code[RGB_INDEX:RGB_OF_INDEX], answer.code[RGB_OF_INDEX:]
    wanted = NAMED_COLOURS[phrasing.colour] if phrasing.colour else NO_COLOUR
    wanted_of = COLOURS[phrasing.colour_of] if phrasing.colour_of else NO_COLOUR
    return (
        all(
            family == "unchanged" or abs(amounts[family] - amount) <= _AMOUNT_WITHIN
            for family, amount in phrasing.edits
        )
        and torch.allclose(rgb, torch.tensor(wanted), atol=1e-3)
        and torch.allclose(rgb_of, torch.tensor(wanted_of), atol=1e-3)
    )


def _by_family(answers: Sequence[tuple[Phrasing, Conditioning]]) -> dict[str, FamilyReading]:
    asked: Counter[str] = Counter()
    read: Counter[str] = Counter()
    taken_for: dict[str, Counter[str]] = {family: Counter() for family in FAMILIES}
    taken_in: dict[str, Counter[str]] = {family: Counter() for family in FAMILIES}
    for phrasing, answer in answers:
        wanted, got = dict(phrasing.edits).keys(), answer.families
        asked.update(wanted)
        read.update(wanted & set(got))
        instead = [family for family in got if family not in wanted]
        missed = [family for family in wanted if family not in got]
        for family in missed:
            taken_for[family].update(instead or (NOTHING_READ,))
        if missed or not wanted:
            for family in instead:
                taken_in[family].update(missed or ("stranger",))
    return {
        family: FamilyReading(
            asked[family],
            read[family] / asked[family],
            dict(taken_for[family].most_common()),
            dict(taken_in[family].most_common()),
        )
        for family in FAMILIES
        if asked[family]
    }


def _misread(phrasing: Phrasing, answer: Conditioning) -> Misread:
    return Misread(phrasing.text, _wanted(phrasing), _read(answer), answer.confidence)


def _wanted(phrasing: Phrasing) -> str:
    if phrasing.family is None:
        return "stranger"
    return _told(phrasing.edits, phrasing.colour, phrasing.colour_of)


def _read(answer: Conditioning) -> str:
    if not answer.edits:
        return NOTHING_READ
    rgb, rgb_of = (
        next(
            (name for name, known in NAMED_COLOURS.items() if torch.allclose(part, torch.tensor(known))), None
        )
        for part in (answer.code[RGB_INDEX:RGB_OF_INDEX], answer.code[RGB_OF_INDEX:])
    )
    return _told(answer.edits, rgb, rgb_of) + ("" if answer.known else " in part")


def _told(edits: Sequence[tuple[str, float]], colour: str | None, colour_of: str | None) -> str:
    told = " + ".join(family if amount == 1 else f"{family} {amount:.2g}" for family, amount in edits)
    return told + (f", {colour}" if colour else "") + (f", of {colour_of}" if colour_of else "")
