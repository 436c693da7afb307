"""A session's stack of instructions over REST."""

from typing import Annotated

from fastapi import APIRouter, Body, Query
from pydantic import Field

from server.asks import Id, InstructionFields, LayerChangeFields, LayerFields, TransitionMs
from server.messages import EditsSummary, InstructionTaken
from server.routes.asked import Asked, example, problems
from server.routes.refused import refused
from server.service import TheSession
from server.session.stack import MAX_LAYERS

router = APIRouter(
    prefix="/v1/sessions/{session_id}", tags=["instructions"], responses=problems(401, 404, 422)
)

Transition = Annotated[TransitionMs, Query(description="How long it takes, in milliseconds.")]

TAKEN = {
    "instruction_id": "q0Zc1vTg9xKd",
    "text": "make it a pencil sketch",
    "family": "pencil_sketch",
    "edits": ["pencil_sketch"],
    "known": True,
    "confidence": 0.98,
    "nearest": ["turn it into a pencil sketch"],
}
STACK = {
    "layers": [TAKEN | {"strength": 0.8, "enabled": True}],
    "can_undo": True,
    "can_redo": False,
    "bypassed": False,
    "frozen": False,
}
SHOWN = example(200, STACK, "The stack as it is then.")


class NewInstruction(InstructionFields, Asked):
    """An instruction."""


class InstructionChange(LayerChangeFields, Asked):
    """What to change; what is left out stays."""


class StackLayer(LayerFields, Asked):
    """An instruction of a stack."""


class NewStack(Asked):
    """A whole stack."""

    layers: Annotated[tuple[StackLayer, ...], Field(max_length=MAX_LAYERS, strict=False)]
    """The first is applied first."""
    transition_ms: TransitionMs = 0.0


class PresetWish(Asked):
    """A preset to follow."""

    preset_id: Id
    transition_ms: TransitionMs = 0.0


@router.get("/instructions", responses=SHOWN)
async def show_stack(session: TheSession) -> EditsSummary:
    """The instructions in the order they are applied, and whether the picture is bypassed or frozen."""
    return session.instructions.summary


@router.post(
    "/instructions",
    status_code=202,
    responses=example(202, TAKEN, "Understood; a receipt follows with the first frame that carries it.")
    | problems(
        409, 503, _409="the stack holds 4 instructions, which is all it may", _503="the model is not loaded"
    ),
)
async def instruct(
    session: TheSession,
    asked: Annotated[
        NewInstruction,
        Body(
            openapi_examples={
                "alone": {
                    "value": {"text": "make it a pencil sketch", "strength": 0.8, "transition_ms": 500}
                },
                "on top": {"value": {"text": "at night", "place": "top"}},
            }
        ),
    ],
) -> InstructionTaken:
    """Take an instruction, in the place of all others or on top of them."""
    with refused():
        return await session.instructions.take(asked)


@router.put("/instructions", responses=SHOWN | problems(503, _503="the model is not loaded"))
async def replace_stack(
    session: TheSession,
    asked: Annotated[
        NewStack,
        Body(
            openapi_examples={
                "two": {
                    "value": {"layers": [{"text": "at night"}, {"text": "oil painting", "strength": 0.7}]}
                },
                "none": {"value": {"layers": [], "transition_ms": 1000}},
            }
        ),
    ],
) -> EditsSummary:
    """Put these instructions in the place of all others, in one change."""
    with refused():
        await session.instructions.replace(asked.layers, asked.transition_ms)
    return session.instructions.summary


@router.delete("/instructions", responses=SHOWN)
async def clear_stack(session: TheSession, transition_ms: Transition = 0.0) -> EditsSummary:
    """Take every instruction off the stack."""
    await session.instructions.replace((), transition_ms)
    return session.instructions.summary


@router.patch("/instructions/{instruction_id}", responses=SHOWN)
async def change_instruction(
    session: TheSession,
    instruction_id: str,
    asked: Annotated[
        InstructionChange,
        Body(
            openapi_examples={
                "less": {"value": {"strength": 0.4, "transition_ms": 300}},
                "off": {"value": {"enabled": False}},
                "first": {"value": {"position": 0}},
            }
        ),
    ],
) -> EditsSummary:
    """Show more or less of an instruction, switch it on or off, or move it."""
    with refused():
        session.instructions.change(instruction_id, asked)
    return session.instructions.summary


@router.delete("/instructions/{instruction_id}", responses=SHOWN)
async def remove_instruction(
    session: TheSession, instruction_id: str, transition_ms: Transition = 0.0
) -> EditsSummary:
    """Take an instruction off the stack."""
    with refused():
        session.instructions.remove(instruction_id, transition_ms)
    return session.instructions.summary


@router.post("/undo", responses=SHOWN | problems(409, _409="there is no such change"))
async def undo(session: TheSession) -> EditsSummary:
    """Take back the last change of the stack."""
    with refused():
        session.instructions.undo()
    return session.instructions.summary


@router.post("/redo", responses=SHOWN | problems(409, _409="there is no such change"))
async def redo(session: TheSession) -> EditsSummary:
    """Do the change again that was taken back last."""
    with refused():
        session.instructions.redo()
    return session.instructions.summary


@router.post("/preset", responses=SHOWN | problems(503, _503="the model is not loaded"))
async def apply_preset(
    session: TheSession,
    asked: Annotated[
        PresetWish, Body(openapi_examples={"one": {"value": {"preset_id": "k3Fa0eRw", "transition_ms": 800}}})
    ],
) -> EditsSummary:
    """Put a preset's instructions in the place of all others."""
    with refused():
        await session.apply_preset(asked.preset_id, asked.transition_ms)
    return session.instructions.summary
