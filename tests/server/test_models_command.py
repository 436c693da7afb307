import pytest

from engines.families import FAMILIES, LABELS
from engines.model import SHIPPED_MODELS
from server.models import main


def test_every_shipped_model_is_listed_with_every_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0

    listed = capsys.readouterr().out
    for index in SHIPPED_MODELS.glob("*/model_index.json"):
        assert index.parent.name in listed
        assert all(LABELS[family] in listed for family in FAMILIES)
