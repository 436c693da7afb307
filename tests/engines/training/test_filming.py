import torch

from engines.training.filming import camera_path, moving_crop, view
from engines.training.media import Scene


def test_crops_of_a_clip_stay_in_order() -> None:
    levels = torch.arange(60, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 256, 256) * 4
    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        crops = moving_crop(Scene("clip", levels), 3, 4, 64, generator)
        means = crops.mean((1, 2, 3))
        assert crops.shape == (3, 3, 64, 64)
        assert means[0] <= means[1] <= means[2]


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
