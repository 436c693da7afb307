"""What edits, while it is being built, and what lies on the way there and back."""

import sys

import pytest
from playwright.async_api import expect

from benchmarks.live.server_process import ServerProcess
from tests.e2e.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BUILDING = (sys.executable, "-m", "tests.server.building_server")


async def test_a_build_behind_the_frames_is_shown_until_it_takes_over(visit: Visit) -> None:
    with ServerProcess(program=BUILDING) as server:
        visitor = await visit(server)
        await visitor.go_live("invert the colours")
        page = visitor.page
        build, runs_on = page.get_by_test_id("build"), page.get_by_test_id("runs-on")

        await expect(build).to_contain_text("Building inductor for 320 ")
        await expect(build).to_contain_text("Timing kernels, about 42 s left. eager edits meanwhile.")
        await expect(build.locator("progress")).to_have_js_property("value", 0.426)
        await expect(runs_on).to_have_text("eager · uint8 · cpu")

        await visitor.type("it is built")

        await expect(page.get_by_test_id("swap")).to_contain_text("inductor took over from eager ")
        await expect(build).to_be_hidden()
        await expect(runs_on).to_have_text("inductor · uint8 · cpu")

        await expect(page.get_by_test_id("decoder")).to_have_text("libvpx · software")
        await expect(page.get_by_test_id("encoder")).to_have_text("libvpx · software")
        await expect(page.get_by_test_id("path")).to_contain_text("direct · UDP")
        await expect(page.get_by_test_id("flow-down")).to_contain_text("bit/s")
