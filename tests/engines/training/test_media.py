from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from engines.training.media import (
    CropSampler,
    Media,
    Scene,
    camera_path,
    evaluation_files,
    load_media,
    moving_crop,
    training_files,
    view,
)


def write_photo(path: Path, size: tuple[int, int] = (320, 288), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.linspace(0, 255, size[0] * size[1]).astype(np.uint8).reshape(size[1], size[0])
    Image.fromarray(levels).convert(mode).save(path)
    return path


def write_clip(path: Path, frames: int = 12) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 288, "yuv420p"
        for index in range(frames):
            picture = np.full((288, 320, 3), 10 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def load(folder: Path) -> Media:
    return load_media(folder, training_files(folder))


def test_photos_and_clips_are_brought_to_one_short_side(tmp_path: Path) -> None:
    write_photo(tmp_path / "photo.png")
    write_clip(tmp_path / "clip.mp4")
    clip, photo = load(tmp_path).scenes

    assert photo.is_photo
    assert photo.frames.shape == (1, 3, 256, 284)
    assert clip.frames.shape == (12, 3, 256, 284)


def test_a_grey_photo_is_used_in_three_channels(tmp_path: Path) -> None:
    write_photo(tmp_path / "grey.png", mode="L")

    assert load(tmp_path).scenes[0].frames.shape[1] == 3


def test_broken_and_tiny_files_are_reported_one_by_one_and_skipped(tmp_path: Path) -> None:
    write_photo(tmp_path / "good.png")
    write_photo(tmp_path / "tiny.png", size=(20, 20))
    (tmp_path / "broken.jpg").write_bytes(b"not a photo")
    (tmp_path / "broken.mp4").write_bytes(b"not a clip")
    (tmp_path / "notes.txt").write_text("not media at all")
    media = load(tmp_path)

    assert [scene.name for scene in media.scenes] == ["good.png"]
    assert [line.split(":")[0] for line in media.skipped] == ["broken.jpg", "broken.mp4", "tiny.png"]


def test_a_folder_without_media_is_refused_and_so_is_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no usable"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match="not a folder"):
        load(tmp_path / "absent")


def test_eval_folders_are_never_trained_on_and_are_all_that_is_evaluated(tmp_path: Path) -> None:
    held_out = write_photo(tmp_path / "photos" / "eval" / "a.png")
    trained = write_photo(tmp_path / "photos" / "train" / "b.png")
    write_photo(tmp_path / "masks" / "photos" / "c.png")

    assert training_files(tmp_path) == [trained]
    assert evaluation_files(tmp_path) == [held_out]
    assert training_files(tmp_path / "photos" / "eval") == []


def test_any_folder_can_be_evaluated_on(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.png")

    assert evaluation_files(tmp_path) == [photo]


def test_a_still_camera_films_the_middle_of_the_photo() -> None:
    photo = torch.rand(3, 96, 128, generator=torch.Generator().manual_seed(0))
    still = torch.tensor([[0.0, 0.0, 1.0, 0.0]])

    torch.testing.assert_close(view(photo, still, (64, 64))[0], photo[:, 16:80, 32:96], atol=1e-5, rtol=0)


def test_a_hand_held_camera_moves_a_little_from_frame_to_frame() -> None:
    photo = torch.rand(3, 256, 256, generator=torch.Generator().manual_seed(0))
    path = camera_path(30, torch.Generator().manual_seed(1))
    frames = view(photo, path, (128, 128))

    assert path.shape == (30, 4)
    assert frames.shape == (30, 3, 128, 128)
    assert float((frames[1:] - frames[:-1]).abs().mean((1, 2, 3)).min()) > 0
    assert float((path[1:, :2] - path[:-1, :2]).abs().max()) < 0.1


def test_crops_of_a_clip_stay_in_order() -> None:
    levels = torch.arange(60, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 256, 256) * 4
    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        crops = moving_crop(Scene("clip", levels), 3, 4, 64, generator)
        means = crops.mean((1, 2, 3))
        assert crops.shape == (3, 3, 64, 64)
        assert means[0] <= means[1] <= means[2]


def test_the_same_seed_gives_the_same_batches() -> None:
    scenes = [Scene("photo", torch.randint(0, 255, (1, 3, 256, 256), dtype=torch.uint8))]
    sampler = CropSampler(scenes, batch=2, frames=3, size=64)
    first, again, other = (next(sampler.batches(seed)) for seed in (5, 5, 6))

    assert first.shape == (3, 2, 3, 64, 64)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_second_batch_is_of_first_frames() -> None:
    scenes = [Scene("photo", torch.randint(0, 255, (1, 3, 256, 256), dtype=torch.uint8))]
    batches = CropSampler(scenes, batch=2, frames=3, size=64).batches(0)

    assert [len(next(batches)) for _ in range(4)] == [3, 1, 3, 1]
