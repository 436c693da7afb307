"""The instruction families the embedded model is taught, in the order of the instruction code.

One list for everybody: the text encoder that weighs the families, the computed targets that define them, the
network that takes the code, and the page that suggests them.
"""

from types import MappingProxyType

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
    }
)
"""Family name -> instructions that ask for it, the plainest first: what the page suggests."""
