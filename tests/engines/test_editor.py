import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.codecs import PatchCodec
from engines.compilers.eager import EagerCompiler
from engines.conditioning import CODE_LENGTH, Conditioning, instruction_code
from engines.drift import LEARN_FRAMES
from engines.edit_size import USUAL_CAMERAS
from engines.editor import Editor, EditRequest, choose_device, furthest, load_editor, served_sizes
from engines.families import FAMILIES, NOISE_DRIFT
from engines.flow import flow_levels
from engines.model import SHIPPED_MODELS, ModelError, ModelParts
from engines.program import Direct, FrameProgram
from tests.engines.streams import WordEncoder, picture, request, small_parts


def editor(parts: ModelParts | None = None, steps: int = 1) -> Editor:
    parts = parts or small_parts()
    program = FrameProgram(Direct(parts.denoiser), parts.codec, flow_levels(steps))
    return Editor(parts, program, EagerCompiler(program, torch.device("cpu"), torch.float32), "cpu")


def test_an_edit_has_the_sources_size() -> None:
    subject = editor()
    result = subject.step([request(picture(0), subject.open())])[0]

    assert result.picture.shape == (64, 96, 3)
    assert result.picture.dtype == np.uint8
    assert result.evaluations == 1
    assert result.drift is None


def test_the_same_stream_and_seed_give_the_same_edit() -> None:
    subject = editor()
    runs = []
    for _ in range(2):
        state = subject.open(seed=5)
        runs.append([subject.step([request(picture(seed), state)])[0].picture for seed in (0, 0, 0)])

    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))


def test_another_seed_is_another_noise() -> None:
    subject = editor()
    edits = [subject.step([request(picture(0), subject.open(seed))])[0].picture for seed in (1, 2)]

    assert not np.array_equal(edits[0], edits[1])


