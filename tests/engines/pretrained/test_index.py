"""What a person changed in ``model_index.json`` is taken, or refused in a line that names file and field."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.model import ModelError, load_parts
from engines.pretrained.checkpoint import read_checkpoint
from engines.pretrained.convert import Conversion, convert
from engines.pretrained.index import index_of
from tests.engines.stock import save_instruct_pix2pix


@pytest.fixture(scope="module")
def rfdm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    convert(Conversion(save_instruct_pix2pix(folder / "stock"), folder / "rfdm", made_from="stock"))
    return folder / "rfdm"


@pytest.fixture
def changed(tmp_path: Path, rfdm: Path) -> Callable[..., Path]:
    """A copy whose index has other values."""

    def change(**values: object) -> Path:
        shutil.copytree(rfdm, tmp_path / "changed")
        path = tmp_path / "changed" / "model_index.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
        return path.parent

    return change


WRONG: list[tuple[str, object, str]] = [
    ("short_side", "big", 'short_side is "big", not a whole number of at least 1'),
    ("short_side", 0, "short_side is 0, not a whole number of at least 1"),
    ("key_frame_interval", -1, "key_frame_interval is -1, not a whole number of at least 0"),
    ("key_frame_interval", "x", 'key_frame_interval is "x", not a whole number'),
    ("steps", True, "steps is true, not a whole number of at least 1"),
    ("steps", 2.5, r"steps is 2\.5, not a whole number of at least 1"),
    ("t5_tokens", None, "t5_tokens is null, not a whole number of at least 0"),
    ("guidance", "strong", 'guidance is "strong", not an object or null'),
    ("guidance", {"source": "x"}, r'guidance\.source is "x", not a number'),
    ("guidance", {"source": float("nan")}, r"guidance\.source is NaN, not a number"),
    ("guidance", {"source": 1}, r"model_index\.json has no guidance\.instruction"),
    (
        "trained_inputs",
        ["noisy", "sauce"],
        r'trained_inputs is \["noisy", "sauce"\], not a list of some of noisy',
    ),
    (
        "trained_inputs",
        ["noisy", "noisy"],
        "trained_inputs is .*, not a list of some of noisy, source, memory",
    ),
    ("trained_inputs", "noisy", 'trained_inputs is "noisy", not a list of some of'),
    ("trained_inputs", [["noisy"]], "not a list of some of noisy, source, memory"),
    ("name", 15, "name is 15, not a text"),
    ("version", ["1"] * 1000, r"version is \[.{59}…, not a text"),
]


@pytest.mark.parametrize(("field", "value", "line"), WRONG)
def test_a_wrong_field_is_named(changed: Callable[..., Path], field: str, value: object, line: str) -> None:
    with pytest.raises(ModelError, match=line) as raised:
        load_parts(changed(**{field: value}))
    assert "model_index.json" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_field_is_named(changed: Callable[..., Path]) -> None:
    folder = changed()
    path = folder / "model_index.json"
    index = json.loads(path.read_text())
    del index["steps"]
    path.write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"model_index\.json has no steps"):
        load_parts(folder)


def test_whatever_fits_is_taken(changed: Callable[..., Path]) -> None:
    folder = changed(guidance=None, key_frame_interval=0, steps=3, trained_inputs=["noisy", "memory"])
    index = index_of(read_checkpoint(folder), "")

    assert (index.guidance, index.key_frame_interval, index.steps) == (None, 0, 3)
    assert index.trained_inputs == ("noisy", "memory")
