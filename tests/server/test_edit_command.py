"""`afterimage edit` on files that are as they should be, and on files that are not."""

import logging
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from engines.compilers.compile import main as compile_main
from engines.editor import EditRequest, EditResult
from engines.model import ModelError
from server.files.command import main
from server.files.sink import VideoSink
from server.files.source import Item, Picture, VideoSource
from tests.engines.streams import write_small_model
from tests.server.clips import SOUND_RATE, TONE_HZ, make_clip
from tests.server.disks import small_disk
from tests.server.inverting import Recording, run_edit

NEGATIVE = ("--instruction", "make it a negative")


def test_every_frame_is_edited_at_its_own_time(tmp_path: Path) -> None:
    source, target = make_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"

    assert run_edit([source, target, *NEGATIVE], Recording()) == 0

    before, after = decode(source), decode(target)
    assert [frame.time for frame in after] == [frame.time for frame in before]
    assert psnr_db(255 - rgb(before), rgb(after)) > 30
    with av.open(str(source)) as old, av.open(str(target)) as new:
        assert new.duration == old.duration
        assert new.streams.video[0].average_rate == old.streams.video[0].average_rate == 24
        context = new.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.width, context.height) == ("h264", "yuv420p", 192, 128)


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_clip(tmp_path / "10:30.mp4")
    monkeypatch.chdir(tmp_path)

    assert run_edit(["10:30.mp4", "edit-10:30.mp4", *NEGATIVE], Recording()) == 0

    assert len(decode(Path("edit-10:30.mp4").absolute())) == len(decode(tmp_path / "10:30.mp4"))


def test_the_index_comes_before_the_pictures(tmp_path: Path) -> None:
    source, target = make_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"

    assert run_edit([source, target, *NEGATIVE], Recording()) == 0

    written = target.read_bytes()
    assert written.index(b"moov") < written.index(b"mdat")


