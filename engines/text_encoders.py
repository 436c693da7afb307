"""Free instructions for the large backbones: CLIP for SD 1.5, two of it and optionally T5 for SD 3.5.

An instruction is encoded once and its code kept; the encoders' weights stay in main memory and visit the device only
while they encode, so that a 4.7-billion-parameter T5 takes no room beside the denoiser.
"""

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from engines.conditioning import Conditioning, InstructionError
from engines.instructions import MAX_CHARACTERS
from engines.pretrained.checkpoint import BackboneName, Component
from engines.pretrained.weights import load_whole, outline_whole
from engines.visiting import visit

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.utils import ModelOutput

CACHE_SIZE = 32
"""Codes kept."""


class Embedder(Protocol):
    """Text to the code a backbone takes."""

    tokens: int

    def embed(self, text: str) -> Tensor:
        """The code of a text, the empty one included, (code_length,).

        Raises:
            InstructionError: The text has more tokens than the encoder reads.
        """
        ...


class TextTower:
    """A tokenizer and the transformer that reads its tokens.

    Args:
        tokenizer: Of transformers.
        model: Of transformers, on the CPU.
        length: Tokens of every text, padded to this.
        device: Where it computes.
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        model: "PreTrainedModel",
        length: int,
        device: torch.device,
    ) -> None:
        self.tokenizer, self.length, self._device = tokenizer, length, device
        self.model = model.eval().requires_grad_(False)
        self._stream = None
        if device.type != "cpu":
            visit(self.model, device)
        if device.type == "cuda":
            # Frames wait for whatever the default stream was given.
            # Of frames' priority: on another it might be the one that a program is being recorded on.
            self._stream = torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]

    def stay(self, device: torch.device) -> None:
        """Keep the weights on a device, for whoever encodes all the time; only for a tower made for the CPU."""
        self.model, self._device = self.model.to(device), device

    def __call__(self, text: str, **options: bool | Tensor) -> "ModelOutput":
        """The transformer's output for one text.

        Raises:
            InstructionError: The text has more tokens than are read.
        """
        ids = self.tokenizer(text, padding="max_length", max_length=self.length, return_tensors="pt")
        count = ids.input_ids.shape[1]
        if count > self.length:
            raise InstructionError(
                f"an instruction has at most {self.length} tokens for this model, this one has {count}"
            )
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            if getattr(self.model.config, "use_attention_mask", False):
                options["attention_mask"] = ids.attention_mask.to(self._device)
            output = self.model(ids.input_ids.to(self._device), **options)
        if self._stream is not None:
            self._stream.synchronize()
        return output


class ClipEmbedder:
    """SD 1.5's text: the last hidden states of one CLIP, (tokens * width,)."""

    def __init__(self, clip: TextTower) -> None:
        self._clip, self.tokens = clip, clip.length

    def stay(self, device: torch.device) -> None:
        """See :class:`TextTower`."""
        self._clip.stay(device)

    def embed(self, text: str) -> Tensor:
        """See :class:`Embedder`."""
        states: Tensor = self._clip(text).last_hidden_state
        return states.flatten()


class Sd3Embedder:
    """SD 3.5's text: the pooled projections of two CLIPs, then their tokens, then T5's (Esser et al. 2024, Fig. 2).

    Args:
        clips: The two CLIPs, with projection.
        t5: The third encoder; zeros stand in its place where it is None, as in diffusers.
        t5_tokens: Its share of the text.
        width: Of a token as the transformer takes it.
    """

    def __init__(
        self, clips: tuple[TextTower, TextTower], t5: TextTower | None, t5_tokens: int, width: int
    ) -> None:
        self._clips, self._t5, self._t5_tokens, self._width = clips, t5, t5_tokens, width
        self.tokens = clips[0].length + t5_tokens

    def stay(self, device: torch.device) -> None:
        """See :class:`TextTower`."""
        for tower in (*self._clips, self._t5):
            if tower is not None:
                tower.stay(device)

    def embed(self, text: str) -> Tensor:
        """See :class:`Embedder`."""
        outputs = [clip(text, output_hidden_states=True) for clip in self._clips]
        pooled = torch.cat([output.text_embeds for output in outputs], -1)
        # The last but one layer, as diffusers' pipeline takes it.
        states = torch.cat([output.hidden_states[-2] for output in outputs], -1)
        states = nn.functional.pad(states, (0, self._width - states.shape[-1]))
        if self._t5 is not None:
            t5_states = self._t5(text).last_hidden_state.to(states.dtype)
        else:
            t5_states = states.new_zeros(1, self._t5_tokens, self._width)
        return torch.cat([pooled.flatten(), states.flatten(), t5_states.flatten()])


