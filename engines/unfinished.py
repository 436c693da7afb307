"""Folders of gigabytes: whole under their own name or not there, and what a killed program left of one is found."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MARK = ".unfinished-"


@contextmanager
def unfinished_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new hidden folder to write into, to be renamed once it is whole; whatever is left of it at the end goes.

    It is locked for as long as this program lives, which the system sees to however the program ends, and also
    between containers that share a disk but no process numbers.

    Args:
        parent: Where; on the disk the folder is to stay on.
        name: What it is to become.

    Raises:
        OSError: It cannot be made.
    """
    folder, handle = _new_folder(parent, name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def is_unfinished(folder: Path) -> bool:
    """Whether a folder is one of :func:`unfinished_folder`, in use or abandoned."""
    return folder.name.startswith(".") and _MARK in folder.name


def abandoned_folders(parent: Path) -> list[Path]:
    """What programs that were killed have left in a folder; none where the file system knows no locks."""
    return list(_abandoned(parent))


def remove_abandoned(parent: Path) -> int:
    """Remove :func:`abandoned_folders`; returns their bytes."""
    freed = 0
    for folder in _abandoned(parent):
        freed += folder_bytes(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return freed


def folder_bytes(folder: Path) -> int:
    """What the files in a folder weigh."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _new_folder(parent: Path, name: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{name}{_MARK}", dir=parent))
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            # Another program took it for abandoned, as it does with what nobody has locked.
            continue
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.exists():
            return folder, handle
        os.close(handle)


def _abandoned(parent: Path) -> Iterator[Path]:
    """One after another, each locked while it is looked at."""
    for folder in sorted(parent.glob(f".*{_MARK}*")):
        try:
            handle = os.open(folder, os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder
        except OSError:
            continue
        finally:
            os.close(handle)
