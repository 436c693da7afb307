"""Disks that fill up soon."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str, otherwise: str) -> Iterator[Path]:
    """A disk, where this user may mount one.

    Args:
        folder: Where it is mounted, in a folder of its own.
        size: As tmpfs takes it, "4m".
        otherwise: What is tested where it cannot be mounted.
    """
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip(f"only root may mount a small disk; {otherwise} is tested in its place")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)
