import logging
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from engines.compilers import store as store_module
from engines.compilers.interface import FrameShape
from engines.compilers.manifest import EngineManifest
from engines.compilers.store import MANIFEST_FILE, EngineStore, manifest_of, total_s
from engines.model import ModelError
from engines.unfinished import unfinished_folder

MANIFEST = EngineManifest(
    "a" * 64, "denoiser", "tensorrt-rtx", "float16", (FrameShape(1, 64, 96),), "tensorrt-rtx 1.7", "sm89"
)
CHANGED = [
    replace(MANIFEST, model_sha256="b" * 64),
    replace(MANIFEST, part="decoder"),
    replace(MANIFEST, compiler="tensorrt"),
    replace(MANIFEST, precision="bfloat16"),
    replace(MANIFEST, shapes=(FrameShape(2, 64, 96),)),
    replace(MANIFEST, library="tensorrt-rtx 1.8"),
    replace(MANIFEST, device="sm120"),
    replace(MANIFEST, settings="other"),
]


class Builder:
    """Writes an engine and counts how often."""

    def __init__(self, content: bytes = b"engine") -> None:
        self.built, self.content = 0, content

    def __call__(self, folder: Path) -> None:
        self.built += 1
        (folder / "engine.plan").write_bytes(self.content)


def test_an_engine_is_built_once_and_then_read(tmp_path: Path) -> None:
    build = Builder()
    first = EngineStore(tmp_path).obtain(MANIFEST, build)
    again = EngineStore(tmp_path).obtain(MANIFEST, build)

    assert (first, build.built) == (again, 1)
    assert (again / "engine.plan").read_bytes() == b"engine"


@pytest.mark.parametrize("changed", CHANGED, ids=[MANIFEST.differences(each)[0] for each in CHANGED])
def test_an_engine_of_another_manifest_is_never_used(changed: EngineManifest, tmp_path: Path) -> None:
    store, build = EngineStore(tmp_path), Builder()
    store.obtain(MANIFEST, build)

    assert store.find(changed) is None
    store.obtain(changed, build)
    assert build.built == 2


def test_an_engine_put_in_anothers_place_is_refused_by_its_own_manifest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Someone copies the engines of one card to another's folder."""
    store, build = EngineStore(tmp_path), Builder()
    other = replace(MANIFEST, device="sm86")
    folder = store.obtain(other, build)
    folder.rename(tmp_path / f"{MANIFEST.compiler}-{MANIFEST.part}-{MANIFEST.key}")

    assert store.find(MANIFEST) is None
    assert "it is for another device" in caplog.text
    store.obtain(MANIFEST, build)
    assert build.built == 2
    assert store.find(MANIFEST) is not None


@pytest.mark.parametrize("file", ["engine.plan", MANIFEST_FILE])
@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"[1]", b'{"manifest": {}}'])
def test_a_damaged_engine_is_built_anew(file: str, content: bytes, tmp_path: Path) -> None:
    store, build = EngineStore(tmp_path), Builder()
    (store.obtain(MANIFEST, build) / file).write_bytes(content)

    assert store.find(MANIFEST) is None
    assert (store.obtain(MANIFEST, build) / "engine.plan").read_bytes() == b"engine"


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise ModelError("no tactic")

    with pytest.raises(ModelError, match="no tactic"):
        EngineStore(tmp_path).obtain(MANIFEST, fail)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_program_left_half_built_is_removed_and_what_another_builds_is_not(
    tmp_path: Path,
) -> None:
    left = tmp_path / ".engine.unfinished-a"
    left.mkdir()
    (left / "model.weights").write_bytes(b"half")
    with unfinished_folder(tmp_path, "engine") as others:
        EngineStore(tmp_path).obtain(MANIFEST, Builder())
        assert others.exists()

    assert not left.exists()


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ModelError, match="No space left on device"):
        EngineStore(tmp_path).obtain(MANIFEST, fail)


def test_a_store_that_cannot_be_written_builds_every_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    store, build = EngineStore(tmp_path / "file"), Builder()

    assert (store.obtain(MANIFEST, build) / "engine.plan").exists()
    assert "cannot be kept" in caplog.text


