"""Real engines, built by TensorRT for RTX without a GPU; what TensorRT itself shares with it is exercised too."""

import signal
from pathlib import Path

import pytest
import torch

from engines.compilers import tensorrt, tensorrt_library
from engines.compilers.choose import choose_compiler
from engines.compilers.interface import Footprint, FrameShape
from engines.compilers.parts import program_inputs
from engines.compilers.quantisation import measure_ranges
from engines.compilers.store import EngineStore
from engines.compilers.tensorrt import BATCHES, ENGINE_FILE, TensorRtCompiler
from engines.compilers.tensorrt_build import build_from_onnx
from engines.compilers.tensorrt_library import (
    TENSORRT,
    TENSORRT_RTX,
    TORCH_TENSORRT,
    TensorRtLibrary,
    present_target,
)
from engines.compilers.verify import verify_networks
from engines.install import install_package
from engines.model import ModelError
from tests.engines.compilers.subjects import BACKBONES, subject

SMALL = FrameShape(1, 64, 64)
without_gpu = pytest.mark.skipif(present_target() is not None, reason="there is a GPU")


def compiler(
    folder: Path,
    backbone: str = "tiny",
    *,
    steps: int = 1,
    target: str = "sm89",
    batches: tuple[int, ...] = (1,),
    sizes: tuple[tuple[int, int], ...] = (),
    precision: str = "float16",
) -> TensorRtCompiler:
    program = subject(backbone, steps)
    shown = program_inputs(program, SMALL, torch.Generator().manual_seed(0))
    ranges = measure_ranges(program, [shown]) if precision in ("int8", "fp8") else None
    return TensorRtCompiler(
        program,
        TENSORRT_RTX,
        precision,  # type: ignore[arg-type]  # parametrised
        EngineStore(folder),
        sizes=sizes,
        batches=batches,
        target=target,
        ranges=ranges,
    )


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_becomes_three_engines_and_tells_its_progress(backbone: str, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    made = compiler(tmp_path, backbone).build(SMALL, lambda phase, share: told.append((phase, share)))

    assert list(made) == ["encoder", "denoiser", "decoder"]
    assert all((folder / ENGINE_FILE).stat().st_size > 10_000 for folder in made.values())
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert len({phase for phase, _ in told}) > 10


def test_five_batches_and_two_resolutions_are_ten_profiles_of_one_engine(tmp_path: Path) -> None:
    own = compiler(tmp_path, batches=BATCHES, sizes=((64, 64), (64, 96)))
    shapes = [FrameShape(batch, 64, width) for width in (64, 96) for batch in BATCHES]
    folders = {own.build(shape)["denoiser"] for shape in shapes}

    assert own.profiles(SMALL) == tuple(shapes)
    assert len(folders) == 1
    # A server that knows of one size only finds them.
    assert compiler(tmp_path).build(FrameShape(1, 64, 96))["denoiser"] in folders
    # A size that nobody foresaw gets engines of its own.
    assert {shape.width for shape in own.profiles(FrameShape(1, 64, 128))} == {128}


def test_the_files_of_an_engine_are_read_once_for_all_its_shapes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, read = compiler(tmp_path, batches=(1, 2)), list[Path]()
    first = own.build(SMALL)
    monkeypatch.setattr(EngineStore, "find", lambda store, manifest: read.append(store.folder))

    assert own.build(FrameShape(2, 64, 64)) == first
    assert read == []


def test_memory_is_counted_while_another_thread_loads_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = compiler(tmp_path)

    class Loaded:
        file_bytes = 100

        def __init__(self, library: TensorRtLibrary, path: Path) -> None:
            self._path = path

        @property
        def weights_bytes(self) -> int:
            if self._path.name == "first":
                own._load(tmp_path / "second")
            return 40

    monkeypatch.setattr(tensorrt, "TensorRtEngine", Loaded)
    first = own._load(tmp_path / "first")

    assert own.footprint() == Footprint(weights_bytes=40, engine_bytes=60)
    del first
    assert own.footprint() == Footprint()


@pytest.mark.parametrize("precision", ["bfloat16", "int8", "fp8"])
def test_every_precision_builds(precision: str, tmp_path: Path) -> None:
    made = compiler(tmp_path, precision=precision).build(SMALL)

    assert (made["denoiser"] / ENGINE_FILE).exists()


def test_neither_another_number_of_steps_nor_a_restart_rebuilds(tmp_path: Path) -> None:
    first = compiler(tmp_path).build(SMALL)
    again = compiler(tmp_path, steps=4).build(SMALL)

    assert first == again
    assert len(list(tmp_path.iterdir())) == 3


def test_other_weights_shapes_target_or_library_are_another_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, elsewhere = compiler(tmp_path), compiler(tmp_path, target="sm120")
    manifest = own.manifest(own.parts[1], SMALL)
    other_device = elsewhere.manifest(own.parts[1], SMALL)
    program = subject("tiny")
    with torch.no_grad():
        program.predict.denoiser.get_parameter("stem.weight").mul_(1.5)
    retrained = TensorRtCompiler(
        program, TENSORRT_RTX, "float16", EngineStore(tmp_path), target="sm89", batches=(1,)
    )
    other_weights = retrained.manifest(retrained.parts[1], SMALL)
    other_shape = own.manifest(own.parts[1], FrameShape(1, 64, 96))
    monkeypatch.setattr(TensorRtLibrary, "version", "tensorrt-rtx 99")
    other_library = own.manifest(own.parts[1], SMALL)

    assert manifest.differences(other_device) == ("device",)
    assert manifest.differences(other_weights) == ("model_sha256",)
    assert manifest.differences(other_shape) == ("shapes",)
    assert manifest.differences(other_library) == ("library",)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_the_networks_of_engines_are_compared_where_engines_cannot_run(
    backbone: str, precision: str, tmp_path: Path
) -> None:
    own = compiler(tmp_path, backbone, precision=precision)
    checks = verify_networks(own, subject(backbone), SMALL, tmp_path)

    assert [check.what for check in checks if check.ran_by == "ONNX Runtime"] == [
        "encoder network",
        "denoiser network",
        "decoder network",
    ]
    assert all(check.passed for check in checks), checks


@without_gpu
def test_an_engine_for_another_machine_is_not_run_here(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="engines for sm89 cannot run on a machine without GPU"):
        compiler(tmp_path).compile(SMALL)


def test_an_unknown_target_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not build for sm61: sm75, sm80"):
        compiler(tmp_path, target="sm61")


@without_gpu
def test_no_target_without_a_gpu_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match="needs an NVIDIA GPU; for one elsewhere afterimage compile --target makes"
    ):
        TensorRtCompiler(subject("tiny"), TENSORRT_RTX, "float16", EngineStore(tmp_path))


