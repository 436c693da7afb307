"""What can edit here, and what it was taught."""

from fastapi import APIRouter
from pydantic import BaseModel

from server.routes.asked import example
from server.service import TheService

router = APIRouter(prefix="/v1/models", tags=["models"])


class FamilySummary(BaseModel):
    """A kind of edit, with example instructions."""

    name: str
    label: str
    examples: tuple[str, ...]


class ModelSummary(BaseModel):
    """A model; what only the loaded one can say is null until it is."""

    name: str
    version: str | None
    loaded: bool
    device: str | None
    compiler: str | None
    precision: str | None
    steps: int | None
    families: tuple[FamilySummary, ...]


MODEL = {
    "name": "rfdm-tiny",
    "version": "8",
    "loaded": True,
    "device": "cpu",
    "compiler": "openvino",
    "precision": "int8",
    "steps": 1,
    "families": [
        {"name": "night", "label": "Night", "examples": ["turn day into night", "make it look like midnight"]}
    ],
}


@router.get("", responses=example(200, [MODEL], "The one there is."))
async def list_models(service: TheService) -> list[ModelSummary]:
    """The models of this server: one."""
    runs = service.engine.description
    if runs is None:
        return [
            ModelSummary(
                name=service.settings.model,
                version=None,
                loaded=False,
                device=None,
                compiler=None,
                precision=None,
                steps=None,
                families=(),
            )
        ]
    families = tuple(
        FamilySummary(name=family.name, label=family.label, examples=tuple(family.examples))
        for family in runs.families
    )
    return [
        ModelSummary(
            name=runs.name,
            version=runs.version,
            loaded=True,
            device=runs.device,
            compiler=runs.compiler,
            precision=runs.precision,
            steps=runs.steps,
            families=families,
        )
    ]
