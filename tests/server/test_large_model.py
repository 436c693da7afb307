"""The live path with a large backbone's own formats, small and random."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engines.editor import EditRequest, EditResult
from engines.pretrained.convert import Conversion, convert
from server.engine import LiveEditor, load_warm_editor
from tests.engines.stock import save_instruct_pix2pix, save_sd35
from tests.server.conftest import StartServer, until


@pytest.fixture(scope="module")
def rfdm15(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    stock = save_instruct_pix2pix(folder / "stock")
    convert(Conversion(stock, folder / "rfdm1.5", made_from="stock"))
    return folder / "rfdm1.5"


async def test_a_session_is_edited_by_rfdm15(start_server: StartServer, rfdm15: Path) -> None:
    def load() -> LiveEditor:
        return load_warm_editor(str(rfdm15), "eager", "cpu", 1, 64)

    server = await start_server(load=load, model=str(rfdm15), edit_short_side=64, show_short_side=0)
    await server.service.engine.settled()
    assert server.service.engine.failure is None
    async with server.visitor(size=(160, 120)) as visitor:
        await visitor.connect(instruction="a comic of 1950")
        await until(lambda: any(said["type"] == "receipt" for said in visitor.said), timeout_s=60)
        picture = await visitor.sees(5)
        stats = await visitor.stats()
        async with server.http() as http:
            (model,) = (await http.get("/v1/models")).json()
            asked = [{"model": name} for name in (model["name"], str(rfdm15), "rfdm3.5")]
            answers = [(await http.post("/v1/sessions", json=each)).status_code for each in asked]

    assert picture.shape == (64, 80, 3)
    assert stats["frames"]["edited"] > 0
    assert stats["model"] == "rfdm1.5"
    assert answers == [201, 201, 422]
    assert (stats["compiler"], stats["device"], stats["steps"]) == ("eager", "cpu", 1)
    assert not [said for said in visitor.said if said["type"] == "warning"]
    assert (model["name"], model["loaded"], model["families"]) == ("rfdm1.5", True, [])


async def test_people_share_rfdm15_each_with_an_edit_of_their_own(
    start_server: StartServer, rfdm15: Path
) -> None:
    """Batches of sessions that differ in camera, codec and instruction, whose people come and go."""
    batches: list[int] = []

    def load() -> LiveEditor:
        editor = load_warm_editor(str(rfdm15), "eager", "cpu", 1, 64)
        step = editor.step

        def noted(requests: Sequence[EditRequest]) -> list[EditResult]:
            batches.append(len(requests))
            return step(requests)

        editor.step = noted  # type: ignore[method-assign]
        return editor

    server = await start_server(
        load=load, model=str(rfdm15), edit_short_side=64, show_short_side=0, max_batch=4
    )
    await server.service.engine.settled()
    texts = ("a comic of 1950", "heavy snow", "a watercolour")
    async with (
        server.visitor(colour=(230, 30, 30), size=(160, 120)) as first,
        server.visitor(colour=(30, 230, 30), size=(160, 120), codec="H264") as second,
    ):
        async with server.visitor(colour=(30, 30, 230), size=(160, 120)) as third:
            visitors = (first, second, third)
            await asyncio.gather(
                *(visitor.connect(instruction=text) for visitor, text in zip(visitors, texts, strict=True))
            )
            for visitor, text in zip(visitors, texts, strict=True):
                receipt = await visitor.heard(lambda said: said["type"] == "receipt", timeout_s=60)
                assert receipt["text"] == text
            await asyncio.gather(*(visitor.sees(5) for visitor in visitors))
            memories = [(await visitor.stats())["memory"]["session_bytes"] for visitor in visitors]
        ack = await first.say(type="instruction", text="stained glass")
        receipt = await first.heard(
            lambda said: said.get("instruction_id") == ack["instruction_id"] and said["type"] == "receipt"
        )
        await asyncio.gather(first.sees(5), second.sees(5))
        assert receipt["text"] == "stained glass"
        assert not [said for each in (first, second) for said in each.said if said["type"] == "warning"]
    assert max(batches) > 1
    assert min(memories) > 0


@pytest.mark.parametrize("backbone", ["rfdm1.5", "rfdm3.5"])
def test_streams_edited_together_by_a_large_model_are_edited_as_if_alone(
    backbone: str, rfdm15: Path, tmp_path: Path
) -> None:
    folder = rfdm15 if backbone == "rfdm1.5" else save_sd35(tmp_path / "sd35", with_t5=False)
    editor = load_warm_editor(str(folder), "eager", "cpu", 2, 64)
    texts = ("a comic of 1950", "heavy snow", "a watercolour")
    together, alone = ([editor.open(seed) for seed in range(3)] for _ in range(2))
    generator = np.random.default_rng(0)
    for _ in range(4):
        pictures = generator.integers(0, 256, (3, 64, 80, 3), np.uint8)
        asked = [editor.encode(text) for text in texts]
        batch = [EditRequest(*each) for each in zip(pictures, asked, together, strict=True)]
        edits = editor.step(batch)
        for index, each in enumerate(zip(pictures, asked, alone, strict=True)):
            (expected,) = editor.step([EditRequest(*each)])
            assert int(np.abs(edits[index].picture.astype(int) - expected.picture).max()) <= 1


def test_rfdm35_edits_a_picture_of_its_own_size(tmp_path: Path) -> None:
    editor = load_warm_editor(str(save_sd35(tmp_path / "sd35", with_t5=False)), "eager", "cpu", 2, 64)
    picture = np.zeros((64, 80, 3), np.uint8)
    first, second = editor.encode("make it snow"), editor.encode("make it rain")
    state = editor.open()
    (edited,) = editor.step([EditRequest(picture, first.towards(second, 0.5), state)])

    assert edited.picture.shape == picture.shape
    assert editor.description.evaluations == 6
    assert state.memory is None


async def test_a_model_that_cannot_be_used_ends_the_server_with_one_line(
    start_server: StartServer, tmp_path: Path
) -> None:
    folder = save_sd35(tmp_path / "sd35", with_t5=False)
    (folder / "vae" / "config.json").unlink()
    server = await start_server(
        load=lambda: load_warm_editor(str(folder), "eager", "cpu", None, None), model=str(folder)
    )
    await asyncio.wait_for(server.service.engine.settled(), 60)

    assert server.service.engine.failure == f"{folder / 'vae' / 'config.json'} does not exist"
