"""Presets by a person's clicks: kept, followed, changed, carried elsewhere, and not lost by a slip."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from benchmarks.live.server_process import ServerProcess
from tests.e2e.conftest import INVERTING, Visit
from tests.e2e.visitor import PATIENCE_S, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

GREY, NEGATIVE, SEPIA = "make it black and white", "invert the colours", "give it a sepia tone"

FORMAT = "afterimage-presets"
WRONG_FILES = (
    ("not json", "it is not a JSON file of presets"),
    ('{"name": "a package"}', "it holds no presets of Afterimage"),
    (json.dumps({"format": FORMAT, "version": 2, "presets": []}), "a newer Afterimage wrote it"),
    (json.dumps({"format": FORMAT, "presets": [{"name": "x", "layers": []}]}), "presets.0.layers"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with presets of its own."""
    settings = {"AFTERIMAGE_DATA": str(tmp_path_factory.mktemp("data"))}
    with ServerProcess(settings=settings, program=INVERTING) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(server: ServerProcess, visit: Visit) -> Visitor:
    """Someone with two edits on the stack, and no preset kept."""
    visitor = await visit(server)
    request = visitor.page.request
    for preset in await (await request.get(f"{server.url}/v1/presets")).json():
        await request.delete(f"{server.url}/v1/presets/{preset['id']}")
    visitor.page.set_default_timeout(1000 * PATIENCE_S)
    await visitor.go_live(GREY)
    await visitor.page.get_by_test_id("instruction").fill(NEGATIVE)
    await visitor.page.get_by_test_id("add").click()
    await shows(visitor, GREY, NEGATIVE)
    return visitor


async def test_a_presets_instruction_that_is_not_known_is_told_of_until_another_stack(
    server: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(server)
    page = visitor.page
    layers = [{"text": NEGATIVE}, {"text": "gibberish"}]
    await page.request.post(f"{server.url}/v1/presets", data={"name": "odd", "layers": layers})
    await visitor.go_live(GREY)
    await page.get_by_test_id("preset").select_option(label="odd")
    await page.get_by_test_id("preset-apply").click()
    unknown = page.get_by_test_id("unknown-instruction")
    await expect(unknown).to_contain_text("“gibberish” is unlike anything the model was taught")
    await expect(unknown.get_by_role("button")).to_have_text([NEGATIVE])
    await page.get_by_test_id("undo").click()
    await expect(unknown).to_be_hidden()


async def test_presets_that_could_not_be_asked_for_come_with_the_connection(
    server: ServerProcess, visit: Visit
) -> None:
    visitor = await visit(server)
    await visitor.page.route("**/v1/presets", lambda route: route.abort(), times=1)
    await visitor.go_live(GREY)
    await expect(visitor.page.get_by_test_id("preset").get_by_role("option")).not_to_have_count(0)
    await expect(visitor.page.get_by_test_id("preset-note")).to_be_hidden()


async def test_a_stack_is_kept_listed_and_followed(visitor: Visitor) -> None:
    page = visitor.page
    await name(page, "save", "Noir")
    await told(page, "Saved as “Noir”.")
    await listed(page, "Noir")
    await visitor.type(SEPIA)
    await shows(visitor, SEPIA)

    await page.get_by_test_id("preset-apply").click()

    await shows(visitor, GREY, NEGATIVE)


async def test_a_name_that_is_taken_is_replaced_only_when_asked(visitor: Visitor) -> None:
    page = visitor.page
    await name(page, "save", "Noir")
    await told(page, "Saved as “Noir”.")
    await visitor.type(SEPIA)
    await shows(visitor, SEPIA)

    await name(page, "save", "NOIR")
    await told(page, "There is a preset “Noir” already. Replace it")
    assert await kept(page) == {"Noir": [GREY, NEGATIVE]}
    await page.get_by_role("button", name="Replace it").click()
    await told(page, "“Noir” is now what shows. Undo")
    assert await kept(page) == {"Noir": [SEPIA]}
    await page.get_by_test_id("preset-note").get_by_role("button", name="Undo").click()
    await told(page, "“Noir” is as it was.")
    assert await kept(page) == {"Noir": [GREY, NEGATIVE]}

    await name(page, "rename", "Film")
    await told(page, "Renamed to “Film”.")
    assert await kept(page) == {"Film": [GREY, NEGATIVE]}


async def test_presets_are_deleted_exported_and_imported(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.page
    await name(page, "save", "Noir")
    await listed(page, "Noir")
    async with page.expect_download() as downloading:
        await page.get_by_test_id("preset-export").click()
    download = await downloading.value
    assert download.suggested_filename == "afterimage-presets.json"
    carried = tmp_path / "carried.json"
    await download.save_as(carried)

    await page.get_by_test_id("preset-remove").click()
    await told(page, "Deleted “Noir”. Undo")
    await listed(page)
    await page.get_by_test_id("preset-note").get_by_role("button", name="Undo").click()
    await listed(page, "Noir")
    await page.get_by_test_id("preset-remove").click()
    await listed(page)

    await page.get_by_test_id("preset-file").set_input_files(carried)
    await told(page, "Imported “carried.json”: 1 new.")
    await page.get_by_test_id("preset-file").set_input_files(carried)
    await told(page, "Imported “carried.json”: 1 left alone, as its name is taken. Replace it")
    assert await kept(page) == {"Noir": [GREY, NEGATIVE]}


async def test_a_file_that_is_no_presets_is_named_and_changes_nothing(
    visitor: Visitor, tmp_path: Path
) -> None:
    page = visitor.page
    await name(page, "save", "Noir")
    await listed(page, "Noir")
    wrong = tmp_path / "wrong.json"
    for content, complaint in WRONG_FILES:
        wrong.write_text(content, encoding="utf-8")
        await page.get_by_test_id("preset-file").set_input_files(wrong)
        note = page.get_by_test_id("preset-note")
        await expect(note).to_contain_text(complaint)
        await expect(note).to_contain_text("“wrong.json” was not imported: ")

    assert await kept(page) == {"Noir": [GREY, NEGATIVE]}
    await listed(page, "Noir")
    await shows(visitor, GREY, NEGATIVE)


async def test_escape_gives_up_naming_and_returns_to_the_button(visitor: Visitor) -> None:
    page = visitor.page
    await page.get_by_test_id("preset-save").click()
    await page.get_by_test_id("preset-name").fill("No")
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("preset-name")).to_be_hidden()
    await expect(page.get_by_test_id("preset-save")).to_be_focused()
    await listed(page)


async def name(page: Page, button: str, words: str) -> None:
    await page.get_by_test_id(f"preset-{button}").click()
    await page.get_by_test_id("preset-name").fill(words)
    await page.keyboard.press("Enter")


async def told(page: Page, words: str) -> None:
    await expect(page.get_by_test_id("preset-note")).to_have_text(words)


async def listed(page: Page, *names: str) -> None:
    """Wait until these are on the menu, after its first line."""
    options = page.get_by_test_id("preset").locator("option")
    await expect(options).to_have_text(["Choose…" if names else "None saved yet", *names])


async def shows(visitor: Visitor, *texts: str) -> None:
    await visitor.until(lambda now: [layer["text"] for layer in now["edits"]["layers"]] == list(texts))


async def kept(page: Page) -> dict[str, list[str]]:
    """What the server keeps."""
    presets = await page.evaluate("fetch('/v1/presets').then((answer) => answer.json())")
    return {preset["name"]: [layer["text"] for layer in preset["layers"]] for preset in presets}
