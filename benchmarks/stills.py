"""``python -m benchmarks.stills``: the edits on the page's first screen, made anew by the shipped model.

Each instruction of ``client_web/src/stills/scenes.json`` edits the demo clip's photograph as the live path would: at
the model's own size, some frames of a camera that stands still, then enlarged with the camera's detail. Run it when
the shipped weights change; a test holds the stills against them.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engines.edit_size import edit_size
from engines.editor import Editor, EditRequest, load_editor
from engines.upsampling import takes_detail
from server.files.source import EXACT_COLOURS
from server.rtc.decoding import EDITED_FROM
from server.session.detail import Detail
from server.session.frame import Frame

Picture = NDArray[np.uint8]

CLIENT = Path(__file__).parents[1] / "client_web"
PHOTOGRAPH = CLIENT / "public" / "astronaut.webp"
STILLS = CLIENT / "src" / "stills"
SHORT_SIDE = 256
FRAMES = 8
QUALITY = 82


def scenes() -> dict[str, str]:
    """Name of each still -> the instruction it shows."""
    listed = json.loads((STILLS / "scenes.json").read_text(encoding="utf-8"))
    return {scene["still"]: scene["words"] for scene in listed}


def stills(editor: Editor) -> Iterator[tuple[str, Picture]]:
    """Each still's name and (H, W, 3) picture, at the photograph's size."""
    with Image.open(PHOTOGRAPH) as image:
        photograph = np.asarray(image.convert("RGB"))
    height, width = photograph.shape[:2]
    camera = av.VideoFrame.from_ndarray(photograph, format="rgb24").reformat(format="yuv420p")
    size = edit_size(width, height, SHORT_SIDE)
    scaled = camera.reformat(*size, "rgb24", interpolation=EDITED_FROM)
    source = np.ascontiguousarray(cast(Picture, scaled.to_ndarray()))
    detail = Detail(min(width, height))
    for name, words in scenes().items():
        conditioning, state = editor.encode(words), editor.open()
        for _ in range(FRAMES):
            (result,) = editor.step([EditRequest(source, conditioning, state)])
        frame = Frame(0, 0, source, (width, height), 0.0, 0.0, camera, result.picture, kind="edited")
        frame.guided = takes_detail(conditioning.families)
        frame.shown = detail.enlarge(frame)
        yield (
            name,
            cast(Picture, frame.video().reformat(format="rgb24", interpolation=EXACT_COLOURS).to_ndarray()),
        )
    detail.close()


def main(arguments: list[str]) -> int:
    """Write the stills; returns the exit status."""
    argparse.ArgumentParser(prog="benchmarks.stills", description=__doc__.splitlines()[0]).parse_args(
        arguments
    )
    for name, picture in stills(load_editor("rfdm-tiny")):
        path = STILLS / f"{name}.webp"
        Image.fromarray(picture).save(path, quality=QUALITY, method=6)
        print(f"{path.relative_to(CLIENT.parent)}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