def test_eight_bits_without_ranges_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="never calibrated for fp8"):
        TensorRtCompiler(subject("tiny"), TENSORRT_RTX, "fp8", EngineStore(tmp_path), target="sm89")


def test_a_network_the_library_cannot_read_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no network")
    library = TensorRtLibrary(TENSORRT_RTX)
    with pytest.raises(ModelError, match="tensorrt-rtx cannot read the network: "):
        build_from_onnx(library, tmp_path / "model.onnx", [], "sm89", lambda phase, share: None)


@pytest.mark.parametrize("flavour", [TENSORRT, TORCH_TENSORRT])
def test_a_library_that_is_not_installed_is_one_clear_line(flavour: object, tmp_path: Path) -> None:
    name = flavour.name  # type: ignore[attr-defined]
    if tensorrt_library.missing(flavour) is None:  # type: ignore[arg-type]
        pytest.skip(f"{name} is installed")
    with pytest.raises(
        ModelError, match=f"compiler {name} needs the package tensorrt: {install_package(name)}"
    ):
        choose_compiler(
            name, subject("tiny"), torch.device("cpu"), lambda: None, EngineStore(tmp_path), target="sm89"
        )


def test_tensorrt_itself_takes_the_same_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the RTX library in its place: TensorRT has the same interface, but cannot be had without a GPU."""
    rtx = TensorRtLibrary(TENSORRT_RTX).trt
    monkeypatch.setattr(tensorrt_library, "find_spec", lambda name: name == "tensorrt")
    monkeypatch.setattr(tensorrt_library, "import_module", lambda name: rtx)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    own = TensorRtCompiler(
        subject("tiny"), TENSORRT, "float16", EngineStore(tmp_path), batches=(1,), target="sm89"
    )
    made = own.build(SMALL)
    manifest = own.manifest(own.parts[0], SMALL)

    assert (made["denoiser"] / ENGINE_FILE).exists()
    assert (manifest.compiler, manifest.device) == ("tensorrt", "sm89 NVIDIA H200")
    assert manifest.library.startswith("tensorrt ")


def test_a_build_ends_where_its_report_raises_and_at_ctrl_c(tmp_path: Path) -> None:
    """An exception that went through the library would end the process."""

    def give_up(phase: str, share: float) -> None:
        if share > 0.2:
            raise ModelError("the program ends")

    def press(phase: str, share: float) -> None:
        if share > 0.2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(ModelError, match=r"^the program ends$"):
        compiler(tmp_path).build(SMALL, give_up)
    with pytest.raises(KeyboardInterrupt):
        compiler(tmp_path).build(SMALL, press)
    assert {path.name.split("-")[2] for path in tmp_path.iterdir()} == {"encoder"}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
