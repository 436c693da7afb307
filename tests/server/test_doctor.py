import json
import os
from dataclasses import replace

import pytest

from engines.compilers.availability import Availability
from server import doctor
from server.doctor import Device, advice, codec_lines, is_usable, main
from server.hardware_codecs import CodecCheck, check_codecs

DEVICE = Device("a processor", 2, True, True, 2**34, (), False, None, None)
LIVE = tuple(
    CodecCheck(f"{format_} {kind}", format_, kind, None, works=True)
    for format_ in ("h264", "vp8")
    for kind in ("encode", "decode")
)
EAGER = Availability("eager", runs=True)


# The first of this file, as a priority that was raised once stays so.
@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="the priority is Linux's to tell")
def test_trying_the_codecs_leaves_who_tries_them_at_an_ordinary_priority() -> None:
    before = os.sched_getscheduler(0)
    check_codecs()
    assert os.sched_getscheduler(0) == before


@pytest.fixture(scope="module")
def codecs() -> tuple[CodecCheck, ...]:
    return check_codecs()


def test_every_live_codec_works_in_software(codecs: tuple[CodecCheck, ...]) -> None:
    working = {(codec.format, codec.kind) for codec in codecs if codec.works and codec.hardware is None}

    assert working >= {("h264", "encode"), ("h264", "decode"), ("vp8", "encode"), ("vp8", "decode")}


def test_a_hardware_codec_without_its_hardware_is_listed_and_does_not_work(
    codecs: tuple[CodecCheck, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most of them open without complaint; only pictures tell."""
    listed = {codec.name: codec for codec in codecs}
    if "h264_nvenc" not in listed:
        pytest.skip("this build of PyAV has no nvenc")
    nvenc = listed["h264_nvenc"]

    assert nvenc.hardware == "NVIDIA"
    assert nvenc.works or nvenc.reason


def test_a_machine_that_can_edit_exits_0_and_tells_json_alone(
    capsys: pytest.CaptureFixture[str], codecs: tuple[CodecCheck, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "check_codecs", lambda: codecs)

    assert main(["--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["usable"] is True
    assert told["device"]["cores"] > 0
    assert {each["compiler"] for each in told["compilers"]} == {
        "eager",
        "inductor",
        "openvino",
        "onnxruntime",
        "tensorrt",
        "torch-tensorrt",
        "tensorrt-rtx",
    }
    assert all(each["runs"] or each["reason"] for each in told["compilers"])


def test_a_machine_that_cannot_edit_exits_1_and_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "check_codecs", lambda: LIVE[:3])

    assert main([]) == 1
    shown = capsys.readouterr().out
    assert "cannot edit live video here" in shown
    assert "a PyAV build that can decode vp8" in shown


def test_hardware_that_is_not_here_is_one_line() -> None:
    nvenc = CodecCheck("h264_nvenc", "h264", "encode", "NVIDIA", works=False, reason="Unknown error")
    cuvid = CodecCheck("h264_cuvid", "h264", "decode", "NVIDIA", works=False, reason="Unknown error")
    x264 = CodecCheck("libx264", "h264", "encode", None, works=True)
    without = replace(DEVICE, gpus=(), driver=None)
    *_, told = codec_lines((x264, nvenc, cuvid), without)
    assert told == "NVIDIA: nothing of it works (there is no NVIDIA driver)"

    works = replace(nvenc, works=True, reason=None)
    *_, told = codec_lines((x264, works, cuvid), replace(DEVICE, driver="575.1"))
    assert told == "NVIDIA: h264_cuvid do not work (Unknown error)"


def test_live_video_needs_a_compiler_and_four_codecs() -> None:
    broken = Availability("eager", runs=False, reason="no torch")

    assert is_usable((EAGER,), LIVE)
    assert not is_usable((broken,), LIVE)
    assert not is_usable((EAGER,), LIVE[1:])


def test_advice_names_the_gpu_that_lies_idle_and_each_package_once() -> None:
    idle = Device("a processor", 2, True, True, 2**34, ("NVIDIA RTX 4090",), False, "575.1", "12.9")
    lacking = Availability("tensorrt", runs=False, reason="absent", install="pip install tensorrt")
    told = advice(idle, (EAGER, lacking, lacking), LIVE)

    assert len(told) == 2
    assert "the GPU is there but cannot be used" in told[0]
    assert told[1].startswith("pip install tensorrt ")
    assert advice(DEVICE, (EAGER,), LIVE) == ()
