"""Takes rendered again; one of the shipped model, recorded live until its server was killed."""

import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import av
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from benchmarks.live.server_process import ServerProcess
from benchmarks.upsampling import exact_edit
from engines.conditioning import Conditioning
from engines.model import SHIPPED_MODELS
from server.engine import LiveEditor
from server.files.command import main
from server.files.replay import Score, replayed
from server.files.source import Picture as Shown
from server.recording.log import EditsLine, LoggedLayer, TakeLine, edits_line, now, write_line
from server.session.layer import Edits, Layer
from tests.server.client import Camera, Visitor
from tests.server.clips import make_clip
from tests.server.fakes import InvertingEditor
from tests.server.inverting import Recording, run_edit

SIZE = (320, 240)
PATIENCE_S = 60.0
FAMILIES = {"make it sepia": "sepia", "turn it into a thermal camera picture": "thermal"}

SHIPPED = (SHIPPED_MODELS / "rfdm-tiny" / "model_index.json").is_file()

Picture = NDArray[np.uint8]


class MovingCamera(Camera):
    """A window that moves over scikit-image's portrait."""

    async def recv(self) -> av.VideoFrame:
        plain = await super().recv()
        portrait: Picture = data.astronaut()  # type: ignore[no-untyped-call]
        width, height = self.size
        left = self._pts // 9000 % (portrait.shape[1] - width)
        seen = np.ascontiguousarray(portrait[left : left + height, left : left + width])
        frame = av.VideoFrame.from_ndarray(seen, format="rgb24")
        frame.pts, frame.time_base = plain.pts, plain.time_base
        return frame


def played(path: Path) -> dict[int, Picture]:
    """A movie's pictures by their times in milliseconds, all at the camera's size."""
    with av.open(str(path)) as movie:
        return {
            round(1000 * float(frame.time or 0.0)): cast(Picture, frame.reformat(*SIZE, "rgb24").to_ndarray())
            for frame in movie.decode(video=0)
        }


def psnr_db(picture: Picture, target: Picture) -> float:
    error = np.square(picture.astype(np.float32) - target).mean() / 255**2
    return float(-10 * np.log10(error + 1e-10))


def asked_at(log: list[dict[str, Any]], time_ms: int) -> str | None:
    """The family that a take's log asks for at a time; None for the camera's own picture."""
    line = [line for line in log if line["type"] == "edits" and round(1000 * line["time_s"]) <= time_ms][-1]
    if line["bypassed"] or not line["layers"]:
        return None
    return FAMILIES[line["layers"][-1]["text"]]


def closest(picture: Picture, source: Picture) -> tuple[str | None, float]:
    """What a picture shows of its source, and how near it is to that edit's exact target in dB."""
    targets: dict[str | None, Callable[[], Picture]] = {
        None: lambda: source,
        **{family: partial(exact_edit, family, source) for family in FAMILIES.values()},
    }
    near = {family: psnr_db(picture, target()) for family, target in targets.items()}
    family = max(near, key=lambda family: near[family])
    return family, near[family]


def is_receipt(instruction_id: str, said: dict[str, Any]) -> bool:
    return bool(said["type"] == "receipt" and said["instruction_id"] == instruction_id)


async def record(folder: Path) -> None:
    """A take of two instructions and a bypass at half the model's size; the server is killed while it records."""
    settings = {
        "AFTERIMAGE_DATA": str(folder),
        "AFTERIMAGE_COMPILER": "eager",
        "AFTERIMAGE_EDIT_SHORT_SIDE": "128",
        "AFTERIMAGE_SHOW_SHORT_SIDE": "0",
    }
    server = ServerProcess(settings=settings)
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            visitor = Visitor(http, camera=MovingCamera((0, 0, 0), SIZE, 10.0))

            async def ask(method: str, path: str, **asked: object) -> dict[str, Any]:
                answer = await http.request(
                    method, visitor.url + path, json=asked, headers=visitor.authorization
                )
                assert answer.is_success, answer.text
                told: dict[str, Any] = answer.json()
                return told

            try:
                await visitor.connect(seed=11)
                await visitor.sees(2, PATIENCE_S)
                await ask("POST", "/recordings", original=True)
                await visitor.sees(3, PATIENCE_S)
                for text in FAMILIES:
                    taken = await ask("POST", "/instructions", text=text)
                    assert taken["known"] is True
                    await visitor.heard(partial(is_receipt, taken["instruction_id"]), PATIENCE_S)
                    await visitor.sees(6, PATIENCE_S)
                await ask("PATCH", "", bypassed=True)
                # More than what a killed server may lose.
                await visitor.sees(15, PATIENCE_S)
                server.kill()
            finally:
                await visitor.leave()
    finally:
        server.kill()


