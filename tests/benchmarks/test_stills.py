"""The first screen shows what the shipped model does, not what an earlier one did."""

import numpy as np
from PIL import Image

from benchmarks.fidelity import psnr_db
from benchmarks.stills import STILLS, scenes, stills
from engines.editor import load_editor

ALIKE_DB = 32.0
"""WebP and another machine's arithmetic leave more; another model's halftone dots, less."""


def test_the_stills_are_the_shipped_models_edits() -> None:
    editor = load_editor("rfdm-tiny")
    for words in scenes().values():
        assert editor.encode(words).known, words
    for name, picture in stills(editor):
        with Image.open(STILLS / f"{name}.webp") as still:
            assert psnr_db(np.array(still.convert("RGB")), picture) > ALIKE_DB, name
