"""The instruction families the embedded model is taught, in the order of the instruction code.

One list for everybody: the text encoder that weighs the families, the computed targets that define them, the
network that takes the code, and the page that suggests them.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from engines.noise_drift import Drift

LABELS = MappingProxyType(
    {
        "unchanged": "Leave it as it is",
        "black_and_white": "Black and white",
        "sepia": "Sepia",
        "negative": "Negative",
        "pencil_sketch": "Pencil sketch",
        "cartoon": "Cartoon",
        "posterize": "Posterize",
        "neon_edges": "Neon edges",
        "thermal": "Thermal camera",
        "night": "Night",
        "sunset": "Sunset light",
        "blur": "Blur",
        "relief": "Stone relief",
        "mosaic": "Pixel mosaic",
        "painting": "Painting",
        "tint": "Colour tint",
        "brighter": "Brighter",
        "darker": "Darker",
        "more_contrast": "More contrast",
        "less_contrast": "Less contrast",
        "more_saturated": "More saturated",
        "less_saturated": "Less saturated",
        "warmer": "Warmer",
        "cooler": "Cooler",
        "fog": "Fog",
        "watercolour": "Watercolour",
        "ink": "Pen and ink",
        "halftone": "Comic halftone",
        "stained_glass": "Stained glass",
        "blueprint": "Blueprint",
        "chalk": "Chalk on a board",
        "vhs": "VHS tape",
        "crt": "Old television",
        "night_vision": "Night vision",
        "xray": "X-ray",
        "teal_orange": "Teal and orange",
        "glow": "Dreamy glow",
        "faded": "Faded print",
        "sharpen": "Sharpen",
        "snow": "Falling snow",
        "rain": "Rain",
        "recolour": "Recolour things",
        "colour_pop": "Keep one colour",
        "background_blur": "Blur the background",
        "background_dark": "Darken the background",
        "background_tint": "Tint the background",
        "background_replace": "Plain background",
        "background_grey": "Colour only the person",
        "remove_balloons": "Remove the balloons",
        "add_balloons": "Rising balloons",
    }
)
"""Family name -> what a person calls it."""

FAMILIES: tuple[str, ...] = tuple(LABELS)

EXAMPLES = MappingProxyType(
    {
        "unchanged": ("leave it as it is", "back to the original", "no effect"),
        "black_and_white": ("make it black and white", "like an old film without colour", "shades of grey"),
        "sepia": ("give it a sepia tone", "make it look like an old photograph", "vintage brown tones"),
        "negative": ("invert the colours", "make it a film negative", "swap light and dark"),
        "pencil_sketch": ("turn it into a pencil sketch", "draw it by hand", "a graphite drawing on paper"),
        "cartoon": ("make it a cartoon", "like a comic book", "turn me into an animated film"),
        "posterize": ("posterize it", "only a few flat colours", "make it a pop art poster"),
        "neon_edges": ("make the edges glow in neon", "neon outlines on black", "like a neon sign"),
        "thermal": ("show it through a thermal camera", "heat vision", "turn it into a heat map"),
        "night": ("turn day into night", "make it look like midnight", "light it by the moon"),
        "sunset": ("put it in sunset light", "golden hour", "let the sun go down"),
        "blur": ("blur it", "put it slightly out of focus", "make it very blurry"),
        "relief": ("carve it in stone", "emboss it", "turn it into a stone relief"),
        "mosaic": ("turn it into a pixel mosaic", "pixelate it", "big square blocks"),
        "painting": (
            "make it an oil painting",
            "paint it with thick brush strokes",
            "like an impressionist painting",
        ),
        "tint": ("tint it blue", "a slight pink tint", "bathe everything in deep green", "golden light"),
        "brighter": ("make it brighter", "a bit more light", "raise the exposure"),
        "darker": ("make it darker", "dim the light a little", "much darker"),
        "more_contrast": ("more contrast", "boost the contrast a lot", "deeper blacks and brighter whites"),
        "less_contrast": ("less contrast", "a flat, soft look", "lower the contrast slightly"),
        "more_saturated": ("more vivid colours", "boost the saturation", "much more colourful"),
        "less_saturated": ("muted colours", "a bit less saturation", "tone down the colours"),
        "warmer": ("make it warmer", "a touch warmer", "warm up the colours"),
        "cooler": ("make it cooler", "cold wintry colours", "a bit colder"),
        "fog": ("add fog", "a light morning mist", "fill it with thick fog"),
        "watercolour": ("make it a watercolour", "paint it in watercolours", "soft washes of watercolour"),
        "ink": ("draw it in pen and ink", "an ink drawing", "cross-hatch it with a pen"),
        "halftone": ("comic halftone dots", "print it in halftone", "like a pop comic with dots"),
        "stained_glass": ("turn it into stained glass", "like a church window", "coloured glass and lead"),
        "blueprint": ("turn it into a blueprint", "white lines on blue paper", "a technical drawing in blue"),
        "chalk": ("draw it in chalk", "chalk on a blackboard", "like a chalkboard drawing"),
        "vhs": ("make it look like a VHS tape", "an old video cassette", "eighties home video"),
        "crt": ("show it on an old television", "a CRT screen with scan lines", "like an old tube monitor"),
        "night_vision": ("night vision", "through night vision goggles", "green night vision camera"),
        "xray": ("make it look like an x-ray", "x-ray vision", "like a picture at the radiologist"),
        "teal_orange": ("teal and orange", "grade it like a blockbuster", "deep teal and orange"),
        "glow": ("give it a dreamy glow", "a soft glow", "make the lights bloom"),
        "faded": ("make it a faded photo", "washed out old print", "a slightly faded photo"),
        "sharpen": ("sharpen it", "make it crisper", "bring out the fine detail"),
        "snow": ("let it snow", "heavy snowfall", "a few snowflakes in the air"),
        "rain": ("make it rain", "pouring rain", "a light drizzle"),
        "recolour": ("make the red things blue", "turn everything green into pink", "change blue to orange"),
        "colour_pop": (
            "keep only the red",
            "everything grey except the blue",
            "only the yellow stays in colour",
        ),
        "background_blur": ("blur the background", "put the background out of focus", "portrait mode"),
        "background_dark": ("darken the background", "dim everything behind me", "a very dark background"),
        "background_tint": (
            "tint the background blue",
            "a purple background light",
            "make what is behind me teal",
        ),
        "background_replace": (
            "replace the background with green",
            "put me in front of a plain blue background",
            "a white wall behind me",
        ),
        "background_grey": (
            "make the background black and white",
            "only the person in colour",
            "keep me in colour and the rest grey",
        ),
        "remove_balloons": ("remove the balloons", "take the balloons away", "erase the balloons"),
        "add_balloons": ("add red balloons", "let blue balloons rise", "fill the room with yellow balloons"),
    }
)
"""Family name -> instructions that ask for it, the plainest first: what the page suggests."""

_STAGES = (
    ("remove_balloons",),
    ("recolour", "colour_pop"),
    ("background_blur", "background_dark", "background_tint", "background_replace", "background_grey"),
    (
        *("pencil_sketch", "cartoon", "posterize", "neon_edges", "relief", "mosaic", "painting"),
        *("watercolour", "ink", "halftone", "stained_glass", "blueprint", "chalk"),
    ),
    (
        *("unchanged", "black_and_white", "sepia", "night", "sunset", "blur", "tint", "brighter", "darker"),
        *("more_contrast", "less_contrast", "more_saturated", "less_saturated", "warmer", "cooler"),
        *("teal_orange", "glow", "faded", "sharpen"),
    ),
    ("fog", "snow", "rain", "add_balloons"),
    ("negative", "thermal", "vhs", "crt", "night_vision", "xray"),
)
STAGE = MappingProxyType({family: stage for stage, names in enumerate(_STAGES) for family in names})
"""Family name -> when it is done, where two edits are joined: objects away, regions, people, style, colour and light,
weather and objects, screens. Within a stage the order of ``FAMILIES`` holds; the order of the words never does."""

STYLES = frozenset(_STAGES[3])
SCREENS = frozenset(_STAGES[6])

TAKES_RGB = frozenset({"tint", "recolour", "background_tint", "background_replace", "add_balloons"})
"""Families that give a named colour: the code's ``rgb``."""

