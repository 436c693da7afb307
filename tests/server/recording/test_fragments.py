import os
from pathlib import Path

import pytest

from server.recording.fragments import trim


def box(kind: bytes) -> bytes:
    return (16).to_bytes(4, "big") + kind + bytes(8)


def test_what_follows_the_last_whole_fragment_is_cut_off(tmp_path: Path) -> None:
    path, whole = tmp_path / "movie.mp4", box(b"moov") + box(b"moof") + box(b"mdat")
    for rest in (b"", box(b"moof"), box(b"moof") + box(b"mdat")[:9]):
        path.write_bytes(whole + rest)
        trim(path)
        assert path.read_bytes() == whole


def test_what_is_written_while_a_file_is_looked_through_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, fstat = tmp_path / "movie.mp4", os.fstat
    path.write_bytes(box(b"moov"))

    def and_then_it_grows(file: int) -> os.stat_result:
        asked = fstat(file)
        with path.open("ab") as writer:
            writer.write(box(b"mdat"))
        return asked

    monkeypatch.setattr("server.recording.fragments.os.fstat", and_then_it_grows)
    trim(path)
    monkeypatch.undo()
    assert path.read_bytes().startswith(box(b"moov") + box(b"mdat"))
