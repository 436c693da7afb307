"""Compiled programs kept on disk between starts."""

import hashlib
import logging
import os
import tempfile
from pathlib import Path

from engines.program import FrameProgram

logger = logging.getLogger(__name__)

_SOURCES = Path(__file__).parents[1]
_KEPT = 16


def default_folder() -> Path:
    """The user's cache, as the XDG base directories have it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "afterimage"


def program_digest(program: FrameProgram) -> str:
    """What a compiled program depends on: every weight and constant, and the source code that uses them."""
    digest = hashlib.sha256()
    for name, value in sorted(program.state_dict().items()):
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    digest.update(repr((program.alphas, program.sigmas, vars(program.codec), program.evaluations)).encode())
    for path in sorted(
        (*_SOURCES.glob("*.py"), *_SOURCES.glob("backbones/*.py"), *_SOURCES.glob("compilers/*.py"))
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class BlobCache:
    """Files named by what they depend on; the least recently used go first. None of it is ever needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str) -> bytes | None:
        """What was kept under ``key``."""
        path = self._path(key)
        try:
            blob = path.read_bytes()
            path.touch()
        except OSError:
            return None
        # A file cut short by a full disk must not reach a parser that trusts it.
        content, stamp = blob[:-32], blob[-32:]
        return content if hashlib.sha256(content).digest() == stamp else None

    def write(self, key: str, content: bytes) -> None:
        """Keep ``content``; a cache that cannot be written only costs the next start its time."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".new", delete=False) as file:
                file.write(content + hashlib.sha256(content).digest())
            Path(file.name).replace(self._path(key))
            self._sweep()
        except OSError as error:
            logger.warning("compiled programs cannot be kept in %s: %s", self._folder, error)

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.blob"

    def _sweep(self) -> None:
        kept = sorted(self._folder.glob("*.blob"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[_KEPT:]:
            path.unlink(missing_ok=True)