def test_sound_that_fits_the_container_is_copied_bit_by_bit(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", sounds=("aac", "libmp3lame"))
    target = tmp_path / "out.mp4"

    assert run_edit([source, target, *NEGATIVE], Recording()) == 0

    assert sound_packets(target) == sound_packets(source)
    assert len(sound_packets(target)) == 2


@pytest.mark.parametrize("ending", [".mov", ".mkv"])
def test_other_containers_keep_times_and_sound(tmp_path: Path, ending: str) -> None:
    source, target = make_clip(tmp_path / "in.mp4"), tmp_path / f"out{ending}"

    assert run_edit([source, target, *NEGATIVE], Recording()) == 0

    # Matroska knows no time before zero, where this sound begins: all is shifted together.
    begins = sound_packets(target)[0][0][0] - sound_packets(source)[0][0][0]
    times = [frame.time - float(begins) for frame in decode(target)]
    assert times == pytest.approx([frame.time for frame in decode(source)], abs=0.001)
    assert [data for _, data in sound_packets(target)[0]] == [data for _, data in sound_packets(source)[0]]


def test_sound_that_does_not_fit_is_encoded_anew_in_every_stream(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.avi", sounds=("pcm_s16le", "pcm_s16le"))
    target = tmp_path / "out.mp4"

    assert run_edit([source, target, *NEGATIVE], Recording()) == 0

    with av.open(str(target)) as container:
        assert [sound.codec_context.name for sound in container.streams.audio] == ["aac", "aac"]
        assert container.duration == pytest.approx(av.time_base, rel=0.02)
    for stream in range(2):
        assert loudest_hz(target, stream) == pytest.approx(TONE_HZ, abs=2)


def test_a_container_without_presentation_times_keeps_its_rate(tmp_path: Path) -> None:
    source, target = make_clip(tmp_path / "in.avi", sounds=("libmp3lame",)), tmp_path / "out.mp4"

    assert run_edit([source, target, *NEGATIVE], Recording()) == 0

    assert [frame.time for frame in decode(target)] == pytest.approx([i / 24 for i in range(24)], abs=0.001)


def test_a_recording_that_starts_late_starts_at_zero_with_its_sound(tmp_path: Path) -> None:
    source, target = make_clip(tmp_path / "in.ts"), tmp_path / "out.mp4"
    with av.open(str(source)) as container:
        assert (container.start_time or 0) > 0

    assert run_edit([source, target, *NEGATIVE], Recording()) == 0

    starts = []
    for path in (source, target):
        with av.open(str(path)) as container:
            video, sound = container.streams.video[0], container.streams.audio[0]
            starts.append((start_s(video), start_s(sound)))
    assert min(starts[1]) == pytest.approx(0, abs=0.001)
    assert starts[1][1] - starts[1][0] == pytest.approx(starts[0][1] - starts[0][0], abs=0.002)


def test_a_variable_rate_keeps_every_frame_time(tmp_path: Path) -> None:
    ticks = [40 * i + 11 * (i % 3) for i in range(24)]
    source, target = make_clip(tmp_path / "in.mp4", ticks=ticks), tmp_path / "out.mp4"

    assert run_edit([source, target, *NEGATIVE], Recording()) == 0

    assert [frame.time for frame in decode(target)] == pytest.approx([t / 1000 for t in ticks], abs=1e-4)
    assert end_of_pictures(target) == end_of_pictures(source)


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_turned_picture_is_edited_upright_and_stays_turned(tmp_path: Path, rotation: int) -> None:
    source, target = make_clip(tmp_path / "in.mp4", rotation=rotation), tmp_path / "out.mp4"
    editor = Recording()

    assert run_edit([source, target, *NEGATIVE], editor) == 0

    before, after = decode(source), decode(target)
    assert after[0].rotation == before[0].rotation
    assert abs(after[0].rotation) == abs(rotation)
    assert psnr_db(255 - rgb(before), rgb(after)) > 30
    upright = np.rot90(rgb(before[:1])[0], round(rotation / 90))
    assert psnr_db(upright, editor.pictures[0]) > 30


@pytest.mark.parametrize("full_range", [False, True])
def test_colours_and_their_labels_stay(tmp_path: Path, full_range: bool) -> None:
    source, target = make_clip(tmp_path / "in.mp4", full_range=full_range), tmp_path / "out.mp4"

    assert run_edit([source, target, *NEGATIVE], Recording()) == 0

    before, after = decode(source)[0], decode(target)[0]
    assert (after.color_range, after.colorspace) == (before.color_range, before.colorspace)
    assert after.color_range == (2 if full_range else 1)
    expected, shown = 255 - rgb([before]), rgb([after])
    assert psnr_db(expected, shown) > 32
    assert abs(shown.mean() - expected.mean()) < 1.5


def test_a_large_picture_is_edited_small_and_written_at_its_size(tmp_path: Path) -> None:
    source, target = make_clip(tmp_path / "in.mp4", size=(320, 180)), tmp_path / "out.mp4"
    editor = Recording()

    assert run_edit([source, target, *NEGATIVE, "--short-side", "96", "--strength", "0.5"], editor) == 0

    assert {picture.shape for picture in editor.pictures} == {(96, 176, 3)}
    assert set(editor.strengths) == {0.5}
    assert (decode(target)[0].width, decode(target)[0].height) == (320, 180)


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("full_range", [False, True])
def test_a_picture_edited_small_takes_the_detail_of_its_source(
    tmp_path: Path, rotation: int, full_range: bool
) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    make_clip(source, size=(320, 192), count=2, rotation=rotation, full_range=full_range)

    assert run_edit([source, target, *NEGATIVE, "--short-side", "96"], Recording()) == 0

    before, after = decode(source)[0], decode(target)[0]
    small = before.reformat(160, 96, interpolation=Interpolation.AREA)
    enlarged = small.reformat(320, 192, interpolation=Interpolation.BICUBIC)
    exact, blurred = 255 - rgb([before]), 255 - rgb([enlarged])
    assert psnr_db(exact, rgb([after])) > psnr_db(exact, blurred) + 4


def test_an_odd_size_grows_by_a_line(tmp_path: Path) -> None:
    source, target = tmp_path / "in.gif", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        video = container.add_stream("gif", rate=10)
        video.width, video.height, video.pix_fmt = 101, 75, "rgb8"
        for _ in range(3):
            blank = np.full((75, 101, 3), 200, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(blank, format="rgb24")))
        container.mux(video.encode(None))

    assert run_edit([source, target, *NEGATIVE], Recording()) == 0

    after = decode(target)
    assert (len(after), after[0].width, after[0].height) == (3, 102, 76)
    assert abs(rgb(after).astype(float).mean() - 55) < 6


def test_decoding_editing_and_encoding_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = make_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    read, write, step = VideoSource.read, VideoSink.write, Recording.step
    # Passed by three at once or not at all: a frame being read, an earlier one edited, one before that written.
    together = threading.Barrier(3, timeout=10)

    def read_together(opened: VideoSource, size: tuple[int, int]) -> Iterator[Item]:
        pictures = 0
        for item in read(opened, size):
            pictures += isinstance(item, Picture)
            if pictures == 5 and isinstance(item, Picture):
                together.wait()
            yield item

    def write_together(sink: VideoSink, item: Item) -> None:
        if isinstance(item, Picture):
            if not written:
                together.wait()
            written.append(item)
        write(sink, item)

    def step_together(editor: Recording, requests: Sequence[EditRequest]) -> list[EditResult]:
        if editor.calls == 2:
            together.wait()
        return step(editor, requests)

    written: list[Picture] = []
    monkeypatch.setattr(VideoSource, "read", read_together)
    monkeypatch.setattr(VideoSink, "write", write_together)
    monkeypatch.setattr(Recording, "step", step_together)

    assert run_edit([source, target, *NEGATIVE], Recording()) == 0


def test_an_unknown_instruction_is_refused_with_its_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = make_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"

    assert run_edit([source, target, "--instruction", "gibberish", "--quiet"], Recording()) == 2

    assert not target.exists()
    assert capsys.readouterr().err == (
        'afterimage edit: "gibberish" is unlike anything inverting was taught;'
        ' nearest: "invert the colours"\n'
    )


def test_of_a_half_known_instruction_the_half_that_is_done_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = make_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"

    wish = "invert it and gibberish"
    assert run_edit([source, target, "--instruction", wish, "--quiet"], Recording()) == 0

    assert capsys.readouterr().err == (
        'afterimage edit: of "invert it and gibberish" only this is done: Negative; the rest is unlike anything'
        ' inverting was taught; nearest: "invert the colours"\n'
    )


def test_what_cannot_be_done_beside_other_edits_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = make_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"

    wish = "invert it and do a third edit"
    assert run_edit([source, target, "--instruction", wish, "--quiet"], Recording()) == 0

    assert capsys.readouterr().err == (
        'afterimage edit: of "invert it and do a third edit" only this is done: Negative;'
        " snow cannot be done beside it\n"
    )


def test_overwrite_replaces_the_target(tmp_path: Path) -> None:
    source, target = make_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    target.write_text("an older edit")

    assert run_edit([source, target, *NEGATIVE, "--overwrite"], Recording()) == 0

    assert len(decode(target)) == 24


def test_progress_is_lines_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_clip(tmp_path / "in.mp4")

    assert run_edit([source, tmp_path / "out.mp4", *NEGATIVE], Recording()) == 0

    printed = capsys.readouterr()
    assert re.fullmatch(r"24 frames edited in \d+\.\d s\n", printed.err)
    assert printed.out == ""


def test_progress_is_a_bar_on_a_terminal(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4")
    terminal, end = pty.openpty()

    process = start_edit([source, tmp_path / "out.mp4", *NEGATIVE], stderr=end)
    os.close(end)
    shown = read_terminal(terminal)

    assert process.wait(60) == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert "24/24 frames" in shown
    assert "fps" in shown


# Files that cannot be used.

Spoiled = Callable[[Path], Path]


def a_text_file(folder: Path) -> Path:
    path = folder / "in.mp4"
    path.write_text("these are words\n" * 500)
    return path


def a_text_file_named_so(folder: Path) -> Path:
    path = folder / "in.txt"
    path.write_text("these are words\n" * 500)
    return path


def an_empty_file(folder: Path) -> Path:
    path = folder / "in.mp4"
    path.touch()
    return path


def a_folder(folder: Path) -> Path:
    path = folder / "in"
    path.mkdir()
    return path


def cut_before_its_index(folder: Path) -> Path:
    return cut(make_clip(folder / "in.mp4", movflags=""))


def cut_after_its_index(folder: Path) -> Path:
    return cut(make_clip(folder / "in.mp4", sounds=()))


def cut_in_a_cluster(folder: Path) -> Path:
    return cut(make_clip(folder / "in.mkv", count=96))


def damaged_in_the_middle(folder: Path) -> Path:
    path = make_clip(folder / "in.mp4", sounds=())
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        sizes = [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]
    for position, size in sizes[8:16]:
        content[position : position + size] = b"\xff" * size
    path.write_bytes(content)
    return path


def sound_alone(folder: Path) -> Path:
    path = folder / "in.mkv"
    with av.open(str(make_clip(folder / "clip.mkv"))) as clip, av.open(str(path), "w") as container:
        sound = clip.streams.audio[0]
        copied = container.add_stream_from_template(sound)
        for packet in clip.demux(sound):
            if packet.dts is not None:
                packet.stream = copied
                container.mux(packet)
    (folder / "clip.mkv").unlink()
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    return path


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (a_text_file, "is no video that can be read, or is cut short"),
        (a_text_file_named_so, "is no video that can be read"),
        (an_empty_file, "is no video that can be read"),
        (a_folder, "Is a directory"),
        (cut_before_its_index, "is no video that can be read, or is cut short"),
        (cut_after_its_index, r"is cut short: it ends after frame \d+ of 24"),
        (cut_in_a_cluster, r"is cut short: it ends after frame \d+"),
        (damaged_in_the_middle, r"is damaged at frame \d+"),
        (sound_alone, "holds sound but no pictures"),
    ],
)
def test_a_file_that_is_no_whole_video_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Spoiled, says: str
) -> None:
    source = spoil(tmp_path)
    before = sorted(tmp_path.iterdir())

    assert run_edit([source, tmp_path / "out.mp4", *NEGATIVE, "--quiet"], Recording()) == 2

    printed = capsys.readouterr().err
    assert re.search(says, printed)
    assert printed.startswith("afterimage edit: ")
    assert printed.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("missing.mp4", "out.mp4"), "missing.mp4 does not exist"),
        (("in.mp4", "kept.mp4"), "kept.mp4 exists already; --overwrite replaces it"),
        (("in.mp4", "in.mp4", "--overwrite"), "are the same file"),
        (("in.mp4", "link.mp4", "--overwrite"), "are the same file"),
        (("in.mp4", "nowhere/out.mp4"), "nowhere does not exist"),
        (("in.mp4", "out.webm"), "its name must end with one of .mp4, .m4v, .mov, .mkv"),
        (("in.mp4", "folder.mp4"), "folder.mp4 is a folder"),
    ],
)
def test_names_that_cannot_be_used_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, ...], says: str
) -> None:
    make_clip(tmp_path / "in.mp4")
    (tmp_path / "kept.mp4").write_text("kept")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "in.mp4")
    (tmp_path / "folder.mp4").mkdir()
    before = sorted(tmp_path.iterdir())

    source, target, *options = names
    assert run_edit([tmp_path / source, tmp_path / target, *NEGATIVE, *options], Recording()) == 2

    printed = capsys.readouterr().err
    assert says in printed
    assert printed.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "kept.mp4").read_text() == "kept"


