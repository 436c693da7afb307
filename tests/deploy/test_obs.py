"""The scene collection for OBS has the fields that OBS Studio 32 reads, and shows the page that there is."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from server.camera.address import parse_address
from server.routes import page

OBS = Path(__file__).parents[2] / "deploy" / "obs"
COLLECTION: dict[str, Any] = json.loads((OBS / "afterimage.json").read_text())
SOURCES: dict[str, dict[str, Any]] = {source["name"]: source for source in COLLECTION["sources"]}
SCENES = {name: source for name, source in SOURCES.items() if source["id"] == "scene"}
BROWSERS = {name: source for name, source in SOURCES.items() if source["id"] == "browser_source"}

# Of frontend/importers/studio.cpp (Check), frontend/widgets/OBSBasic_SceneCollections.cpp (LoadData),
# libobs/obs.c (obs_load_source_type), libobs/obs-scene.c (scene_load_item) and obs-browser's
# obs-browser-plugin.cpp (browser_source_get_defaults).
COLLECTION_FIELDS = {
    "name": str,
    "sources": list,
    "groups": list,
    "scene_order": list,
    "current_scene": str,
    "current_program_scene": str,
    "current_transition": str,
    "transition_duration": int,
    "transitions": list,
    "quick_transitions": list,
    "resolution": dict,
    "version": int,
    "virtual-camera": dict,
}
SOURCE_FIELDS = {
    "prev_ver": int,
    "name": str,
    "uuid": str,
    "id": str,
    "versioned_id": str,
    "settings": dict,
    "mixers": int,
    "flags": int,
    "volume": float,
    "balance": float,
    "enabled": bool,
    "muted": bool,
    "hotkeys": dict,
    "monitoring_type": int,
    "private_settings": dict,
}
BROWSER_FIELDS = {
    "url": str,
    "width": int,
    "height": int,
    "fps": int,
    "fps_custom": bool,
    "css": str,
    "reroute_audio": bool,
    "shutdown": bool,
    "restart_when_active": bool,
    "webpage_control_level": int,
}
ITEM_FIELDS = {
    "name": str,
    "source_uuid": str,
    "id": int,
    "visible": bool,
    "locked": bool,
    "rot": float,
    "align": int,
    "pos": dict,
    "scale": dict,
    "bounds": dict,
    "bounds_type": int,
    "bounds_align": int,
    "crop_left": int,
    "scale_filter": str,
    "blend_type": str,
}
BOUNDS_SCALE_INNER = 2  # libobs/obs.h
OUTPUT_SCENE = 1  # frontend/utility/VCamConfig.hpp


def check(read: dict[str, Any], fields: dict[str, type]) -> None:
    assert {name: type(read.get(name)) for name in fields} == fields


def test_the_collection_and_its_sources_have_obs_fields() -> None:
    check(COLLECTION, COLLECTION_FIELDS)
    for source in SOURCES.values():
        check(source, SOURCE_FIELDS)
        UUID(source["uuid"])
    for source in BROWSERS.values():
        check(source["settings"], BROWSER_FIELDS)
    assert len({source["uuid"] for source in SOURCES.values()}) == len(COLLECTION["sources"])


def test_scenes_name_each_other_and_their_sources() -> None:
    assert [entry["name"] for entry in COLLECTION["scene_order"]] == list(SCENES)
    assert COLLECTION["current_scene"] in SCENES
    assert COLLECTION["current_program_scene"] in SCENES
    for scene in SCENES.values():
        for item in scene["settings"]["items"]:
            check(item, ITEM_FIELDS)
            assert SOURCES[item["name"]]["uuid"] == item["source_uuid"]
            assert item["id"] <= scene["settings"]["id_counter"]
            assert item["bounds_type"] == BOUNDS_SCALE_INNER
            assert item["bounds"] == {side: float(COLLECTION["resolution"][side]) for side in "xy"}


def test_the_scene_that_is_streamed_shows_no_edit_and_the_virtual_camera_does() -> None:
    assert SCENES[COLLECTION["current_program_scene"]]["settings"]["items"] == []
    camera = COLLECTION["virtual-camera"]
    assert camera["type2"] == OUTPUT_SCENE
    assert [item["name"] for item in SCENES[camera["scene"]]["settings"]["items"]] == ["Afterimage edit"]


@pytest.mark.parametrize("source", BROWSERS.values(), ids=list(BROWSERS))
def test_each_browser_source_shows_the_view_page_with_a_placeholder_for_the_token(
    source: dict[str, Any],
) -> None:
    settings = source["settings"]
    address = parse_address(settings["url"])
    assert (address.token, address.ends) == ("TOKEN", False)
    assert "TOKEN" in urlsplit(settings["url"]).fragment
    assert urlsplit(settings["url"]).path in {getattr(route, "path", "") for route in page.router.routes}
    assert "background-color: rgba(0, 0, 0, 0)" in settings["css"]


def test_the_page_tells_what_the_collection_has() -> None:
    told = (OBS / "README.md").read_text()
    assert "(afterimage.json)" in told
    assert "http://127.0.0.1:8080/view#token=TOKEN" in told
    for value in ("`bearer_token`", "`whip_custom`", "Keyframe Interval", "zerolatency"):
        assert value in told
