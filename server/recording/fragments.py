"""A file that only ever ends with a whole fragment, a box of ISO/IEC 14496-12 (section 4.2) never in halves."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

BOX_HEADER = 8


def boxes(data: bytes | bytearray | memoryview) -> Iterator[tuple[bytes, int]]:
    """The (type, end offset) of every whole box from the start on."""
    offset = 0
    while offset + BOX_HEADER <= len(data):
        size = int.from_bytes(data[offset : offset + 4], "big")
        # 0 is "until the end" and 1 a 64-bit size; FFmpeg writes neither into a live fragment.
        if size < BOX_HEADER or offset + size > len(data):
            return
        offset += size
        yield bytes(data[offset - size + 4 : offset - size + BOX_HEADER]), offset


class FragmentFile:
    """What a muxer writes to: gathers a fragment (``moof`` and ``mdat``) and writes it in one go.

    A process that dies leaves whole fragments. A write that the disk refuses is taken back, and the file still plays.

    Args:
        path: A new file.
        spend: Told how many bytes are about to be written; raises where they are too many.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, path: Path, spend: Callable[[int], None]) -> None:
        self.bytes = 0
        self._spend = spend
        self._waiting = bytearray()
        self._broken = False
        self._file = path.open("xb", buffering=0)

    def write(self, data: bytes) -> int:
        """Take what the muxer has made.

        Raises:
            OSError: The disk is full, or worse.
            QuotaExceededError: There is no room left for recordings.
        """
        if self._broken:
            # The muxer still says goodbye.
            return len(data)
        self._waiting += data
        whole = 0
        for kind, end in boxes(self._waiting):
            if kind in (b"moov", b"mdat"):
                whole = end
        if whole:
            self._broken = True
            self._spend(whole)
            write_whole(self._file, bytes(self._waiting[:whole]))
            self.bytes += whole
            self._broken = False
            del self._waiting[:whole]
        return len(data)

    def close(self) -> None:
        """Close the file; what is no whole fragment is thrown away."""
        self._waiting.clear()
        self._file.close()


def write_whole(file: IO[bytes], data: bytes) -> None:
    """Write data at a file's end; of what a full disk does not take in whole, nothing stays.

    Args:
        file: Unbuffered.
        data: To be written.

    Raises:
        OSError: The disk is full, or worse.
    """
    begin, left = file.tell(), memoryview(data)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError:
        file.truncate(begin)
        file.seek(begin)
        raise


def trim(path: Path) -> None:
    """Cut off what a process that died left after the last whole fragment."""
    with path.open("r+b") as file:
        # Asked once: what somebody writes meanwhile is not to be cut off.
        size = os.fstat(file.fileno()).st_size
        whole = _whole(file, size)
        if whole < size:
            file.truncate(whole)


def _whole(file: BinaryIO, size: int) -> int:
    offset, whole = 0, 0
    while offset + BOX_HEADER <= size:
        file.seek(offset)
        header = file.read(BOX_HEADER)
        length = int.from_bytes(header[:4], "big")
        if length < BOX_HEADER or offset + length > size:
            break
        offset += length
        if header[4:] in (b"moov", b"mdat"):
            whole = offset
    return whole
