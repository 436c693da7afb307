"""What people call each family: bare words and short phrases that mean one edit and nothing else.

Written from the labels, without a look at the phrasings the instruction encoder is judged by. In a name "{c}" stands
for the colour to give and "{o}" for the colour of the things meant. Case, spaces, hyphens, articles, the American
spelling, degrees, "more" and "less" are :mod:`engines.named_edits`' business, so each name stands here once.
"""

from types import MappingProxyType

from engines.families import FAMILIES, LABELS

_FURTHER = MappingProxyType(
    {
        "unchanged": (
            *("original", "normal", "none", "off", "reset", "undo", "as is", "default", "back to normal"),
            *("no effect", "no effects", "no filter", "no filters", "remove effect", "remove filter"),
            *("effect off", "filter off", "stop", "leave it", "nothing"),
        ),
        "black_and_white": ("b and w", "bw", "black white", "monochrome", "greyscale", "no colour", "noir"),
        "sepia": ("sepia tone", "sepia tones"),
        "negative": ("invert", "inverted", "invert colours", "inverted colours", "photo negative"),
        "pencil_sketch": (
            "pencil",
            "sketch",
            "pencil drawing",
            "drawing",
            "graphite",
            "sketched",
            "hand drawn",
        ),
        "cartoon": ("cartoons", "toon", "comic", "comic book", "anime", "animated"),
        "posterize": ("posterise", "posterized", "posterised", "poster", "pop art", "flat colours"),
        "neon_edges": ("neon", "neon lines", "neon outlines", "neon sign", "neon lights", "glowing edges"),
        "thermal": (
            "heat vision",
            "heat map",
            "thermal vision",
            "thermal imaging",
            "infrared",
            "heat camera",
        ),
        "night": ("at night", "night time", "midnight", "moonlight", "dark night", "day to night"),
        "sunset": ("sundown", "golden hour", "at sunset", "evening light", "evening sun"),
        "blur": ("blurry", "blurred", "out of focus", "defocus", "soft focus", "gaussian blur"),
        "relief": ("relief", "stone", "emboss", "embossed", "bas relief", "stone carving", "carved in stone"),
        "mosaic": ("pixelate", "pixelated", "pixels", "pixel", "pixel art", "8 bit", "mosaic tiles"),
        "painting": ("oil painting", "oil paint", "oil", "paint", "painted", "brush strokes"),
        "tint": (
            *("tint", "tinted", "{c} tint", "{c} tinted", "tint {c}", "tint it {c}", "{c} light"),
            *("{c} tone", "{c} colour tint", "{c} filter", "colour {c}", "all {c}", "everything {c}"),
        ),
        "brighter": (
            "bright",
            "brighten",
            "brighten up",
            "lighter",
            "lighten",
            "more light",
            "more brightness",
        ),
        "darker": ("dark", "darken", "dim", "dimmer", "dimmed", "less light", "less brightness", "gloomy"),
        "more_contrast": ("contrast", "high contrast", "higher contrast", "increase contrast", "contrasty"),
        "less_contrast": (
            *("low contrast", "lower contrast", "weak contrast", "little contrast", "soft contrast"),
            *("reduce contrast", "flat", "flatter"),
        ),
        "more_saturated": (
            *("saturated", "saturate", "more saturation", "vivid", "vivid colours", "vibrant", "colourful"),
            *("more colour", "more colours", "strong colours"),
        ),
        "less_saturated": (
            *("desaturate", "desaturated", "less saturation", "muted", "muted colours", "less colour"),
            *("pale colours", "less colours", "low saturation"),
        ),
        "warmer": ("warm", "warm up", "warm colours", "warm tones", "warm light"),
        "cooler": ("cold", "colder", "cool down", "cool colours", "cold colours", "cool tones", "cold light"),
        "fog": ("foggy", "mist", "misty", "haze", "hazy"),
        "watercolour": ("watercolours", "watercolour painting", "aquarelle", "watercolour paint"),
        "ink": ("ink drawing", "pen drawing", "pen and ink drawing", "ink pen", "inked", "ink sketch"),
        "halftone": ("halftone dots", "comic dots", "halftones"),
        "stained_glass": ("church window", "stained glass window"),
        "blueprint": ("blueprints", "blueprint drawing"),
        "chalk": ("chalkboard", "blackboard", "chalk drawing", "chalk board"),
        "vhs": ("video tape", "video cassette", "vhs cassette", "vhs video"),
        "crt": ("old tv", "tube tv", "crt tv", "crt monitor", "scan lines", "retro tv", "crt screen"),
        "night_vision": ("night vision camera", "night vision goggles"),
        "xray": ("x ray vision", "x rays"),
        "teal_orange": ("orange and teal", "blockbuster", "cinematic"),
        "glow": ("glowing", "bloom", "dreamy", "soft glow"),
        "faded": ("fade", "faded photo", "faded film", "faded picture"),
        "sharpen": ("sharp", "sharper", "crisp", "crisper", "more detail", "sharpness", "unblur"),
        "snow": ("snowing", "snowy", "snowfall", "snowflakes", "snow falling"),
        "rain": ("raining", "rainy", "rainfall", "falling rain", "raindrops"),
        "recolour": (
            *("change colours", "recolour {o} {c}", "recolour {o} to {c}", "{o} to {c}", "{o} into {c}"),
            *("{o} things {c}", "{o} things to {c}"),
        ),
        "colour_pop": (
            *("one colour", "only one colour", "selective colour", "colour splash", "only {o}", "keep {o}"),
            *("keep only {o}", "only {o} colour", "{o} pop", "keep only {o} colour"),
        ),
        "background_blur": (
            *("blurry background", "blurred background", "bokeh", "portrait mode", "blur behind me"),
            *("blur my background", "background blurry", "background blurred", "defocus background"),
        ),
        "background_dark": (
            *("dark background", "darker background", "dim background", "background darker"),
            *("darken my background",),
        ),
        "background_tint": (
            *("tint background {c}", "tint my background {c}", "{c} background light", "{c} background tint"),
            *("tinted background", "background tint {c}"),
        ),
        "background_replace": (
            *(
                "{c} background",
                "{c} wall",
                "{c} screen",
                "{c} backdrop",
                "background {c}",
                "solid background",
            ),
            *("plain {c} background", "solid {c} background", "replace background with {c}"),
            *(
                "no background",
                "remove background",
                "remove my background",
                "delete background",
                "background off",
            ),
            *("hide background", "hide my background", "replace my background", "{c} behind me"),
        ),
        "background_grey": (
            *("black and white background", "background black and white", "greyscale background"),
            *("only person in colour", "only me in colour"),
        ),
        "remove_balloons": (
            *("no balloons", "no more balloons", "without balloons", "delete balloons", "balloons away"),
            *("erase balloons", "hide balloons"),
        ),
        "add_balloons": (
            "balloons",
            "balloon",
            "party balloons",
            "{c} balloons",
            "{c} balloon",
            "flying balloons",
        ),
    }
)

NAMES = MappingProxyType(
    {family: (LABELS[family], family.replace("_", " "), *_FURTHER[family]) for family in FAMILIES}
)
"""Family name -> its label, itself, and what else it is called."""

USUAL_COLOUR = MappingProxyType(
    {
        "tint": "blue",
        "recolour": "blue",
        "background_tint": "blue",
        "background_replace": "white",
        "add_balloons": "red",
    }
)
"""Family of ``TAKES_RGB`` -> what it gives where no colour is said: the page's first suggestion, or a white wall."""

USUAL_COLOUR_OF = MappingProxyType({"recolour": "red", "colour_pop": "red"})
"""Family of ``TAKES_RGB_OF`` -> the colour of the things meant where none is said."""
