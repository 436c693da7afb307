from pathlib import Path

import pytest
import torch

from engines.compilers.inductor import InductorCompiler
from engines.compilers.store import EngineStore
from engines.model import ModelError
from tests.engines.compilers.gated import frame_program


def test_without_a_toolchain_it_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ModelError, match=r"inductor needs a C\+\+ compiler"):
        InductorCompiler(frame_program(), torch.device("cpu"), torch.float32, EngineStore(tmp_path))