def test_an_empty_instruction_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_clip(tmp_path / "in.mp4")

    assert run_edit([source, tmp_path / "out.mp4", "--instruction", "  "], Recording()) == 2

    assert capsys.readouterr().err == "afterimage edit: an instruction needs words\n"
    assert list(tmp_path.iterdir()) == [source]


def test_a_model_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_clip(tmp_path / "in.mp4")

    def refuse(_: object) -> None:
        raise ModelError("no model 'other'")

    assert main([str(source), str(tmp_path / "out.mp4"), *NEGATIVE], refuse) == 2  # type: ignore[arg-type]

    assert capsys.readouterr().err == "afterimage edit: no model 'other'\n"


def test_a_folder_without_an_engine_that_fits_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, model, engines = make_clip(tmp_path / "in.mp4", count=2), tmp_path / "small", tmp_path / "engines"
    write_small_model(model)
    how = [
        "--compiler",
        "onnxruntime",
        "--model",
        str(model),
        "--engines",
        str(engines),
        "--short-side",
        "64",
    ]
    assert main([str(source), str(tmp_path / "out.mp4"), "--instruction", "sepia", "--quiet", *how]) == 0

    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == [f"no engine in {engines} fits: they are built now, and kept there"]
    assert len(list(engines.iterdir())) == 3