@pytest.mark.skipif(not SHIPPED, reason="the model is not in this checkout")
async def test_a_take_is_rendered_again_at_higher_quality(tmp_path: Path) -> None:
    await record(tmp_path)
    (take,) = (tmp_path / "recordings").iterdir()
    log = [json.loads(line) for line in (take / "instructions.jsonl").read_text().splitlines()]
    assert [line["type"] for line in log] == ["take", "edits", "edits", "edits", "edits"]
    assert [line["seed"] for line in log] == [11] * 5
    assert log[0]["edit_size"] == [176, 128]

    assert main(["--replay", str(take), str(tmp_path / "again.mp4"), "--compiler", "eager", "--quiet"]) == 0

    original, live, again = (
        played(path) for path in (take / "original.mp4", take / "edited.mp4", tmp_path / "again.mp4")
    )
    # Every picture of the camera, those included that came while the live editor was busy.
    assert list(again) == list(original)
    assert set(live) <= set(again)
    gains: dict[str | None, list[float]] = {}
    for time_ms, picture in again.items():
        family, near_db = closest(picture, original[time_ms])
        assert family == asked_at(log, time_ms), time_ms
        if time_ms in live:
            live_family, live_db = closest(live[time_ms], original[time_ms])
            assert live_family == family, time_ms
            gains.setdefault(family, []).append(near_db - live_db)
    assert set(gains) == {None, *FAMILIES.values()}
    assert {family: min(each) > 0 for family, each in gains.items()} == dict.fromkeys(gains, True), gains


class RaisingEditor(InvertingEditor):
    """Knows one family, which is enlarged without the source's detail."""

    def encode(self, text: str) -> Conditioning:
        return replace(super().encode(text), family="relief", edits=(("relief", 1.0),))


def make_take(folder: Path, *texts: str, edit_size: tuple[int, int] = (192, 128)) -> Path:
    """A recording of two pictures, 384x256, these instructions asked of both."""
    folder.mkdir()
    make_clip(folder / "original.mp4", count=2, size=(384, 256), sounds=())
    header = TakeLine(
        id="take",
        session_id="session",
        started_at=now(),
        model="/models/inverting",
        model_version="1",
        steps=3,
        seed=7,
        edit_size=edit_size,
        original=True,
    )
    layers = tuple(
        LoggedLayer(instruction_id=f"i{number}", text=text, strength=1.0, enabled=True)
        for number, text in enumerate(texts)
    )
    asked = EditsLine(frame=0, pts=0, time_s=0.0, seed=7, bypassed=False, frozen=False, layers=layers)
    with (folder / "instructions.jsonl").open("wb") as log:
        write_line(log, header)
        write_line(log, asked)
    return folder


def test_what_no_instruction_asked_for_stays_as_it_was_filmed(tmp_path: Path) -> None:
    take = make_take(tmp_path / "take")
    arguments = ["--replay", take, tmp_path / "again.mp4", "--short-side", "64", "--quiet"]
    assert run_edit(arguments, InvertingEditor()) == 0
    original, again = played(take / "original.mp4"), played(tmp_path / "again.mp4")
    assert len(again) == 2
    assert all(psnr_db(again[time_ms], picture) > 38 for time_ms, picture in original.items())


@pytest.mark.parametrize(("editor", "guided"), [(InvertingEditor(), True), (RaisingEditor(), False)])
def test_an_edit_takes_the_sources_detail_where_it_does_live(editor: InvertingEditor, guided: bool) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    item = Shown(pixels, 0, 1, av.VideoFrame(128, 128), pixels)
    layers = (Layer("i", editor.encode("a relief")),)
    score = Score((edits_line(Edits(layers=layers), 0, 0, 0, 0.0),), editor.encode)
    (made,) = replayed([item], editor, score, 0, lambda pts: pts)
    assert isinstance(made, Shown)
    assert (made.is_edited, made.guided) == (True, guided)


@pytest.mark.parametrize(
    ("given", "model", "steps"),
    [
        ((), "/models/inverting", 3),
        (("--steps", "8"), "/models/inverting", 8),
        (("--model", "rfdm1.5"), "rfdm1.5", None),
    ],
)
def test_a_take_is_rendered_by_what_recorded_it_unless_told_otherwise(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    given: tuple[str, ...],
    model: str,
    steps: int | None,
) -> None:
    asked: list[Namespace] = []

    def load(options: Namespace) -> LiveEditor:
        asked.append(options)
        return InvertingEditor()

    take = make_take(tmp_path / "take", "invert")
    assert main(["--replay", str(take), str(tmp_path / "again.mp4"), "--quiet", *given], load) == 0
    assert [(options.model, options.steps) for options in asked] == [(model, steps)]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("recorded", "given", "short_side"),
    [((96, 64), (), 128), ((288, 192), (), 192), ((288, 192), ("--short-side", "64"), 64)],
)
def test_a_take_is_never_rendered_smaller_than_it_was(
    tmp_path: Path, recorded: tuple[int, int], given: tuple[str, ...], short_side: int
) -> None:
    editor = Recording()
    editor.description = replace(InvertingEditor.description, short_side=128)
    take = make_take(tmp_path / "take", "invert", edit_size=recorded)
    assert run_edit(["--replay", take, tmp_path / "again.mp4", "--quiet", *given], editor) == 0
    assert {min(picture.shape[:2]) for picture in editor.pictures} == {short_side}