def test_streams_edited_together_are_edited_as_if_alone() -> None:
    """No stream's pixels, memory or noise reach another, whatever their order and sizes."""
    subject = editor()
    sizes = [(64, 96), (32, 32), (64, 96), (64, 96)]
    together = [subject.open(seed=index) for index in range(4)]
    alone = [subject.open(seed=index) for index in range(4)]
    texts = ["sepia", "night", "fog", "sepia"]
    for frame in range(5):
        pictures = [picture(10 * index + frame // 3, *size) for index, size in enumerate(sizes)]
        batch = [
            request(shown, state, text) for shown, state, text in zip(pictures, together, texts, strict=True)
        ]
        edits = subject.step(batch)
        for index, (shown, state, text) in enumerate(zip(pictures, alone, texts, strict=True)):
            expected = subject.step([request(shown, state, text)])[0].picture
            assert int(np.abs(edits[index].picture.astype(int) - expected).max()) <= 1


def test_key_frames_are_told() -> None:
    subject, told = editor(small_parts(key_frame_interval=3)), []
    state = subject.open()
    for _ in range(7):
        told.append(subject.step([request(picture(0), state)])[0].key_frame)

    assert told == [True, False, False, True, False, False, True]


def test_drift_is_measured_once_the_edit_is_known_and_anew_after_another_instruction() -> None:
    subject = editor()
    state = subject.open()
    measured = [subject.step([request(picture(0), state)])[0].drift for _ in range(LEARN_FRAMES + 2)]

    assert measured[:LEARN_FRAMES] == [None] * LEARN_FRAMES
    assert measured[-1] is not None
    assert 0 <= measured[-1] < 1
    assert subject.step([request(picture(0), state, "night")])[0].drift is None


def test_the_memory_reaches_the_next_frame() -> None:
    subject = editor()
    state, fresh = subject.open(), subject.open()
    subject.step([request(picture(0), state)])
    second = subject.step([request(picture(0), state)])[0].picture

    assert not np.array_equal(second, subject.step([request(picture(0), fresh)])[0].picture)


def test_a_new_instruction_starts_without_the_old_edit() -> None:
    subject = editor()
    state = subject.open()
    subject.step([request(picture(0), state, "sepia")])
    switched = subject.step([request(picture(0), state, "night")])[0]
    fresh = subject.step([request(picture(0), subject.open(), "night")])[0]

    assert switched.key_frame
    assert np.array_equal(switched.picture, fresh.picture)


def test_no_strength_shows_the_source() -> None:
    subject = editor()
    shown = picture(0)
    plain = EditRequest(shown, WordEncoder().encode("night"), subject.open(), strength=0.0)

    assert int(np.abs(subject.step([plain])[0].picture.astype(int) - shown).max()) <= 1


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_steps_are_spent_and_told(steps: int) -> None:
    subject = editor(steps=steps)

    assert subject.description.steps == steps
    assert subject.step([request(picture(0), subject.open())])[0].evaluations == steps


def test_the_editor_says_what_it_is() -> None:
    description = editor().description

    assert (description.name, description.compiler, description.precision) == ("small", "eager", "float32")
    assert tuple(family.name for family in description.families) == FAMILIES
    assert all(family.label and family.examples for family in description.families)


@pytest.mark.parametrize("size", [(65, 96), (64, 90), (8, 96)])
def test_a_size_the_model_cannot_take_is_refused(size: tuple[int, int]) -> None:
    subject = editor()

    with pytest.raises(ValueError, match="multiple of 16"):
        subject.step([request(picture(0, *size), subject.open())])


def test_anything_but_a_picture_is_refused() -> None:
    subject = editor()
    for wrong in (np.zeros((64, 64), np.uint8), np.zeros((64, 64, 4), np.uint8), np.zeros((64, 64, 3))):
        with pytest.raises(ValueError, match="uint8"):
            subject.step([request(wrong, subject.open())])  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_network_that_gives_no_numbers_is_an_error_and_no_black_picture(value: float) -> None:
    parts = small_parts()
    with torch.no_grad():
        for weight in parts.denoiser.parameters():
            weight.fill_(value)
    subject = editor(parts)

    with pytest.raises(ModelError, match=r"no numbers .*--precision bfloat16 or float32"):
        subject.step([request(picture(0), subject.open())])


def test_a_stream_whose_memory_is_spoilt_begins_anew() -> None:
    subject = editor()
    state = subject.open()
    subject.step([request(picture(0), state)])
    assert state.memory is not None
    state.memory, state.frames_since_anchor = torch.full_like(state.memory, float("nan")), 3

    subject.step([request(picture(0), state)])
    assert state.memory is None
    subject.step([request(picture(0), state)])
    assert state.memory is not None


def test_a_model_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model 'absent'"):
        load_editor("absent")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", r"model_index\.json cannot be read: "),
        ("{}", r"model_index\.json is no model's: it holds no object with a _class_name"),
        ("[]", r"model_index\.json is no model's"),
        ('{"_class_name": 1}', r"model_index\.json is no model's"),
    ],
)
def test_an_index_that_is_none_is_one_clear_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "model_index.json").write_text(text)
    with pytest.raises(ModelError, match=line) as raised:
        load_editor(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", ["x", -1, 1.5, None, True])
def test_a_wrong_field_of_the_embedded_models_index_is_named(tmp_path: Path, value: object) -> None:
    index = json.loads((SHIPPED_MODELS / "rfdm-tiny" / "model_index.json").read_text())
    (tmp_path / "model_index.json").write_text(json.dumps({**index, "key_frame_interval": value}))
    with pytest.raises(
        ModelError, match=r"model_index\.json: key_frame_interval is .*, not a whole number of at least 0"
    ):
        load_editor(tmp_path)


def test_a_device_that_is_not_there_is_one_clear_line() -> None:
    with pytest.raises(ModelError, match="no device 'abacus'"):
        choose_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="no NVIDIA GPU"):
            choose_device("cuda")


def test_the_noise_moves_with_what_falls_and_stands_still_otherwise() -> None:
    live = editor()
    falling, still = live.open(seed=1), live.open(seed=1)

    fields, frozen = [], []
    for index in range(2):
        live.step([request(picture(index), falling, "snow"), request(picture(index), still, "sepia")])
        assert falling.noise is not None
        fields.append(PatchCodec(2).decode(falling.noise[None])[0])
        frozen.append(still.noise)

    for index, (down, right) in enumerate(NOISE_DRIFT["snow"][:2]):
        height, width = fields[0].shape[1:]
        arrived = fields[1][index, down:, right:]
        assert torch.equal(arrived, fields[0][index, : height - down, : width - right])
    assert frozen[0] is frozen[1]


