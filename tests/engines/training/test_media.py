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
    people_crop,
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

    assert first.pictures.shape == (3, 2, 3, 64, 64)
    assert torch.equal(first.pictures, again.pictures)
    assert not torch.equal(first.pictures, other.pictures)


def test_every_second_batch_is_of_first_frames() -> None:
    scenes = [Scene("photo", torch.randint(0, 255, (1, 3, 256, 256), dtype=torch.uint8))]
    batches = CropSampler(scenes, batch=2, frames=3, size=64).batches(0)

    assert [len(next(batches).pictures) for _ in range(4)] == [3, 1, 3, 1]


def write_masked_media(folder: Path) -> None:
    """A photo and a clip, the left half of each a person, and a photo of nobody."""
    person = np.zeros((144, 160), np.uint8)
    person[:, :80] = 255
    write_photo(folder / "photos" / "a.png")
    write_photo(folder / "photos" / "nobody.png")
    write_clip(folder / "clips" / "b.mp4")
    (folder / "masks" / "photos").mkdir(parents=True)
    Image.fromarray(person).save(folder / "masks" / "photos" / "a.png")
    write_clip(folder / "masks" / "clips" / "b.mp4")


def test_mattes_are_read_from_the_masks_folder_at_the_size_of_their_scene(tmp_path: Path) -> None:
    write_masked_media(tmp_path)
    clip, photo, nobody = load(tmp_path).scenes

    assert clip.mattes is not None
    assert clip.mattes.shape == (12, 1, 256, 284)
    assert abs(int(clip.mattes[10].float().mean()) - 100) <= 3
    assert photo.mattes is not None
    assert photo.mattes.shape == (1, 1, 256, 284)
    assert int(photo.mattes[..., :130].min()) == 255
    assert int(photo.mattes[..., 154:].max()) == 0
    assert nobody.mattes is None


def test_masks_that_do_not_fit_are_reported_and_the_scene_is_kept(tmp_path: Path) -> None:
    write_clip(tmp_path / "b.mp4", frames=12)
    write_clip(tmp_path / "masks" / "b.mp4", frames=5)
    media = load(tmp_path)

    assert media.scenes[0].mattes is None
    assert media.skipped == ["masks of b.mp4: 5 mattes for 12 frames"]


def person_scene() -> Scene:
    """A white person in the left half of a black room."""
    frames = torch.zeros(1, 3, 256, 256, dtype=torch.uint8)
    frames[..., :128] = 255
    return Scene("photo", frames, frames[:, :1].clone())


def test_picture_and_matte_of_a_crop_stay_together() -> None:
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        pictures, mattes = people_crop(person_scene(), None, 3, 2, 64, generator)
        assert pictures.shape == (3, 3, 64, 64)
        assert mattes.shape == (3, 1, 64, 64)
        bright = pictures.mean(1, keepdim=True) > 0.4
        assert float((bright == (mattes > 0.5)).float().mean()) > 0.98


def test_a_person_can_be_put_before_another_scene() -> None:
    green = Scene(
        "backdrop", torch.tensor([30, 200, 30], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 256, 256)
    )
    pictures, mattes = people_crop(person_scene(), green, 1, 1, 64, torch.Generator().manual_seed(2))
    behind = pictures[0].permute(1, 2, 0)[mattes[0, 0] < 0.02]

    assert len(behind)
    assert float((behind[:, 1] - behind[:, 0]).mean()) > 0.3


def test_a_scene_without_mattes_has_no_people_to_crop() -> None:
    scene = Scene("photo", torch.zeros(1, 3, 256, 256, dtype=torch.uint8))
    with pytest.raises(ValueError, match="photo has no mattes"):
        people_crop(scene, None, 1, 1, 64, torch.Generator())
    with pytest.raises(ValueError, match="no scene has mattes"):
        next(CropSampler([scene], batch=2, frames=3, size=64).people_batches(0))


def test_every_fifth_batch_is_of_people_where_there_are_any() -> None:
    nobody = Scene("photo", torch.randint(0, 255, (1, 3, 256, 256), dtype=torch.uint8))
    batches = CropSampler([person_scene(), nobody], batch=2, frames=3, size=64).batches(0)
    drawn = [next(batches) for _ in range(10)]

    assert [bool(each.has_matte.all()) for each in drawn] == [False, False, True, False, False] * 2
    assert drawn[2].pictures.shape == (1, 2, 3, 96, 96)
    assert drawn[7].mattes.shape == (3, 1, 1, 96, 96)
