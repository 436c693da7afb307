"""Batches of moving crops, what every part of the network is trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engines.training.filming import draw, moving_crop
from engines.training.media import Scene
from engines.training.people import people_crop


@dataclass(frozen=True, eq=False)
class Footage:
    """A batch of moving crops.

    Attributes:
        pictures: (K, B, 3, H, W) in [0, 1], K ordered frames.
        mattes: (K, B, 1, H, W), zeros where there is none, :data:`UNKNOWN` where an unmasked picture is behind.
        has_matte: (B,) bool.
        lag: Frames of the scene between two of the crop.
    """

    pictures: Tensor
    mattes: Tensor
    has_matte: Tensor
    lag: int = 1

    @classmethod
    def without_mattes(cls, pictures: Tensor, lag: int = 1) -> "Footage":
        """Of (K, B, 3, H, W) pictures nothing more is known of."""
        return cls(
            pictures,
            torch.zeros_like(pictures[:, :, :1]),
            torch.zeros(pictures.shape[1], dtype=torch.bool),
            lag,
        )


@dataclass(frozen=True)
class CropSampler:
    """Batches of moving crops; clips and photos in fixed shares so that faces at webcams are well met.

    Every fifth batch is of people, and larger, because a person is told from the background by what is around. About
    half of all batches have ``frames`` ordered frames, the others one, since a stream's first frame, made without a
    memory, has to be learned as well as the rest.

    Attributes:
        scenes: What to crop from.
        batch: Clips in a batch.
        frames: Ordered frames of a clip in the batches that have more than one.
        size: Side of a crop.
        people_size: Side of one with people, rounded down to a multiple of 32.
        clip_share: Share of crops that come from clips, the rest from photos.
        max_lag: Most frames between two frames of a crop.
        backdrop_share: Share of people put before another scene.
        unmasked_share: Share of those whose backdrop is a photo without mattes.
        together_share: Share of people who are joined by another one.
        varied: Whether people's clothes, colours and framing differ more than cameras make them.
    """

    scenes: Sequence[Scene]
    batch: int
    frames: int
    size: int
    people_size: int = 192
    clip_share: float = 0.5
    max_lag: int = 6
    backdrop_share: float = 0.5
    unmasked_share: float = 0.6
    together_share: float = 0.2
    varied: bool = False

    @property
    def has_people(self) -> bool:
        """Whether any scene has mattes."""
        return any(scene.mattes is not None for scene in self.scenes)

    def mixed(self, step: int, generator: torch.Generator) -> Footage:
        """The batch of a step of the whole network; nobody is in it where no scene has mattes."""
        round_, turn = divmod(step, 5 if self.has_people else 4)
        if turn == 4:
            return self._people((1, self.frames)[round_ % 2], generator)
        return self._anything((self.frames, 1)[turn % 2], generator)

    def stills(self, step: int, generator: torch.Generator) -> Footage:
        """As :meth:`mixed`, of one frame each."""
        return replace(self, frames=1).mixed(step, generator)

    def people(self, step: int, generator: torch.Generator) -> Footage:
        """People alone, one frame each, of two sizes in turn.

        A network that has seen crops of one size alone takes larger pictures for closer ones (Touvron et al. 2019).

        Raises:
            ValueError: No scene has mattes.
        """
        if not self.has_people:
            raise ValueError("no scene has mattes")
        if step % 2 == 0:
            return self._people(1, generator)
        larger = replace(self, batch=max(1, self.batch * 9 // 16), people_size=self.people_size * 4 // 3)
        return larger._people(1, generator)

    def anything(self, generator: torch.Generator) -> Footage:
        """Any scenes, one frame each."""
        return self._anything(1, generator)

    def _anything(self, frames: int, generator: torch.Generator) -> Footage:
        lag = self._lag(generator)
        crops = [
            moving_crop(self._pick(self.scenes, generator), frames, lag, self.size, generator)
            for _ in range(self.batch)
        ]
        return Footage.without_mattes(torch.stack(crops, 1), lag)

    def _people(self, frames: int, generator: torch.Generator) -> Footage:
        masked = [scene for scene in self.scenes if scene.mattes is not None]
        photos = [scene for scene in self.scenes if scene.mattes is None and scene.is_photo]
        lag, size = self._lag(generator), self.people_size // 32 * 32
        pictures, mattes = [], []
        for _ in range(max(1, self.batch if frames == 1 else self.batch // 2)):
            backdrop = None
            if draw(0, 1, generator) < self.backdrop_share:
                unmasked = bool(photos) and draw(0, 1, generator) < self.unmasked_share
                backdrop = self._pick(photos if unmasked else masked, generator)
            scene = self._pick(masked, generator)
            together = draw(0, 1, generator) < self.together_share
            companion = self._pick(masked, generator) if together else None
            crop, matte = people_crop(scene, backdrop, frames, lag, size, generator, companion, self.varied)
            pictures.append(crop)
            mattes.append(matte)
        return Footage(
            torch.stack(pictures, 1), torch.stack(mattes, 1), torch.ones(len(pictures), dtype=torch.bool), lag
        )

    def _lag(self, generator: torch.Generator) -> int:
        return 1 + int(torch.randint(self.max_lag, (), generator=generator))

    def _pick(self, scenes: Sequence[Scene], generator: torch.Generator) -> Scene:
        photos = [scene for scene in scenes if scene.is_photo]
        clips = [scene for scene in scenes if not scene.is_photo]
        from_clip = bool(clips) and (not photos or draw(0, 1, generator) < self.clip_share)
        pool = clips if from_clip else photos
        return pool[int(torch.randint(len(pool), (), generator=generator))]
