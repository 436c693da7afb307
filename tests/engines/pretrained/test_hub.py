"""The hub's client is replaced at its edge: no test needs a network."""

import errno
import shutil
from collections import namedtuple
from fnmatch import fnmatch
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors

from engines.model import ModelError, find_model
from engines.pretrained.convert import main as convert
from engines.pretrained.hub import download, download_component
from tests.engines.stock import save_sd15, save_sd35

REPOSITORY = "someone/something"
Usage = namedtuple("Usage", "total used free")
File = namedtuple("File", "filename file_size will_download")


def refused(kind: type[Exception]) -> Exception:
    """An error of the client, without the response that it is made of."""
    error = kind.__new__(kind)
    Exception.__init__(error, "401 Client Error\nwith a long explanation")
    return error


class Hub:
    """What `snapshot_download` would do."""

    def __init__(self, folder: Path, files: list[File], failure: Exception | None = None) -> None:
        self.folder, self.files, self.failure = folder, files, failure
        self.asked: list[list[str]] = []
        self.broken: Exception | None = None
        self.kept = False

    def snapshot_download(
        self,
        repository: str,
        allow_patterns: list[str] | None = None,
        dry_run: bool = False,
        local_files_only: bool = False,
    ) -> str | list[File]:
        if local_files_only:
            if not self.kept:
                raise errors.LocalEntryNotFoundError("not in the cache")
            return str(self.folder)
        if dry_run:
            if self.failure is not None:
                raise errors.DryRunError("the repository cannot be accessed") from self.failure
            return [
                file
                for file in self.files
                if any(fnmatch(file.filename, pattern) for pattern in allow_patterns or ["*"])
            ]
        if self.broken is not None:
            raise self.broken
        self.asked.append(allow_patterns or [])
        return str(self.folder)


def listed(folder: Path, *extra: str) -> list[File]:
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    return [File(name, 1000, True) for name in (*names, *extra)]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    folder = save_sd15(tmp_path / "snapshot")
    made = Hub(folder, listed(folder))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", made.snapshot_download)
    return made


def test_an_id_of_the_hub_is_a_model(hub: Hub) -> None:
    assert find_model(REPOSITORY) == hub.folder


def test_of_several_sets_of_weights_one_is_downloaded(hub: Hub) -> None:
    unet = "unet/diffusion_pytorch_model"
    hub.files = listed(
        hub.folder,
        f"{unet}.fp16.safetensors",
        f"{unet}.non_ema.safetensors",
        "text_encoder_2/model.fp16.safetensors",
        "text_encoder_3/model-00001-of-00002.safetensors",
        "text_encoder_3/model-00002-of-00002.safetensors",
        "text_encoder_3/model.safetensors.index.json",
        "text_encoder_3/model.fp16-00001-of-00002.safetensors",
        "text_encoder_3/model.safetensors.index.fp16.json",
    )
    download(REPOSITORY)

    (asked,) = hub.asked
    assert [name for name in asked if name.startswith("unet/d")] == [f"{unet}.safetensors"]
    assert "text_encoder_2/model.fp16.safetensors" in asked
    assert [name for name in asked if name.startswith("text_encoder_3")] == [
        "text_encoder_3/model-00001-of-00002.safetensors",
        "text_encoder_3/model-00002-of-00002.safetensors",
        "text_encoder_3/model.safetensors.index.json",
    ]


def test_the_largest_text_encoder_is_not_downloaded_to_be_left_out(hub: Hub, tmp_path: Path) -> None:
    hub.folder = save_sd35(tmp_path / "sd35")
    hub.files = listed(hub.folder)
    assert convert([REPOSITORY, str(tmp_path / "light"), "--without-t5"]) == 0
    assert convert([REPOSITORY, str(tmp_path / "whole")]) == 0

    light, whole = ({name.partition("/")[0] for name in asked} for asked in hub.asked)
    assert whole - light == {"text_encoder_3", "tokenizer_3"}
    assert {path.name for path in (tmp_path / "light").iterdir()} == light


def test_a_single_network_can_be_fetched(hub: Hub) -> None:
    hub.files = [File("config.json", 10, True), File("diffusion_pytorch_model.safetensors", 10, True)]
    download_component(REPOSITORY)

    assert hub.asked == [["config.json", "diffusion_pytorch_model.safetensors"]]


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (refused(errors.GatedRepoError), "is gated: accept its licence"),
        (refused(errors.RepositoryNotFoundError), "on the hub it does not exist or is private"),
        (refused(errors.HfHubHTTPError), "the hub refused someone/something: 401 Client Error"),
        (errors.OfflineModeIsEnabled("offline"), "the hub cannot be reached"),
        (errors.LocalEntryNotFoundError("no connection"), "the hub cannot be reached"),
        (ConnectionError("no route to host"), "the hub cannot be reached"),
    ],
)
def test_what_keeps_a_model_from_coming_is_one_line(hub: Hub, failure: Exception, line: str) -> None:
    hub.failure = failure
    with pytest.raises(ModelError, match=line) as raised:
        find_model(REPOSITORY)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space is left on the disk"),
        (refused(errors.GatedRepoError), "is gated: accept its licence"),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot be stored"),
        (ConnectionError("reset by peer"), "the hub cannot be reached"),
    ],
)
def test_what_ends_a_download_is_one_line(hub: Hub, failure: Exception, line: str) -> None:
    hub.broken = failure
    with pytest.raises(ModelError, match=line):
        find_model(REPOSITORY)


def test_the_client_itself_told_to_stay_offline_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="neither a folder here nor downloaded yet"):
        find_model(REPOSITORY)


def test_without_a_network_an_earlier_download_serves(hub: Hub) -> None:
    hub.failure, hub.kept = ConnectionError("no route to host"), True

    assert find_model(REPOSITORY) == hub.folder


def test_a_full_disk_is_told_before_the_download(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 10, 5))
    with pytest.raises(ModelError, match=r"needs .* on the disk, 0\.0 MB are free"):
        download(REPOSITORY)
    assert hub.asked == []


def test_a_repository_of_something_else_is_one_line(hub: Hub) -> None:
    hub.files = [File("config.json", 10, True)]
    with pytest.raises(ModelError, match=r"it has no model_index\.json"):
        download(REPOSITORY)
