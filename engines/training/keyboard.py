"""How texts leave a keyboard: spelling, case, punctuation, typing errors, and a hand laid on the keys."""

import random
import re

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


def as_typed(text: str, rng: random.Random) -> str:
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


def gibberish(rng: random.Random) -> str:
    """Keys hit without a meaning."""
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
