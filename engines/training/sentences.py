"""Sentences around a phrase: frames for every part of speech, politeness, and two phrases joined in one sentence."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

SUBJECTS = (
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
_OPENINGS = (
    "please", "please", "can you", "can you", "could you", "could you please", "can you please", "would you",
    "hey,",
    "ok", "now", "ok now", "and now", "then", "just", "pls", "alright,", "kindly", "next,", "hi,", "maybe", "so",
    "quick,", "would you mind,", "hey can you", "hello please",
)  # fmt: skip
_CLOSINGS = (
    "please", "please", "pls", "plz", "thanks", "thank you", "now", "for me", "right now", "if you can", "instead",
    "this time", "thx", "ok", "if possible", "would you", ", please", "again", "today", "for a moment", "my friend",
)  # fmt: skip

_THING_FRAMES = (
    "add {x}", "add {x}", "add {x}", "put {x} in", "put {x} in {s}", "put in {x}", "give me {x}", "show {x}",
    "show me {x}", "let there be {x}", "make {x} appear", "bring {x}", "bring in {x}", "add {x} to {s}",
    "add {x} here",
    "fill {s} with {x}", "make {x}", "use {x}", "try {x}", "{x}", "{x}", "{x}", "i want {x}", "i'd like {x}",
    "i need {x}",
    "can we have {x}", "could we get {x}", "there should be {x}", "let's have {x}", "with {x}",
    "how about {x}", "gimme {x}",
    "i want to see {x}", "{s} with {x}", "what about {x}", "i'd love some {x}", "maybe {x}",
)  # fmt: skip


@dataclass(frozen=True)
class Frames:
    """The sentences a part of speech can stand in; "{x}" is the phrase and "{s}" what it is done to."""

    orders: tuple[str, ...]
    """Imperatives, which may be asked politely and joined with another."""
    wishes: tuple[str, ...]
    seconds: tuple[str, ...]
    """What a second edit in the same sentence is put into."""


def _frames(frames: tuple[str, ...], orders: int, *seconds: str) -> Frames:
    return Frames(frames[:orders], frames[orders:], ("{x}", "{x}", "{x}", *seconds))


_FRAMES: Mapping[str, Frames] = {
    "adj": _frames(
        _ADJECTIVE_FRAMES, 16, "make {s} {x}", "make it {x}", "make it {x}", "it should be {x}", "get it {x}"
    ),
    "noun": _frames(
        _NOUN_FRAMES, 21, "add {x}", "give it {x}", "give {s} {x}", "apply {x}", "put {x} on {s}", "use {x}"
    ),
    "like": _frames(
        _LIKE_FRAMES, 14, "make it look like {x}", "make {s} {x}", "turn it into {x}", "like {x}"
    ),
    "verb": _frames(_VERB_FRAMES, 6),
    "say": Frames(("{x}",), ("{x}",), ("{x}",)),
    "when": Frames(
        ("show {s} {x}", "set {s} {x}", "put {s} {x}"), ("{x}", "{s} {x}", "let it be {x}"), ("{x}",)
    ),
    "thing": _frames(_THING_FRAMES, 21, "add {x}", "put {x} in", "let there be {x}"),
}

_CONNECTORS = (
    *(" and ",) * 12, *(", ",) * 4, " then ", " and then ", " and then ", ", then ", " and also ",
    " and also ", " plus ", " plus ",
    " + ", " & ", ". ", "; ", " and after that ", " but also ", ", and ", ", and ", " and please ", ", also ",
    ". and ",
    " as well as ", " / ", ", plus ", " and finally ", " and next ", ". then ", " and additionally ",
    ", afterwards ",
    " and at the same time ", " while you ", ", and then ", " also ", " n ",
)  # fmt: skip
_NOUN_CONNECTORS = (" with ", " with ", " with ", " with ", " plus ", " together with ", " combined with ",
                    " in ", " along with ",
                    " on top of ", " but with ", " and with ", " over ")  # fmt: skip
_ADJECTIVE_CONNECTORS = (
    " but ",
    " but ",
    " yet ",
    " only ",
    ", just ",
    " but make it ",
    " while making it ",
    " but a bit more like ",
)
_AFTERTHOUGHTS = (" too", " as well", " at the same time", " both together", " also", " on top")


@dataclass(frozen=True)
class Phrase:
    """Words that ask for one edit, and the part of speech they are: a key of ``wordings.toml``."""

    part: str
    text: str


def sentence(phrase: Phrase, rng: random.Random) -> str:
    """``phrase`` in a sentence of its own, polite or not."""
    frames = _FRAMES[phrase.part]
    index = rng.randrange(len(frames.orders) + len(frames.wishes))
    if index < len(frames.orders):
        return polite(_fill(frames.orders[index], phrase, rng), rng)
    return _close(_fill(frames.wishes[index - len(frames.orders)], phrase, rng), rng)


def joined_sentence(first: Phrase, second: Phrase, rng: random.Random) -> str:
    """Two phrases in one sentence, in that order."""
    frames = _FRAMES[first.part]
    start = _fill(
        rng.choice(frames.orders + frames.wishes if rng.random() < 0.3 else frames.orders), first, rng
    )
    end = _fill(rng.choice(_FRAMES[second.part].seconds), second, rng)
    roll = rng.random()
    if roll < 0.06:
        return polite(f"first {start}, {rng.choice(('then', 'and then', 'after that', 'second'))} {end}", rng)
    if roll < 0.12 and first.part == second.part and first.part in ("adj", "noun", "thing"):
        text = f"{'both ' if roll < 0.08 else ''}{first.text} and {second.text}"
        return sentence(Phrase(first.part, text), rng)
    connector = rng.choice(_CONNECTORS)
    if second.part in ("noun", "thing") and rng.random() < 0.4:
        connector, end = rng.choice(_NOUN_CONNECTORS), second.text
    elif second.part == "adj" and rng.random() < 0.35:
        connector, end = rng.choice(_ADJECTIVE_CONNECTORS), second.text
    elif second.part == "when" and rng.random() < 0.7:
        connector = " "
    afterthought = rng.choice(_AFTERTHOUGHTS) if rng.random() < 0.06 else ""
    return polite(f"{start}{connector}{end}{afterthought}", rng)


def polite(order: str, rng: random.Random) -> str:
    """``order`` with or without words of courtesy around it."""
    if rng.random() < 0.35:
        order = f"{rng.choice(_OPENINGS)} {order}"
    return _close(order, rng)


def without_courtesy(text: str) -> str:
    """Lower-case words of ``text`` without those that only make it polite, for comparing texts."""
    words = "".join(letter if letter.isalnum() or letter == "&" else " " for letter in text.lower()).split()
    return " ".join(word for word in words if word not in _COURTESY)


def vocabulary() -> tuple[str, ...]:
    """Every frame, connector and word of courtesy, for the lexicon."""
    frames = [text for kind in _FRAMES.values() for text in kind.orders + kind.wishes + kind.seconds]
    return (*SUBJECTS, *frames, *_CONNECTORS, *_NOUN_CONNECTORS, *_OPENINGS, *_CLOSINGS, *_AFTERTHOUGHTS)


_COURTESY = frozenset(
    [
        "please",
        "pls",
        "plz",
        "thanks",
        "thank",
        "you",
        "thx",
        "can",
        "could",
        "would",
        "kindly",
        "hey",
        "ok",
        "now",
        "just",
        "me",
        "for",
    ]
)


def _fill(frame: str, phrase: Phrase, rng: random.Random) -> str:
    return frame.replace("{x}", phrase.text).replace("{s}", rng.choice(SUBJECTS))


def _close(text: str, rng: random.Random) -> str:
    return f"{text} {rng.choice(_CLOSINGS)}" if rng.random() < 0.2 else text
