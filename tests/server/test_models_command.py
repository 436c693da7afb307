import json
from pathlib import Path

import psutil
import pytest

from engines.families import FAMILIES, LABELS
from engines.model import SHIPPED_MODELS, models_folder
from engines.pretrained.convert import Conversion, convert
from server.models import main
from tests.engines.stock import save_instruct_pix2pix


@pytest.fixture(autouse=True)
def nobodys_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_every_shipped_model_is_listed_with_every_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0

    listed = capsys.readouterr().out
    for index in SHIPPED_MODELS.glob("*/model_index.json"):
        assert index.parent.name in listed
        assert all(LABELS[family] in listed for family in FAMILIES)


def test_large_models_are_listed_with_what_they_need(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stock = save_instruct_pix2pix(tmp_path / "stock")
    convert(Conversion(stock, models_folder() / "mine", made_from="stock"))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')

    assert main([str(stock), str(broken), str(tmp_path / "absent")]) == 0
    listed = capsys.readouterr().out
    assert "mine  rfdm1.5, version 1" in listed
    assert "stock  stock, rfdm1.5, version stock" in listed
    assert "broken  cannot be used: " in listed
    assert f"{tmp_path / 'absent'}  cannot be used: it is no folder" in listed
    assert listed.count("never trained to use the memory") == 2
    assert "1.0 MB on disk; needs " in listed
    assert "MB free: fits" in listed or "GB free: fits" in listed


def test_a_folder_with_a_wrong_field_is_told_of_among_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stock = save_instruct_pix2pix(tmp_path / "stock")
    for name in ("big", "narrow", "sharded", "tiny", "list", "whole"):
        convert(Conversion(stock, tmp_path / "models" / name, made_from="stock"))
    models = tmp_path / "models"
    edit_json(models / "big" / "model_index.json", short_side="big")
    edit_json(models / "narrow" / "vae" / "config.json", block_out_channels=[])
    weights = models / "sharded" / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".gone"))
    weights.with_suffix(".safetensors.index.json").write_text('{"weight_map": 3}')
    (models / "tiny" / "model_index.json").write_text('{"_class_name": "RFDMEditor", "_format_version": 1}')
    (models / "list" / "model_index.json").write_text("[]")

    assert main([str(models)]) == 0
    listed = capsys.readouterr().out
    index = "model_index.json"
    assert f'big  cannot be used: {models / "big" / index}: short_side is "big", not a whole' in listed
    assert (
        f"narrow  cannot be used: {models / 'narrow' / 'vae' / 'config.json'}: block_out_channels" in listed
    )
    assert "sharded  cannot be used: " in listed
    assert "its weight_map is wrong" in listed
    assert f"tiny  cannot be used: {models / 'tiny' / index} has no name" in listed
    assert f"list  cannot be used: {models / 'list' / index} is no model's" in listed
    assert "whole  rfdm1.5, version 1" in listed


def edit_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_does_not_fit_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 1_000_000

    stock = save_instruct_pix2pix(tmp_path / "stock")
    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    main([str(stock)])

    assert "1.0 MB free: does not fit" in capsys.readouterr().out