TAKES_NEUTRALS = frozenset({"recolour", "background_replace", "add_balloons"})
"""Families whose colour to give may also be white, grey or black."""

TAKES_RGB_OF = frozenset({"recolour", "colour_pop"})
"""Families meant for the things of a named colour: the code's ``rgb_of``."""

OPPOSITES: Mapping[str, str] = MappingProxyType(
    {
        one: other
        for pair in (
            ("brighter", "darker"),
            ("more_contrast", "less_contrast"),
            ("more_saturated", "less_saturated"),
            ("warmer", "cooler"),
            ("blur", "sharpen"),
            ("add_balloons", "remove_balloons"),
        )
        for one, other in (pair, pair[::-1])
    }
)
"""Family name -> the family that asks for the contrary."""

PEOPLE = frozenset(_STAGES[2])
"""Families that tell a person from the background."""

NOISE_DRIFT: Mapping[str, Drift] = MappingProxyType(
    {
        "snow": ((2, 0), (3, 1), (5, -1)),
        "rain": ((14, 3), (18, 4), (0, 0)),
        "add_balloons": ((-2, 0), (0, 0), (0, 0)),
    }
)
"""Family name -> pixels down and to the right that each of the noise's three colour planes moves in a frame.

What these families add is drawn from the noise, so it moves with the noise; the noise of all others stands still."""


def in_order(families: Iterable[str]) -> tuple[str, ...]:
    """Joined edits in the order they are done: by ``STAGE``, then by ``FAMILIES``."""
    return tuple(sorted(families, key=lambda family: (STAGE[family], FAMILIES.index(family))))


if set(STAGE) != set(FAMILIES):
    raise RuntimeError(f"families without a stage or the reverse: {set(STAGE) ^ set(FAMILIES)}")
