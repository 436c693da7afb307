"""The live path with the real `Editor`: an untrained one of a few channels, and the shipped one."""

import asyncio

import numpy as np
import pytest
import torch

from engines.compilers.eager import EagerCompiler
from engines.editor import Editor
from engines.flow import flow_levels
from engines.model import SHIPPED_MODELS
from engines.program import Direct, FrameProgram
from server.engine import LiveEditor, load_warm_editor
from tests.engines.compilers.gated import GatedCompiler, frame_program
from tests.engines.streams import small_parts
from tests.server.conftest import StartServer, until

SHIPPED = (SHIPPED_MODELS / "rfdm-tiny" / "model_index.json").is_file()


def untrained() -> LiveEditor:
    parts = small_parts()
    program = FrameProgram(Direct(parts.denoiser), parts.codec, flow_levels(1))
    return Editor(parts, program, EagerCompiler(program, torch.device("cpu"), torch.float32), "cpu")


async def test_two_sessions_are_edited_by_one_real_editor(start_server: StartServer) -> None:
    server = await start_server(load=untrained, edit_short_side=64, max_batch=2)
    await server.service.engine.settled()
    async with server.visitor(size=(160, 120)) as one, server.visitor(size=(160, 120), codec="H264") as other:
        await asyncio.gather(one.connect(instruction="sepia"), other.connect(instruction="fog"))
        await asyncio.gather(one.sees(10), other.sees(10))
        assert one.pictures[-1].shape == (120, 160, 3)
        one.camera.size = (120, 160)
        await until(lambda: one.pictures[-1].shape == (160, 120, 3))
        for visitor in (one, other):
            stats = await visitor.stats()
            assert stats["frames"]["edited"] > 5, (stats, visitor.said)
            assert (stats["compiler"], stats["device"], stats["steps"]) == ("eager", "cpu", 1)
            assert not [said for said in visitor.said if said["type"] == "warning"]


@pytest.mark.skipif(not SHIPPED, reason="the model is not in this checkout")
async def test_the_shipped_model_makes_a_live_picture_black_and_white(start_server: StartServer) -> None:
    def load() -> LiveEditor:
        return load_warm_editor("rfdm-tiny", "auto", "cpu", 1, 128)

    server = await start_server(load=load, model="rfdm-tiny", edit_short_side=128)
    await server.service.engine.settled()
    assert server.service.engine.failure is None
    async with server.visitor(colour=(200, 60, 60)) as visitor:
        await visitor.connect()
        coloured = await visitor.sees()
        assert np.ptp(coloured.mean((0, 1))) > 100
        ack = await visitor.say(type="instruction", text="make it black and white")
        assert ack["known"] is True
        await visitor.heard(lambda said: said["type"] == "receipt")
        picture = await visitor.sees(5)
        assert np.ptp(picture.mean((0, 1))) < 20
        ack = await visitor.say(type="instruction", text="sharpen")
        assert (ack["known"], ack["edits"]) == (True, ["sharpen"])


async def test_a_build_behind_the_frames_is_told_and_its_swap_shows(start_server: StartServer) -> None:
    compiler = GatedCompiler()
    compiler.patience_s = 0.0
    program = frame_program()
    server = await start_server(
        load=lambda: Editor(small_parts(), program, compiler, "cpu"), edit_short_side=64, show_short_side=0
    )
    await server.service.engine.settled()
    async with server.visitor(size=(160, 120)) as visitor:
        await visitor.connect(instruction="sepia")
        await visitor.sees(5)
        stats = await visitor.stats()
        assert stats["compiler"] == "eager"
        assert stats["build"]["compiler"] == "openvino"
        assert (stats["build"]["phase"], stats["build"]["progress"]) == ("tuning", 0.25)
        assert stats["memory"]["session_bytes"] > 0
        async with server.http() as http:
            metrics = (await http.get("/metrics")).text
        assert 'afterimage_build_progress{compiler="openvino"} 0.25' in metrics
        assert 'afterimage_model_bytes{kind="weights"}' in metrics
        assert "afterimage_session_bytes{" in metrics

        compiler.gate.set()
        async with asyncio.timeout(60):
            while (stats := await visitor.stats())["compiler"] != "openvino":
                await asyncio.sleep(0.1)
        assert stats["build"] is None
        assert stats["memory"]["weights_bytes"] == 1000
