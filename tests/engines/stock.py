"""Small random checkpoints in the formats of diffusers: Stable Diffusion 1.5, InstructPix2Pix and 3.5."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from torch import Tensor
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

TOKENS = 24
_LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)] + [*"0123456789,.'"]


def clip_tokenizer() -> CLIPTokenizer:
    """Reads letter by letter."""
    pieces = ["<|startoftext|>", "<|endoftext|>", *_LETTERS, *(f"{letter}</w>" for letter in _LETTERS)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=TOKENS)


def clip(width: int, projection: int | None = None) -> CLIPTextModel | CLIPTextModelWithProjection:
    config = CLIPTextConfig(
        vocab_size=2 + 2 * len(_LETTERS),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        projection_dim=projection or width,
        bos_token_id=0,
        eos_token_id=1,
    )
    return CLIPTextModel(config) if projection is None else CLIPTextModelWithProjection(config)


def kl(channels: int = 4, shift: float | None = None) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=channels,
        scaling_factor=0.18215 if shift is None else 1.5305,
        shift_factor=shift,
        use_quant_conv=shift is None,
        use_post_quant_conv=shift is None,
    )


def taesd(channels: int = 4) -> AutoencoderTiny:
    return AutoencoderTiny(
        latent_channels=channels,
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    )


def unet(in_channels: int = 4, widths: tuple[int, ...] = (16, 32)) -> UNet2DConditionModel:
    """One level for each width, the text at the first."""
    further = len(widths) - 1
    return UNet2DConditionModel(
        in_channels=in_channels,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D", *("DownBlock2D",) * further),
        up_block_types=(*("UpBlock2D",) * further, "CrossAttnUpBlock2D"),
        block_out_channels=widths,
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=16,
        attention_head_dim=2,
        sample_size=8,
    )


def transformer(in_channels: int = 16, out_channels: int = 16, heads: int = 2) -> SD3Transformer2DModel:
    return SD3Transformer2DModel(
        sample_size=16,
        in_channels=in_channels,
        out_channels=out_channels,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=heads,
        joint_attention_dim=40,
        caption_projection_dim=8 * heads,
        pooled_projection_dim=20,
        pos_embed_max_size=24,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )


def vp_scheduler(prediction_type: str = "epsilon") -> DDIMScheduler:
    """SD 1.5's betas; spacing and last level as the live sampler has them."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
        steps_offset=1,
        prediction_type=prediction_type,
    )


def save_sd15(folder: Path, seed: int = 0, prediction_type: str = "epsilon") -> Path:
    """A stock text-to-image checkpoint."""
    torch.manual_seed(seed)
    StableDiffusionPipeline(
        kl(),
        clip(16),
        clip_tokenizer(),
        unet(),
        vp_scheduler(prediction_type),
        None,
        None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


def save_instruct_pix2pix(folder: Path, seed: int = 0) -> Path:
    """A stock InstructPix2Pix checkpoint."""
    torch.manual_seed(seed)
    StableDiffusionInstructPix2PixPipeline(
        kl(), clip(16), clip_tokenizer(), unet(8), vp_scheduler(), None, None, requires_safety_checker=False
    ).save_pretrained(folder)
    return folder


def t5_tokenizer() -> T5TokenizerFast:
    """Reads letter by letter."""
    pieces = ["<pad>", "</s>", "<unk>", "\N{LOWER ONE EIGHTH BLOCK}", *_LETTERS]
    return T5TokenizerFast(vocab=[(piece, 0.0 if piece[0] == "<" else -2.0) for piece in pieces], extra_ids=0)


def t5() -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=4 + len(_LETTERS),
            d_model=40,
            d_ff=32,
            d_kv=8,
            num_layers=1,
            num_heads=2,
            feed_forward_proj="gated-gelu",
        )
    )


def save_sd35(folder: Path, seed: int = 0, *, with_t5: bool = True) -> Path:
    """A stock Stable Diffusion 3.5 checkpoint."""
    torch.manual_seed(seed)
    StableDiffusion3Pipeline(
        transformer(),
        FlowMatchEulerDiscreteScheduler(shift=3.0),
        kl(16, shift=0.0609),
        clip(8, projection=8),
        clip_tokenizer(),
        clip(12, projection=12),
        clip_tokenizer(),
        t5() if with_t5 else None,
        t5_tokenizer() if with_t5 else None,
    ).save_pretrained(folder)
    return folder


def text_to_image(
    pipeline: StableDiffusionPipeline | StableDiffusion3Pipeline, text: str, noise: Tensor, steps: int
) -> Tensor:
    """The latent that diffusers' own pipeline samples from the noise of a picture of 64 x 64, gently guided."""
    pipeline.set_progress_bar_config(disable=True)
    latent: Tensor = pipeline(
        text,
        height=64,
        width=64,
        num_inference_steps=steps,
        guidance_scale=1.5,
        latents=noise.clone(),
        output_type="latent",
    ).images
    return latent
