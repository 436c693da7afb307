"""What the live path should bring back: the same clip edited by the same Editor, without a network between."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from engines.edit_size import SHORT_SIDE, edit_size
from engines.editor import Editor, EditRequest, load_editor
from server.settings import Settings

Picture = NDArray[np.uint8]

UNTOUCHED = "(the camera's own picture)"

FLOOR_DB = 28.0
"""Two lossy codecs lie between the clip and the picture; they leave 33 dB or more (three clips, seven edits)."""

MARGIN_DB = 6.0
"""By how much the right edit must be nearer than any wrong one; 9 dB or more were measured."""


@dataclass
class OfflineEdits:
    """A looped clip as it is and as each instruction makes it.

    Attributes:
        sources: (K, H, W, 3), the clip's frames at the size they are edited at.
    """

    editor: Editor
    sources: NDArray[np.uint8]
    _edits: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def prepare(self, *instructions: str) -> None:
        """Edit the clip by each of these, and compare with all of them from now on."""
        self._edits.setdefault(UNTOUCHED, self.sources.astype(np.float32))
        for text in instructions:
            if text not in self._edits:
                self._edits[text] = self._edit(text)

    def nearness_db(self, picture: Picture) -> dict[str, float]:
        """For every instruction, the PSNR against the nearest frame of its edit."""
        return {text: nearest_psnr_db(picture, edits) for text, edits in self._edits.items()}

    def is_edit(self, picture: Picture, instruction: str) -> bool:
        """Whether this is a frame of the clip edited by this instruction and no other."""
        if picture.shape != self.sources.shape[1:]:
            return False
        return is_clearly(instruction, self.nearness_db(picture))

    def _edit(self, text: str) -> NDArray[np.float32]:
        state, conditioning = self.editor.open(), self.editor.encode(text)
        edits = [
            self.editor.step([EditRequest(source, conditioning, state)])[0].picture for source in self.sources
        ]
        return np.stack(edits).astype(np.float32)


def is_clearly(instruction: str, nearness_db: dict[str, float]) -> bool:
    """Whether the right edit is near enough, and nearer than any other by the margin."""
    others = [value for text, value in nearness_db.items() if text != instruction]
    return nearness_db[instruction] >= max(FLOOR_DB, MARGIN_DB + max(others, default=0.0))


def nearest_psnr_db(picture: Picture, frames: NDArray[np.float32]) -> float:
    """Peak signal-to-noise ratio against the nearest of some frames, (K, H, W, 3)."""
    wanted = picture.astype(np.float32)
    error = min(float(np.square(frame - wanted).mean()) for frame in frames)
    return 10.0 * float(np.log10(255.0**2 / max(error, 1e-6)))


def load_offline(clip: Path) -> OfflineEdits:
    """The clip's edits by the model and compiler the server uses."""
    settings = Settings()
    editor = load_editor(settings.model, compiler=settings.compiler, device=settings.device)  # type: ignore[arg-type]
    return OfflineEdits(
        editor, np.stack(read_as_the_server_does(clip, settings.edit_short_side or SHORT_SIDE))
    )


def read_as_the_server_does(clip: Path, short_side: int) -> Sequence[Picture]:
    """A clip's frames, scaled to the size they are edited at."""
    with av.open(str(clip)) as container:
        frames = list(container.decode(container.streams.video[0]))
    width, height = edit_size(frames[0].width, frames[0].height, short_side)
    scaled = [frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA) for frame in frames]
    return [np.asarray(frame.to_ndarray(), np.uint8) for frame in scaled]
