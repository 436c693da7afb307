"""Presets over REST: saved, listed, changed, and carried from one server to another."""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response

from server.presets.preset import Preset, PresetFields, PresetFile
from server.presets.store import Imported, OnExisting
from server.problems import Problem
from server.routes.asked import example, problems
from server.routes.refused import refused
from server.service import TheService

router = APIRouter(
    prefix="/v1/presets",
    tags=["presets"],
    responses=problems(
        503, _503="presets in /var/lib/afterimage/presets.sqlite3 cannot be used: disk I/O error"
    ),
)

FIELDS = {
    "name": "Noir",
    "layers": [
        {"text": "make it black and white", "strength": 1.0, "enabled": True},
        {"text": "more contrast", "strength": 0.6, "enabled": True},
    ],
}
PRESET = FIELDS | {
    "id": "k3Fa0eRwT2uI",
    "created_at": "2026-01-31T17:02:11.204+00:00",
    "updated_at": "2026-01-31T17:02:11.204+00:00",
}
FILE = {"format": "afterimage-presets", "version": 1, "presets": [FIELDS]}
MISSING = {"_404": "there is no such preset, or not any more"}
TAKEN = {"_409": "there is a preset of this name already"}

GivenFields = Annotated[PresetFields, Body(openapi_examples={"noir": {"value": FIELDS}})]


@router.get("", responses=example(200, [PRESET], "By name."))
async def list_presets(service: TheService) -> list[Preset]:
    """All presets."""
    with refused():
        return await service.presets.all()


@router.post(
    "",
    status_code=201,
    responses=example(201, PRESET, "It is kept.", headers={"Location": "The preset."})
    | problems(409, 422, **TAKEN),
)
async def save_preset(service: TheService, asked: GivenFields, response: Response) -> Preset:
    """Keep a stack of instructions by name."""
    with refused():
        preset = await service.presets.add(asked)
    response.headers["Location"] = f"/v1/presets/{preset.id}"
    return preset


@router.get("/export", responses=example(200, FILE, "What `import` takes."))
async def export_presets(service: TheService, response: Response) -> PresetFile:
    """All presets as one file."""
    with refused():
        presets = await service.presets.all()
    response.headers["Content-Disposition"] = 'attachment; filename="afterimage-presets.json"'
    return PresetFile(presets=tuple(PresetFields(name=each.name, layers=each.layers) for each in presets))


@router.post(
    "/import",
    responses=example(200, {"added": 1, "replaced": 0, "kept": 0}, "All of them are in.")
    | problems(409, 422, _409="presets: two have the same name"),
)
async def import_presets(
    service: TheService,
    asked: Annotated[PresetFile, Body(openapi_examples={"one": {"value": FILE}})],
    existing: Annotated[OnExisting, Query(description="What becomes of presets of the same name.")] = "keep",
) -> Imported:
    """Take in a file of presets, all or none."""
    # As the database has it, where only ASCII has case: what was exported has to come in again.
    names = [each.name.encode().lower() for each in asked.presets]
    if len(set(names)) < len(names):
        raise Problem(409, "presets: two have the same name")
    with refused():
        return await service.presets.take_in(asked.presets, existing)


@router.get("/{preset_id}", responses=example(200, PRESET, "As it is kept.") | problems(404, **MISSING))
async def show_preset(service: TheService, preset_id: str) -> Preset:
    """One preset."""
    with refused():
        return await service.presets.find(preset_id)


@router.put(
    "/{preset_id}",
    responses=example(200, PRESET, "As it is kept now.") | problems(404, 409, 422, **MISSING, **TAKEN),
)
async def change_preset(service: TheService, preset_id: str, asked: GivenFields) -> Preset:
    """Change a preset's name and instructions."""
    with refused():
        return await service.presets.replace(preset_id, asked)


@router.delete("/{preset_id}", status_code=204, responses=problems(404, **MISSING))
async def delete_preset(service: TheService, preset_id: str) -> None:
    """Forget a preset."""
    with refused():
        await service.presets.remove(preset_id)