def test_a_file_in_the_place_of_engines_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_clip(tmp_path / "in.mp4", count=2)

    assert main([str(source), str(tmp_path / "out.mp4"), *NEGATIVE, "--engines", str(source)]) == 2

    assert capsys.readouterr().err == f"afterimage edit: {source} is a file, not a folder of engines\n"


def test_engines_made_ahead_are_taken_from_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model, engines = write_small_model(tmp_path / "small"), tmp_path / "engines"
    how = ["--compiler", "openvino", "--precision", "float32"]
    assert compile_main([str(model), *how, "--sizes", "96x64", "--out", str(engines)]) == 0
    made = {path: path.stat().st_mtime_ns for path in engines.rglob("*") if path.is_file()}
    source, target = make_clip(tmp_path / "in.mp4", count=3), tmp_path / "out.mp4"

    where = ["--model", str(model), "--engines", str(engines), "--short-side", "64"]
    assert main([str(source), str(target), "--instruction", "sepia", "--quiet", *how, *where]) == 0

    assert "no engine in" not in caplog.text
    assert made
    assert {path: path.stat().st_mtime_ns for path in engines.rglob("*") if path.is_file()} == made
    assert not (tmp_path / "cache" / "afterimage" / "engines").exists()


def test_a_precision_that_the_compiler_lacks_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, model = make_clip(tmp_path / "in.mp4", count=2), write_small_model(tmp_path / "small")
    how = ("--model", str(model), "--compiler", "onnxruntime", "--precision", "bfloat16")

    assert main([str(source), str(tmp_path / "out.mp4"), *NEGATIVE, *how]) == 2

    said = "afterimage edit: compiler onnxruntime computes in float32, not in bfloat16\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--strength", "2", "'2' is not a number from 0 to 1"),
        ("--strength", "half", "'half' is not a number from 0 to 1"),
        ("--short-side", "100", "'100' is not a multiple of 16 of at least 64"),
        ("--short-side", "large", "'large' is not a multiple of 16 of at least 64"),
        ("--steps", "0", "'0' is not a whole number of at least 1"),
        ("--steps", "few", "'few' is not a whole number of at least 1"),
        ("--precision", "int4", "invalid choice: 'int4'"),
    ],
)
def test_options_out_of_range_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, says: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "in.mp4"), str(tmp_path / "out.mp4"), *NEGATIVE, option, value])

    assert stopped.value.code == 2
    assert f"argument {option}: {says}" in capsys.readouterr().err


