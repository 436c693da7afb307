"""What an RFDM folder says of itself beside its weights, and what a stock checkpoint would say."""

from dataclasses import dataclass
from typing import Any

from engines.backbones.expansion import INPUTS
from engines.fields import Fields
from engines.guidance import GuidanceScales
from engines.model import FORMAT_VERSION, ModelError
from engines.pretrained.checkpoint import SD35, BackboneName, Checkpoint

PAPER_STEPS = 8
PAPER_GUIDANCE = GuidanceScales(source=3.5, instruction=1.5)
INSTRUCT_PIX2PIX_GUIDANCE = GuidanceScales(source=1.5, instruction=7.5)
"""Brooks et al. 2023, Sec. 3.2.1: its source is guided less, its text more."""

DIFFUSERS_T5_TOKENS = 256


@dataclass(frozen=True)
class RfdmIndex:
    """The settings that belong to a set of weights.

    Attributes:
        name: What the model is called.
        version: Of the weights.
        backbone: Which network it is.
        trained_inputs: Those of [noisy, source, memory] that the weights have learned to use.
        key_frame_interval: Frames between two key frames.
        steps: Sampler steps for a frame.
        guidance: Scales of the three branches, None where guidance was distilled into the weights.
        short_side: Pixels at which frames are edited unless told otherwise.
        t5_tokens: Share of T5 in the text of SD 3.5.
        made_from: The checkpoint it began as.
    """

    name: str
    version: str
    backbone: BackboneName
    trained_inputs: tuple[str, ...]
    key_frame_interval: int = 3
    steps: int = PAPER_STEPS
    guidance: GuidanceScales | None = PAPER_GUIDANCE
    short_side: int = 512
    t5_tokens: int = 0
    made_from: str = ""

    def to_json(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """As ``model_index.json`` holds it, each component with library and class as diffusers names them."""
        parts = {name: checkpoint.index.get(name) for name in checkpoint.index if not name.startswith("_")}
        networks = {name: value for name, value in parts.items() if isinstance(value, list) and value[0]}
        kept = {*checkpoint.components, *checkpoint.kind.tokenizers, "scheduler"}
        return {
            "_class_name": "RFDMEditor",
            "_format_version": FORMAT_VERSION,
            "name": self.name,
            "version": self.version,
            "backbone": self.backbone,
            **{name: value for name, value in networks.items() if name in kept},
            "trained_inputs": list(self.trained_inputs),
            "key_frame_interval": self.key_frame_interval,
            "steps": self.steps,
            "guidance": None
            if self.guidance is None
            else {"source": self.guidance.source, "instruction": self.guidance.instruction},
            "short_side": self.short_side,
            "t5_tokens": self.t5_tokens,
            "made_from": self.made_from,
        }


def index_of(checkpoint: Checkpoint, name: str) -> RfdmIndex:
    """What a checkpoint says of itself; for a stock one, what its kind implies.

    Args:
        checkpoint: Its headers.
        name: What a stock checkpoint is called.

    Raises:
        ModelError: The index of an RFDM folder is of another format, or a field is missing or wrong.
    """
    index = checkpoint.index
    if not checkpoint.is_rfdm:
        return RfdmIndex(
            name=name,
            version="stock",
            backbone=checkpoint.kind.name,
            trained_inputs=checkpoint.inputs,
            guidance=PAPER_GUIDANCE if len(checkpoint.inputs) != 2 else INSTRUCT_PIX2PIX_GUIDANCE,
            t5_tokens=DIFFUSERS_T5_TOKENS if checkpoint.kind is SD35 else 0,
            made_from=name,
        )
    if index.get("_format_version") != FORMAT_VERSION:
        raise ModelError(
            f"{checkpoint.folder} is RFDMEditor format {index.get('_format_version')},"
            f" this version reads format {FORMAT_VERSION}"
        )
    fields = Fields(checkpoint.folder / "model_index.json", index)
    try:
        scales = fields.fields_or_none("guidance")
        return RfdmIndex(
            name=fields.text("name"),
            version=fields.text("version"),
            backbone=checkpoint.kind.name,
            trained_inputs=fields.some_of("trained_inputs", INPUTS),
            key_frame_interval=fields.whole("key_frame_interval", least=0),
            steps=fields.whole("steps", least=1),
            guidance=None
            if scales is None
            else GuidanceScales(scales.number("source"), scales.number("instruction")),
            short_side=fields.whole("short_side", least=1),
            t5_tokens=fields.whole("t5_tokens", least=0),
            made_from=fields.text("made_from"),
        )
    except ValueError as error:
        raise ModelError(str(error)) from error