def joined(*families: str) -> Conditioning:
    code = instruction_code(dict.fromkeys(families, 1.0))
    return Conditioning(
        " and ".join(families), code, families[0], 1.0, True, (), tuple((name, 1.0) for name in families)
    )


def test_joined_edits_are_the_second_of_what_the_first_made() -> None:
    live, source = editor(), picture(0)
    together = live.step([EditRequest(source, joined("night", "crt"), live.open(seed=3))])[0]

    first = live.step([request(source, live.open(seed=3), "night")])[0]
    second = live.step([request(first.picture, live.open(seed=4), "crt")])[0]

    assert np.array_equal(together.picture, second.picture)
    assert together.evaluations == 2
    assert together.key_frame


def test_the_strength_of_joined_edits_mixes_their_result_with_the_source() -> None:
    live, source = editor(), picture(0)
    none, whole, half = (
        live.step([EditRequest(source, joined("night", "crt"), live.open(), strength)])[0].picture.astype(int)
        for strength in (0.0, 1.0, 0.5)
    )

    assert np.array_equal(none, source)
    assert np.abs(half - (source.astype(int) + whole) / 2).max() <= 1


def test_joined_and_single_edits_of_several_streams_are_made_in_one_step() -> None:
    live, source = editor(), picture(0)
    both = live.step(
        [
            EditRequest(source, joined("night", "crt"), live.open(seed=1)),
            request(source, live.open(seed=1), "sepia"),
        ]
    )
    alone = live.step([request(source, live.open(seed=1), "sepia")])[0]

    assert [result.evaluations for result in both] == [2, 1]
    assert np.array_equal(both[1].picture, alone.picture)


class Grey(nn.Module):
    """Whatever it is shown, it answers with one grey."""

    code_length = CODE_LENGTH

    def forward(
        self, noisy: Tensor, source: Tensor, memory: Tensor, timestep: Tensor, code: Tensor
    ) -> Tensor:
        return torch.zeros_like(source)


def flat(level: int) -> NDArray[np.uint8]:
    return np.full((64, 96, 3), level, np.uint8)


def test_a_cut_that_the_first_of_two_joined_edits_hides_begins_both_anew() -> None:
    live = editor(replace(small_parts(), denoiser=Grey()))
    state, both = live.open(), joined("night", "crt")
    for _ in range(4):
        result = live.step([EditRequest(flat(30), both, state)])[0]
    cut = live.step([EditRequest(flat(200), both, state)])[0]

    assert np.array_equal(result.picture, cut.picture)
    assert [state.of_pass(index).frames_since_anchor for index in (0, 1)] == [1, 1]


def test_a_picture_that_was_edited_before_is_cut_where_the_cameras_is() -> None:
    live = editor()
    state, shown = live.open(), picture(0)
    for camera in (flat(30), flat(30), flat(200)):
        live.step([replace(request(shown, state), camera=camera)])

    assert state.frames_since_anchor == 1


def test_what_a_picture_has_been_through_is_part_of_what_a_memory_belongs_to() -> None:
    live = editor()
    state, shown = live.open(), picture(0)
    for done in (("sepia",), ("sepia",), ("night",)):
        live.step([replace(request(shown, state, "crt"), done=done)])

    assert state.frames_since_anchor == 1


def test_the_end_of_a_transition_to_two_joined_edits_begins_anew() -> None:
    """Until then both are made in one pass, and its memory is of a picture with both edits in it."""
    live, shown, both = editor(), picture(0), joined("night", "crt")
    state = live.open()
    for share in (0.5, 0.9):
        live.step([EditRequest(shown, joined("night").towards(both, share), state)])
    assert state.frames_since_anchor == 2

    live.step([EditRequest(shown, both, state)])
    assert state.frames_since_anchor == 1


def test_joined_edits_have_drifted_as_far_as_the_further_of_them() -> None:
    assert furthest(None, None) is None
    assert furthest(0.1, None) == 0.1
    assert furthest(0.1, 0.3) == furthest(0.3, 0.1) == 0.3


def test_the_sizes_of_usual_cameras_are_those_a_server_edits_at() -> None:
    parts = replace(small_parts(), size_multiple=64, short_side=512)

    assert served_sizes(parts, USUAL_CAMERAS) == ((512, 704), (512, 896))
    assert served_sizes(parts, ((640, 480), (800, 600)), 256) == ((256, 320),)