# What may happen on the way.


def test_a_full_disk_leaves_what_was_there(full_soon: Path) -> None:
    source = make_clip(full_soon / "in.mp4", size=(640, 360), count=48, sounds=())
    target = full_soon / "out.mp4"
    target.write_text("an older edit")
    filler = full_soon / "filler"
    free = os.statvfs(full_soon).f_bavail * os.statvfs(full_soon).f_frsize
    filler.write_bytes(bytes(free - 50_000))

    process = start_edit([source, target, *NEGATIVE, "--overwrite", "--quiet"])
    _, printed = process.communicate(timeout=60)

    assert process.returncode == 2
    assert printed == f"afterimage edit: cannot write into {full_soon}: no space left on the disk\n"
    assert target.read_text() == "an older edit"
    assert sorted(full_soon.iterdir()) == sorted([source, target, filler])


def test_a_limit_on_file_size_is_told_in_one_line(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", size=(640, 360), count=48, sounds=())

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    process = start_edit([source, tmp_path / "out.mp4", *NEGATIVE, "--quiet"], before=limit)
    _, printed = process.communicate(timeout=60)

    assert process.returncode == 2
    assert printed == f"afterimage edit: cannot write into {tmp_path}: File too large\n"
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing_half_written(tmp_path: Path, number: signal.Signals) -> None:
    source, target = make_clip(tmp_path / "in.mp4", count=48), tmp_path / "out.mp4"

    process = start_edit([source, target, *NEGATIVE], delay_s=0.5)
    wait_until(lambda: any(path.name.startswith(".out") for path in tmp_path.iterdir()))
    process.send_signal(number)
    _, printed = process.communicate(timeout=20)

    assert process.returncode == 130
    assert printed.splitlines()[-1] == f"afterimage edit: interrupted, {target} was not written"
    assert list(tmp_path.iterdir()) == [source]


@pytest.fixture
def full_soon(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    with small_disk(tmp_path, "4m", "the limit on file size") as disk:
        yield disk


def start_edit(
    arguments: list[object],
    *,
    delay_s: float = 0.0,
    stderr: int = subprocess.PIPE,
    before: Callable[[], None] | None = None,
) -> "subprocess.Popen[str]":
    """The command in a process of its own."""
    command = [sys.executable, "-m", "tests.server.inverting", str(delay_s), *map(str, arguments)]
    return subprocess.Popen(command, stderr=stderr, text=True, preexec_fn=before)


def read_terminal(terminal: int) -> str:
    """All that a process writes to a terminal until it ends."""
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            # Linux reports the end of a terminal's last writer as an input error.
            return shown.decode()
        if not part:
            return shown.decode()
        shown += part


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def decode(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def rgb(frames: list[av.VideoFrame]) -> NDArray[np.uint8]:
    """(N, H, W, 3), converted as the frames' labels say."""
    exactly = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    return np.stack([frame.reformat(format="rgb24", interpolation=exactly).to_ndarray() for frame in frames])


def psnr_db(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    error = float(np.mean((a.astype(float) - b.astype(float)) ** 2))
    return 10 * np.log10(255**2 / error) if error else float("inf")


def sound_packets(path: Path) -> list[list[tuple[Fraction, bytes]]]:
    """Each sound stream's packets: time in seconds, content."""
    with av.open(str(path)) as container:
        packets: dict[int, list[tuple[Fraction, bytes]]] = {s.index: [] for s in container.streams.audio}
        for packet in container.demux(*container.streams.audio):
            if packet.pts is not None:
                packets[packet.stream.index].append((packet.pts * packet.time_base, bytes(packet)))
    return list(packets.values())


def loudest_hz(path: Path, stream: int) -> float:
    """The strongest frequency of a sound stream's first channel."""
    with av.open(str(path)) as container:
        wave = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=stream)])
    spectrum = np.abs(np.fft.rfft(wave))
    return float(np.argmax(spectrum) * SOUND_RATE / len(wave))


def start_s(stream: av.VideoStream | av.AudioStream) -> float:
    assert stream.start_time is not None
    assert stream.time_base is not None
    return float(stream.start_time * stream.time_base)


def end_of_pictures(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert video.duration is not None
        assert video.time_base is not None
        return video.duration * video.time_base
