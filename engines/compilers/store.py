"""Compiled engines kept on disk between starts, each beside the manifest that says what it may be used for."""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from engines.compilers.interface import FrameShape
from engines.compilers.manifest import EngineManifest
from engines.model import ModelError
from engines.unfinished import folder_bytes, remove_abandoned, unfinished_folder

logger = logging.getLogger(__name__)

MANIFEST_FILE = "manifest.json"
_KEPT = f"[!.]*/{MANIFEST_FILE}"
"""Hidden folders are unfinished."""
LARGEST_BYTES = 40 * 2**30
"""Above this the least recently used engines go; one of SD 3.5's is 5 GB."""
_READING_S = 3600.0
"""Whoever has asked for an engine has read it after so long."""
_CHUNK = 2**24


def default_folder() -> Path:
    """The user's cache, as the XDG base directories have it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "afterimage" / "engines"


class EngineStore:
    """One folder of engines, an engine a folder: its files, and ``manifest.json``.

    An engine is used only if its manifest equals the one asked for and its files are whole; anything else is built
    anew. What is in the store is never needed: it saves time.

    Args:
        folder: Need not exist.
        told_at: Level of the log's line for the first engine that is built since none fits: higher where somebody
            named the folder for the engines in it.
    """

    def __init__(self, folder: Path, told_at: int = logging.INFO) -> None:
        self.folder = folder
        self._told_at: int | None = told_at

    def obtain(self, manifest: EngineManifest, build: Callable[[Path], None]) -> Path:
        """The folder with an engine's files: those kept, or those that ``build`` writes into the folder it is given.

        Raises:
            ModelError: The files cannot be written anywhere; whatever else ``build`` raises.
        """
        kept = self.find(manifest)
        if kept is not None:
            return kept
        if self._told_at is not None:
            logger.log(self._told_at, "no engine in %s fits: they are built now, and kept there", self.folder)
            self._told_at = None
        began_s = time.monotonic()
        with self._scratch() as scratch:
            try:
                build(scratch)
                _write_manifest(scratch, manifest, time.monotonic() - began_s)
            except OSError as error:
                raise ModelError(
                    f"an engine cannot be written to {scratch.parent}: {error.strerror}"
                ) from error
            if scratch.parent != self.folder:
                return scratch
            final = self._path(manifest)
            with self._alone():
                # Another program may have built it meanwhile, and be reading it.
                if _flaw(final, manifest) is not None:
                    shutil.rmtree(final, ignore_errors=True)
                    scratch.replace(final)
                # Where there are no locks another program may sweep, too.
                with suppress(FileNotFoundError):
                    self._sweep()
        return final

    def find(self, manifest: EngineManifest) -> Path | None:
        """The folder of a whole engine of exactly this manifest; None, and a line in the log, where there is none."""
        folder = self._path(manifest)
        # First, so that no sweep takes it before it is read; one that may only be read keeps its date.
        with suppress(OSError), self._alone():
            os.utime(folder)
        if not folder.exists():
            self._tell_nearest(manifest)
            return None
        flaw = _flaw(folder, manifest)
        if flaw is not None:
            logger.warning("engine %s is built anew: %s", folder.name, flaw)
            return None
        return folder

    def covering(self, manifest: EngineManifest, shape: FrameShape) -> Path | None:
        """The folder of an engine that runs ``shape`` among others and differs in nothing else; None without one."""
        for _, kept, _ in self._entries():
            if shape in kept.shapes and set(manifest.differences(kept)) <= {"shapes"}:
                found = self.find(kept)
                if found is not None:
                    return found
        return None

    def expected_s(self, manifest: EngineManifest) -> float | None:
        """How long the last engine of this part, compiler and precision took to build; None if there was none."""
        alike = [
            (used_s, build_s)
            for used_s, kept, build_s in self._entries()
            if (kept.part, kept.compiler, kept.precision)
            == (manifest.part, manifest.compiler, manifest.precision)
        ]
        return max(alike)[1] if alike else None

    def _entries(self) -> Iterator[tuple[float, EngineManifest, float]]:
        """When each engine was last asked for, what it is, and how long it took to build."""
        for path in self.folder.glob(_KEPT):
            try:
                stored = json.loads(path.read_text())
                manifest = EngineManifest.from_json(json.dumps(stored["manifest"]))
                yield path.parent.stat().st_mtime, manifest, stored["build_s"]
            except (OSError, ValueError, KeyError, TypeError):
                continue

    def _path(self, manifest: EngineManifest) -> Path:
        return self.folder / f"{manifest.compiler}-{manifest.part}-{manifest.key}"

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A folder to build in; where the store's own cannot be written, one that lasts as long as the store."""
        with ExitStack() as held:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                # Programs that were killed while they built have left gigabytes.
                remove_abandoned(self.folder)
                scratch = held.enter_context(unfinished_folder(self.folder, "engine"))
            except OSError as error:
                logger.warning("compiled programs cannot be kept in %s: %s", self.folder, error)
                scratch = self._unkept()
            yield scratch

    def _unkept(self) -> Path:
        try:
            unkept = Path(tempfile.mkdtemp(prefix="afterimage-"))
        except OSError as error:
            raise ModelError(f"there is no place to write an engine to: {error.strerror}") from error
        weakref.finalize(self, shutil.rmtree, unkept, ignore_errors=True)
        return unkept

    def _tell_nearest(self, manifest: EngineManifest) -> None:
        """Say why an engine that somebody may count on is not used."""
        alike = [
            manifest.differences(kept)
            for _, kept, _ in self._entries()
            if (kept.part, kept.compiler) == (manifest.part, manifest.compiler)
        ]
        if alike:
            nearest = min(alike, key=len)
            logger.info(
                "no kept %s engine fits: the nearest is for another %s", manifest.part, ", ".join(nearest)
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else moves, removes or asks for engines; without locks, as on NFS, they may."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _sweep(self) -> None:
        used = ((path.parent.stat().st_mtime, path.parent) for path in self.folder.glob(_KEPT))
        total, read_s = 0, time.time() - _READING_S
        for used_s, folder in sorted(used, reverse=True):
            total += folder_bytes(folder)
            if total > LARGEST_BYTES and used_s < read_s:
                shutil.rmtree(folder, ignore_errors=True)


def manifest_of(folder: Path) -> EngineManifest:
    """The manifest in a folder that the store gave."""
    stored = json.loads((folder / MANIFEST_FILE).read_text())
    return EngineManifest.from_json(json.dumps(stored["manifest"]))


def total_s(parts: Iterable[float | None]) -> float | None:
    """The time of all parts together; None where one of them is not known."""
    known = list(parts)
    return None if None in known else sum(each for each in known if each is not None)


def _flaw(folder: Path, manifest: EngineManifest) -> str | None:
    """Why what a folder holds cannot be used for a manifest; None where it can."""
    try:
        stored = json.loads((folder / MANIFEST_FILE).read_text())
        kept = manifest_of(folder)
        sums: dict[str, str] = stored["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its manifest cannot be read: {error}"
    if kept != manifest:
        return f"it is for another {', '.join(manifest.differences(kept))}"
    if any(_sha256(folder / name) != expected for name, expected in sums.items()):
        return "its files are damaged"
    return None


def _write_manifest(folder: Path, manifest: EngineManifest, build_s: float) -> None:
    sums = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    stored = {"manifest": json.loads(manifest.to_json()), "build_s": round(build_s, 3), "sha256": sums}
    (folder / MANIFEST_FILE).write_text(json.dumps(stored, indent=2) + "\n")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return ""
    return digest.hexdigest()