def test_an_engine_that_may_only_be_read_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made beforehand, by another user or into an image that is mounted read-only."""
    store = EngineStore(tmp_path)
    folder = store.obtain(MANIFEST, Builder())

    def refuse(path: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    assert store.find(MANIFEST) == folder


def test_an_engine_of_more_shapes_covers_one_of_them(tmp_path: Path) -> None:
    store, build = EngineStore(tmp_path), Builder()
    shapes = (FrameShape(1, 64, 96), FrameShape(4, 64, 96))
    folder = store.obtain(replace(MANIFEST, shapes=shapes), build)

    assert store.covering(MANIFEST, FrameShape(4, 64, 96)) == folder
    assert manifest_of(folder).shapes == shapes
    assert store.covering(MANIFEST, FrameShape(2, 64, 96)) is None
    assert store.covering(replace(MANIFEST, device="sm120"), FrameShape(4, 64, 96)) is None


def test_why_nothing_fits_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = EngineStore(tmp_path)
    store.obtain(MANIFEST, Builder())
    with caplog.at_level(logging.INFO):
        store.find(replace(MANIFEST, library="tensorrt-rtx 1.8", device="sm120"))

    assert "the nearest is for another library, device" in caplog.text


def test_the_last_build_of_its_kind_is_the_estimate(tmp_path: Path) -> None:
    store = EngineStore(tmp_path)
    assert store.expected_s(MANIFEST) is None
    store.obtain(MANIFEST, Builder())

    expected = store.expected_s(replace(MANIFEST, model_sha256="b" * 64))
    assert expected is not None
    assert store.expected_s(replace(MANIFEST, compiler="tensorrt")) is None
    assert total_s([expected, 1.0]) == expected + 1.0
    assert total_s([expected, None]) is None


def unused_since(seconds_ago: float, folder: Path) -> None:
    then_s = time.time() - seconds_ago
    os.utime(folder, (then_s, then_s))


def test_the_least_recently_used_engines_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LARGEST_BYTES", 3000)
    store = EngineStore(tmp_path)
    manifests = [replace(MANIFEST, settings=str(number)) for number in range(3)]
    for days_ago, manifest in zip((2, 3, 1), manifests, strict=True):
        unused_since(days_ago * 86400, store.obtain(manifest, Builder(bytes(800))))
    store.obtain(replace(MANIFEST, settings="new"), Builder())

    assert [store.find(manifest) is not None for manifest in manifests] == [False, False, True]


def test_an_engine_that_was_just_asked_for_is_not_taken_from_whoever_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "LARGEST_BYTES", 0)
    reads, unread = (
        EngineStore(tmp_path).obtain(replace(MANIFEST, settings=name), Builder()) for name in ("a", "b")
    )
    for folder in (reads, unread):
        unused_since(86400, folder)
    assert EngineStore(tmp_path).find(replace(MANIFEST, settings="a")) == reads
    EngineStore(tmp_path).obtain(replace(MANIFEST, settings="new"), Builder())

    assert (reads / "engine.plan").read_bytes() == b"engine"
    assert not unread.exists()


def test_of_two_programs_that_build_the_same_engine_the_first_keeps_what_it_reads(tmp_path: Path) -> None:
    first: list[Path] = []

    def build_behind(folder: Path) -> None:
        first.append(EngineStore(tmp_path).obtain(MANIFEST, Builder(b"the first's")))
        Builder(b"the second's")(folder)

    second = EngineStore(tmp_path).obtain(MANIFEST, build_behind)

    assert first == [second]
    assert (second / "engine.plan").read_bytes() == b"the first's"
    assert list(tmp_path.iterdir()) == [second]


SWEEPER = """
import sys
from dataclasses import replace
from pathlib import Path

from engines.compilers import store
from tests.engines.compilers.test_store import MANIFEST, Builder

store.LARGEST_BYTES, store._READING_S = 0, -1.0
print("ready", flush=True)
sys.stdin.read()
for number in range(40):
    store.EngineStore(Path(sys.argv[1])).obtain(replace(MANIFEST, settings=str(number % 7)), Builder())
"""


def test_programs_that_sweep_the_same_store_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SWEEPER, str(tmp_path)]
    with ExitStack() as held:
        programs = [held.enter_context(Popen(command, stdin=PIPE, stdout=PIPE)) for _ in range(3)]
        for program in programs:
            assert program.stdout is not None
            assert program.stdout.readline() == b"ready\n"
        for program in programs:
            assert program.stdin is not None
            program.stdin.close()

    assert [program.returncode for program in programs] == [0, 0, 0]