class FreeInstructionEncoder:
    """Any text is an instruction; safe to call from any thread."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._lock = threading.Lock()
        self._cached: Callable[[str], Conditioning] = lru_cache(maxsize=CACHE_SIZE)(self._encode)

    def encode(self, text: str) -> Conditioning:
        """Encode one instruction, or take the code kept from the last time.

        Raises:
            InstructionError: The text is blank or too long for the model.
        """
        if len(text) > MAX_CHARACTERS:
            raise InstructionError(
                f"an instruction has at most {MAX_CHARACTERS} characters, this one has {len(text)}"
            )
        if not text.strip():
            raise InstructionError("an instruction needs at least one word")
        return self._cached(text)

    def silence(self) -> Tensor:
        """The code of the empty text, (code_length,): what guidance compares with."""
        return self._code("")

    def _encode(self, text: str) -> Conditioning:
        code = self._code(text)
        return Conditioning(text=text, code=code, family="", confidence=1.0, known=True, nearest=())

    def _code(self, text: str) -> Tensor:
        # One at a time: the towers' weights visit the device in turn.
        with self._lock:
            # In main memory: hundreds of them are kept, and one of SD 3.5 has 2.7 MB.
            return self._embedder.embed(text).cpu()


def load_clip(encoder: Component, tokenizer: Path, dtype: torch.dtype, device: torch.device) -> TextTower:
    """SD 1.5's CLIP.

    Raises:
        OSError: A file is missing.
        ValueError: A weight is missing.
    """
    from transformers import CLIPTextModel, CLIPTokenizer

    model = load_whole(CLIPTextModel, encoder.folder, dtype=dtype, variant=encoder.variant)
    length = int(model.config.max_position_embeddings)
    return TextTower(_load_tokenizer(CLIPTokenizer, tokenizer), model, length, device)


def load_projected_clip(
    encoder: Component, tokenizer: Path, dtype: torch.dtype, device: torch.device
) -> TextTower:
    """One of SD 3.5's CLIPs, which also project the whole text into one vector.

    Raises:
        OSError: A file is missing.
        ValueError: A weight is missing.
    """
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer

    model = load_whole(CLIPTextModelWithProjection, encoder.folder, dtype=dtype, variant=encoder.variant)
    length = int(model.config.max_position_embeddings)
    return TextTower(_load_tokenizer(CLIPTokenizer, tokenizer), model, length, device)


def load_t5(
    encoder: Component, tokenizer: Path, tokens: int, dtype: torch.dtype, device: torch.device
) -> TextTower:
    """SD 3.5's third encoder.

    Raises:
        OSError: A file is missing.
        ValueError: A weight is missing.
    """
    from transformers import T5EncoderModel, T5TokenizerFast

    model = load_whole(T5EncoderModel, encoder.folder, dtype=dtype, variant=encoder.variant)
    return TextTower(_load_tokenizer(T5TokenizerFast, tokenizer), model, tokens, device)


def outline_text_encoder(backbone: BackboneName, encoder: Component, tokenizer: Path) -> None:
    """See that one of a backbone's text encoders can be loaded, without reading its weights.

    Raises:
        OSError: A file is missing.
        ValueError: Configuration and weights do not fit, or the tokenizer cannot be read.
    """
    from transformers import (
        CLIPTextModel,
        CLIPTextModelWithProjection,
        CLIPTokenizer,
        T5EncoderModel,
        T5TokenizerFast,
    )

    if encoder.folder.name == "text_encoder_3":
        outline_whole(T5EncoderModel, encoder.folder, encoder.variant)
        _load_tokenizer(T5TokenizerFast, tokenizer)
        return
    kind = CLIPTextModel if backbone == "sd15" else CLIPTextModelWithProjection
    outline_whole(kind, encoder.folder, encoder.variant)
    _load_tokenizer(CLIPTokenizer, tokenizer)


def _load_tokenizer(kind: "type[PreTrainedTokenizerBase]", folder: Path) -> "PreTrainedTokenizerBase":
    try:
        return kind.from_pretrained(folder)
    except Exception as error:
        # The library's Rust half raises nothing narrower for a file that it does not understand.
        raise ValueError(f"{folder} holds no tokenizer that can be read: {error}") from error
