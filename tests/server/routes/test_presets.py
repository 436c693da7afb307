from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.asks import MAX_INSTRUCTION_LENGTH
from server.presets.preset import MAX_FILE_BYTES, MAX_PRESETS
from server.session.stack import MAX_LAYERS
from tests.server.conftest import StartServer
from tests.server.routes.test_sessions import is_problem

NOIR: dict[str, Any] = {
    "name": "Noir",
    "layers": [{"text": "invert"}, {"text": "invert again", "strength": 0.5, "enabled": False}],
}


@pytest.fixture
async def http(start_server: StartServer, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    server = await start_server(data=tmp_path)
    async with server.http() as client:
        yield client


async def test_presets_are_saved_listed_changed_and_forgotten(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/presets")).json() == []
    saved = await http.post("/v1/presets", json=NOIR)
    assert saved.status_code == 201
    path = saved.headers["location"]
    assert saved.json()["layers"][0] == {"text": "invert", "strength": 1.0, "enabled": True}
    assert (await http.get(path)).json() == saved.json()
    assert "already" in is_problem(await http.post("/v1/presets", json=NOIR), 409)
    renamed = await http.put(path, json={**NOIR, "name": "Night"})
    assert renamed.json()["name"] == "Night"
    assert [each["name"] for each in (await http.get("/v1/presets")).json()] == ["Night"]
    assert (await http.delete(path)).status_code == 204
    for answer in (await http.get(path), await http.put(path, json=NOIR), await http.delete(path)):
        is_problem(answer, 404)


async def test_an_export_is_what_an_import_takes(http: httpx.AsyncClient) -> None:
    await http.post("/v1/presets", json=NOIR)
    exported = await http.get("/v1/presets/export")
    assert "attachment" in exported.headers["content-disposition"]
    file = exported.json()
    assert (file["format"], file["version"]) == ("afterimage-presets", 1)
    again = await http.post(
        "/v1/presets/import", content=exported.content, headers={"Content-Type": "application/json"}
    )
    assert again.json() == {"added": 0, "replaced": 0, "kept": 1}
    await http.delete(f"/v1/presets/{(await http.get('/v1/presets')).json()[0]['id']}")
    assert (await http.post("/v1/presets/import", json=file)).json() == {"added": 1, "replaced": 0, "kept": 0}
    replacing = await http.post("/v1/presets/import", params={"existing": "replace"}, json=file)
    assert replacing.json() == {"added": 0, "replaced": 1, "kept": 0}


async def test_an_export_of_all_that_can_be_kept_can_be_imported(http: httpx.AsyncClient) -> None:
    layers = [{"text": "🖌" * MAX_INSTRUCTION_LENGTH}] * MAX_LAYERS
    file = {
        "format": "afterimage-presets",
        "presets": [{"name": f"{number:04}", "layers": layers} for number in range(MAX_PRESETS)],
    }
    imported = await http.post("/v1/presets/import", json=file)
    assert imported.json() == {"added": MAX_PRESETS, "replaced": 0, "kept": 0}
    exported = await http.get("/v1/presets/export")
    replacing = await http.post(
        "/v1/presets/import",
        params={"existing": "replace"},
        content=exported.content,
        headers={"Content-Type": "application/json"},
    )
    assert replacing.json() == {"added": 0, "replaced": MAX_PRESETS, "kept": 0}


async def test_a_file_of_presets_has_a_longest_size(http: httpx.AsyncClient) -> None:
    assert f"{MAX_FILE_BYTES // 1024} KiB" in is_problem(
        await http.post("/v1/presets/import", content=bytes(MAX_FILE_BYTES + 1)), 413
    )


async def test_every_name_that_can_be_kept_can_be_imported_again(http: httpx.AsyncClient) -> None:
    for name in ("Été", "été"):
        kept = await http.post("/v1/presets", json={**NOIR, "name": name})
        assert kept.status_code == 201
    file = (await http.get("/v1/presets/export")).json()
    imported = await http.post("/v1/presets/import", json=file)
    assert imported.json() == {"added": 0, "replaced": 0, "kept": 2}


BAD: list[tuple[dict[str, object], str]] = [
    ({"version": 2}, "version"),
    ({"format": "other"}, "format"),
    ({"more": 1}, "more"),
    ({"presets": [{"name": " ", "layers": [{"text": "invert"}]}]}, "presets.0.name"),
    ({"presets": [{"name": "a", "layers": []}]}, "presets.0.layers"),
    ({"presets": [{"name": "a", "layers": [{"text": "invert"}] * 5}]}, "presets.0.layers"),
    (
        {"presets": [{"name": "a", "layers": [{"text": "invert", "strength": 2}]}]},
        "presets.0.layers.0.strength",
    ),
]


async def test_a_bad_import_is_refused_as_a_whole(http: httpx.AsyncClient) -> None:
    for change, named in BAD:
        file = {"format": "afterimage-presets", "version": 1, "presets": [NOIR], **change}
        assert named in is_problem(await http.post("/v1/presets/import", json=file), 422)
    twice = {"presets": [NOIR, {**NOIR, "name": "noir"}]}
    assert "same name" in is_problem(await http.post("/v1/presets/import", json=twice), 409)
    assert (await http.get("/v1/presets")).json() == []


async def test_presets_that_cannot_be_read_are_said(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "presets.sqlite3").write_bytes(b"no database" * 100)
    server = await start_server(data=tmp_path)
    async with server.http() as http:
        assert "cannot be used" in is_problem(await http.get("/v1/presets"), 503)
