"""The page's other ways to a picture, its numbers, and its narrowest screen."""

import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from playwright.async_api import expect
from skimage import data

from benchmarks.live.clip import moving_photograph, to_video
from benchmarks.live.server_process import ServerProcess
from tests.browsers import in_every_browser
from tests.e2e.conftest import Visit
from tests.e2e.offline import Picture

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

GREY, NEGATIVE, SEPIA = "make it black and white", "invert the colours", "give it a sepia tone"

MEASURED = (
    "frames.in",
    "frames.edited",
    "fps.in",
    "fps.out",
    "stages_ms.uplink.p50",
    "stages_ms.decode.p95",
    "stages_ms.wait.p50",
    "stages_ms.edit.p50",
    "stages_ms.encode.p95",
    "stages_ms.downlink.p50",
    "server_ms.p50",
    "server_ms.p95",
    "memory.process_bytes",
    "steps",
    "instruction_apply_ms",
)
"""Everything a machine without a GPU can measure."""

SHOWN = (
    "glass-to-glass",
    "fps-in",
    "fps-out",
    "fps-shown",
    "server-ms",
    "apply-ms",
    "frames-edited",
    "memory",
    "size-camera",
    "size-edited",
    "size-shown",
    "flow-up",
    "flow-down",
    "target",
)


def value(stats: dict[str, Any] | None, path: str) -> object:
    found: Any = stats
    for name in path.split("."):
        found = None if found is None else found.get(name)
    return found


def is_number(found: object) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)


@in_every_browser("visit")
async def test_telemetry_is_numbers(server: ServerProcess, visit: Visit) -> None:
    visitor = await visit(server)
    await visitor.go_live(GREY)

    now = await visitor.until(lambda now: all(is_number(value(now["stats"], path)) for path in MEASURED))
    await visitor.until(lambda now: now["glassToGlass"] and now["downlink"] and now["displayedFps"])

    stats = now["stats"]
    assert all(is_number(count) for count in stats["frames"]["dropped"].values())
    assert stats["size"] == {"in": [320, 240], "edit": [320, 240], "shown": [320, 240]}
    assert stats["model"]
    assert stats["compiler"]
    assert stats["frames"]["edited"] <= stats["frames"]["in"]
    for testid in SHOWN:
        assert re.search(r"\d", await visitor.shown(testid)), testid
    for testid in ("server-ms", "apply-ms"):
        assert re.search(r"\d ms$", await visitor.shown(testid)), testid


@in_every_browser("visit")
async def test_the_demo_clip_works_without_a_camera(server: ServerProcess, visit: Visit) -> None:
    visitor = await visit(server, clip=None)
    await visitor.open()
    await visitor.page.get_by_test_id("first-instruction").fill(GREY)

    await visitor.page.get_by_test_id("use-demo").click()

    now = await visitor.receives(GREY)
    assert now["source"] == "demo"
    await visitor.until(lambda now: now["displayedFps"])
    assert is_grey(await visitor.sees())


@in_every_browser("visit")
async def test_a_dropped_video_file_takes_the_cameras_place(
    server: ServerProcess, visit: Visit, tmp_path: Path
) -> None:
    visitor = await visit(server, clip=None)
    await visitor.open()
    await visitor.page.get_by_test_id("first-instruction").fill(GREY)

    await visitor.drop("cat.webm", "video/webm", webm(tmp_path / "cat.webm"))

    now = await visitor.receives(GREY)
    assert now["source"] == "file"
    assert "cat.webm" in await visitor.shown("source-name")
    assert is_grey(await visitor.sees())


async def test_a_file_that_is_no_video_is_named(inverting: ServerProcess, visit: Visit) -> None:
    visitor = await visit(inverting, clip=None)
    await visitor.open()

    name = f"{'notes' * 40}.mp4"
    await visitor.drop(name, "video/mp4", b"not a video at all")

    assert "does not play" in await visitor.troubled("file-unplayable")
    assert name in await visitor.shown("start-trouble")
    wider = "box => box.scrollWidth - box.clientWidth"
    assert await visitor.page.get_by_test_id("start-trouble").evaluate(wider) == 0


async def test_an_unknown_instruction_offers_the_nearest_known(server: ServerProcess, visit: Visit) -> None:
    visitor = await visit(server)
    await visitor.go_live(GREY)

    await visitor.type("xqv zzbl wrrk")

    await visitor.shown("unknown-instruction")
    seen = (await visitor.until(lambda now: now["stats"]))["stats"]["frames"]["edited"]
    await visitor.until(lambda now: now["stats"]["frames"]["edited"] > seen + 5)
    assert is_grey(await visitor.sees())
    assert [layer["text"] for layer in (await visitor.now())["edits"]["layers"]] == [GREY]
    nearest = visitor.page.get_by_test_id("unknown-instruction").get_by_role("button").first
    text = await nearest.inner_text()
    await nearest.click()
    await visitor.receives(text)
    await visitor.page.get_by_test_id("unknown-instruction").wait_for(state="hidden")


