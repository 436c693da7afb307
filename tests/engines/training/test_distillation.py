import copy

import pytest
import torch
from torch import Tensor

from engines.backbones.tiny import TinyConfig, TinyDenoiser
from engines.compilers.verify import relative_error
from engines.flow import flow_levels
from engines.guidance import GuidanceScales
from engines.program import Direct, ThreeBranch
from engines.schedules import Schedule, ShiftedFlow, VariancePreserving
from engines.training.distillation import Halving, Teacher, bounded, distillation_losses, taught
from engines.training.forcing import ConditionDropout
from tests.engines.compilers.subjects import subject
from tests.engines.stock import vp_scheduler

SHAPE = (3, 4, 48, 4, 4)


def latents(seed: int) -> Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def network(seed: int = 0) -> TinyDenoiser:
    torch.manual_seed(seed)
    config = TinyConfig(
        code_length=3,
        widths=(8, 8, 8),
        blocks=(1, 1, 1),
        context_width=8,
        context_blocks=1,
        condition_width=8,
        detail_width=8,
        figure_families=(),
        hue_families=(),
        defocus_families=(),
        eraser_families=(),
        field_families=(),
    )
    denoiser = TinyDenoiser(config).eval()
    torch.nn.init.normal_(denoiser.detail.out.weight, std=0.02)
    return denoiser


def losses(student: Direct, teacher: Direct | ThreeBranch, halving: Halving) -> list[Tensor]:
    found = distillation_losses(
        student,
        teacher,
        latents(0) / 2,
        latents(1) / 2,
        torch.ones(4, 3),
        halving,
        ConditionDropout(),
        torch.Generator().manual_seed(0),
    )
    return [loss.detach() for loss in found]


def test_a_student_that_is_its_teacher_has_nothing_to_learn_at_equal_steps() -> None:
    same = Direct(network())

    torch.testing.assert_close(
        torch.stack(losses(same, same, Halving(4, 4))), torch.zeros(3), atol=1e-10, rtol=0
    )


def test_guidance_of_scale_one_is_no_guidance_to_learn() -> None:
    """w_x = w_p = 1 leaves the conditional prediction alone."""
    denoiser = network()

    found = torch.stack(losses(Direct(denoiser), ThreeBranch(denoiser, 1.0, 1.0), Halving(4, 4)))
    torch.testing.assert_close(found, torch.zeros(3), atol=1e-8, rtol=0)


def test_guidance_and_fewer_steps_are_something_to_learn() -> None:
    denoiser = network()

    assert min(losses(Direct(denoiser), ThreeBranch(denoiser, 3.5, 1.5), Halving(4, 4))) > 1e-6
    assert min(losses(Direct(denoiser), Direct(network(1)), Halving(8, 2))) > 1e-6


@pytest.mark.parametrize(("first", "inner"), [(0, 8), (0, 4), (4, 4), (2, 2), (7, 1)])
def test_a_teacher_of_one_mind_teaches_its_mind(first: int, inner: int) -> None:
    """On a straight path every step points at the same clean latent, and so does the long step that replaces them."""
    clean, noise = latents(0)[0], latents(1)[0]
    levels = flow_levels(8)
    y_s = levels.alpha[first] * clean + levels.sigma[first] * noise

    def teacher(noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        return clean

    wanted = taught(
        bounded(teacher), y_s, clean, clean, torch.ones(4, 3), levels, torch.full((4,), first), inner
    )

    torch.testing.assert_close(wanted, clean, atol=1e-5, rtol=1e-5)


def test_the_students_step_lands_where_the_teachers_steps_do() -> None:
    teacher, levels = Direct(network()), flow_levels(8)
    x, y_s = latents(0)[0], latents(1)[0]
    code, nothing = torch.ones(4, 3), torch.zeros_like(x)
    wanted = taught(bounded(teacher), y_s, x, nothing, code, levels, torch.full((4,), 2), 3)

    y_t = y_s
    with torch.no_grad():
        for index in range(2, 5):
            sigma, sigma_next = float(levels.sigma[index]), float(levels.sigma[index + 1])
            y = teacher(y_t, x, nothing, torch.full((4,), sigma), code).clamp(-1, 1)
            y_t = (1 - sigma_next) * y + sigma_next / sigma * (y_t - (1 - sigma) * y)
    sigma, sigma_next = float(levels.sigma[2]), float(levels.sigma[5])
    landed = (1 - sigma_next) * wanted + sigma_next / sigma * (y_s - (1 - sigma) * wanted)

    torch.testing.assert_close(landed, y_t, atol=1e-5, rtol=1e-5)


def test_what_a_step_starts_from_is_noised_around_the_memory() -> None:
    """The second frame's memory is the first one's prediction: alpha y + sigma (y_hat + z) on the mean."""
    seen: list[tuple[Tensor, Tensor]] = []

    def student(noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        seen.append((noisy, sigma))
        return torch.full_like(source, 0.8)

    still = torch.zeros(2, 64, 48, 8, 8)
    list(
        distillation_losses(
            student, student, still, still + 0.4, torch.ones(64, 3), Halving(2, 2), ConditionDropout(),
            torch.Generator().manual_seed(0),
        )
    )  # fmt: skip
    noisy, sigma = seen[-1]

    for level, mean in ((1.0, 0.8), (0.5, 0.5 * 0.4 + 0.5 * 0.8)):
        assert noisy[sigma == level].mean().item() == pytest.approx(mean, abs=0.01)


@pytest.mark.parametrize(("teacher_steps", "student_steps"), [(8, 3), (4, 8), (8, 0)])
def test_steps_that_do_not_divide_are_refused(teacher_steps: int, student_steps: int) -> None:
    with pytest.raises(ValueError, match=f"{teacher_steps} steps cannot be taught as {student_steps}"):
        Halving(teacher_steps, student_steps)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("backbone", ["sd15", "sd35"])
def test_a_teacher_answers_what_the_live_sampler_would(backbone: str, dtype: torch.dtype) -> None:
    """Whatever its network predicts and at whatever levels; in half precision as on a GPU."""
    program = subject(backbone, steps=3)
    schedule: Schedule = ShiftedFlow(3.0, 1000)
    if backbone == "sd15":
        schedule = VariancePreserving(vp_scheduler().alphas_cumprod)
    generator = torch.Generator().manual_seed(0)
    shape = (2, program.codec.channels, 8, 8)
    source, memory, noise = (torch.randn(shape, generator=generator) for _ in range(3))
    codes = torch.randn(3, program.code_length, generator=generator)
    code, silence = codes[:2], codes[2]
    guided = ThreeBranch(program.predict.denoiser, 1.5, 2.0, silence)
    with torch.no_grad():
        expected = program.sample(guided, source, memory, noise, code)
        own = copy.deepcopy(program.predict.denoiser).to(dtype)
        teacher = Teacher(own, schedule, program.prediction, 3, GuidanceScales(1.5, 2.0), silence)
        answer = teacher(torch.zeros(shape), source, memory, noise, code)

    assert answer.dtype == torch.float32
    assert relative_error(answer, expected) < (1e-5 if dtype == torch.float32 else 0.1)
