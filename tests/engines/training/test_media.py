from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from engines.training.media import Media, evaluation_files, load_media, training_files


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