@in_every_browser("visit")
async def test_freezing_holds_the_picture(server: ServerProcess, visit: Visit) -> None:
    visitor = await visit(server)
    await visitor.go_live(NEGATIVE)

    await visitor.page.get_by_test_id("freeze").click()
    frozen = await visitor.until(
        lambda now: now["state"] == "frozen" and now["stats"]["frames"]["dropped"]["frozen"]
    )
    held = frozen["stats"]["frames"]["edited"]
    later = await visitor.until(lambda now: now["stats"]["frames"]["dropped"]["frozen"] > 10)
    assert later["stats"]["frames"]["edited"] <= held + 2

    await visitor.page.get_by_test_id("freeze").click()
    await visitor.until(lambda now: now["state"] == "live" and now["stats"]["frames"]["edited"] > held + 5)


@pytest.mark.parametrize("width", [320, 390])
async def test_a_phone_shows_the_page_without_scrolling_sideways(
    server: ServerProcess, visit: Visit, width: int
) -> None:
    visitor = await visit(
        server,
        viewport={"width": width, "height": 740},
        is_mobile=True,
        has_touch=True,
        device_scale_factor=2,
    )
    await visitor.open()
    await visitor.shown("start")
    assert await visitor.overflow_px() <= 0

    await visitor.go_live(GREY)

    await visitor.shown("edited-video")
    assert await visitor.overflow_px() <= 0
    box = await visitor.page.get_by_test_id("edited-video").bounding_box()
    assert box is not None
    assert box["width"] > 0.8 * width


async def test_a_phone_does_not_scroll_sideways_while_the_server_is_looked_for(
    server: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(server, viewport={"width": 320, "height": 740}, is_mobile=True, has_touch=True)
    # Never answered: what is said meanwhile stays.
    await visitor.page.route("**/readyz", lambda route: None)
    await visitor.open()
    await visitor.shown("start")

    assert "Looking" in await visitor.page.get_by_test_id("server-status").inner_text()
    assert await visitor.overflow_px() <= 0


async def test_a_touch_presses_nothing_that_the_full_screen_has_hidden(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting, viewport={"width": 390, "height": 740}, is_mobile=True, has_touch=True)
    await visitor.go_live(NEGATIVE)
    page = visitor.page
    mirror = page.get_by_test_id("mirror")
    before = await mirror.get_attribute("aria-pressed")
    await page.get_by_test_id("fullscreen").tap()
    await page.locator("#studio.idle:fullscreen").wait_for()
    box = await mirror.bounding_box()
    assert box is not None

    await page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    await page.locator("#studio:not(.idle):fullscreen").wait_for()
    assert await mirror.get_attribute("aria-pressed") == before


async def test_stopping_raises_no_keyboard_on_a_phone(inverting: ServerProcess, visit: Visit) -> None:
    visitor = await visit(inverting, viewport={"width": 390, "height": 740}, is_mobile=True, has_touch=True)
    await visitor.go_live(NEGATIVE)
    await visitor.page.get_by_test_id("leave").tap()
    await visitor.shown("start")
    await expect(visitor.page.locator("#main")).to_be_focused()


async def test_the_picture_comes_into_sight_however_far_down_its_button_was(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting, viewport={"width": 740, "height": 360}, has_touch=True, is_mobile=True)
    await visitor.open()
    await visitor.page.get_by_test_id("use-demo").click()
    await visitor.until(lambda now: now["state"] == "live")
    assert await visitor.page.evaluate("scrollY") == 0


async def test_a_visit_begins_with_nothing_of_the_last_ones_words(
    inverting: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(inverting)
    await visitor.go_live(NEGATIVE)
    await visitor.type("invert it again")
    await visitor.page.get_by_test_id("leave").click()
    await visitor.page.get_by_test_id("use-demo").click()
    await expect(visitor.page.get_by_test_id("instruction")).to_have_value("")


async def test_from_the_demo_clip_to_the_only_camera_and_back(inverting: ServerProcess, visit: Visit) -> None:
    visitor = await visit(inverting)
    await visitor.go_live(NEGATIVE, source="demo")
    await visitor.page.get_by_test_id("live-use-camera").click()
    await visitor.until(lambda now: now["source"] == "camera")
    await visitor.page.get_by_test_id("live-demo").click()
    await visitor.until(lambda now: now["source"] == "demo")


def is_grey(picture: Picture) -> bool:
    """Whether there is something to see, and its channels hardly differ."""
    values = picture.astype(np.float32)
    return bool(values.std() > 15 and (values.max(-1) - values.min(-1)).mean() < 12)


def webm(path: Path) -> bytes:
    """A short real clip as every Chromium plays it."""
    photograph: Picture = data.chelsea()  # type: ignore[no-untyped-call]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=30, options={"deadline": "realtime", "cpu-used": "8"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.bit_rate = 1_500_000
        for number, picture in enumerate(moving_photograph(photograph, 30, 320, 240)):
            frame = to_video(picture)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()
