"""What a batch is asked to do: instructions drawn at random, their codes, sources and exact targets.

Every clip of a batch gets one edit or two joined ones; which families come how often is decided here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.colours import COLOURS
from engines.conditioning import MOST_EDITS
from engines.families import (
    FAMILIES,
    NOISE_DRIFT,
    PEOPLE,
    SCREENS,
    STAGE,
    STYLES,
    TAKES_NEUTRALS,
    TAKES_RGB,
    TAKES_RGB_OF,
    in_order,
)
from engines.training.crops import Footage
from engines.training.targets import GRADED, edit
from engines.training.weather import Balloons

JOINED_SHARE = 0.18
NEUTRAL_SHARE = 0.2
"""Colours to give that are white, grey or black, of families that take these."""
BYSTANDER_SHARE = 0.05
"""Clips with balloons in front that nobody asked to remove."""
_NONE = -1
_NO_BALLOONS = Balloons(*(torch.zeros(0, size) for size in (2, 2, 2, 3)))

_OLD = {
    **{
        "cartoon": 2.5,
        "painting": 2.0,
        "relief": 2.0,
        "pencil_sketch": 2.5,
        "posterize": 2.5,
        "neon_edges": 2.0,
    },
    **{"mosaic": 1.5, "thermal": 1.5, "tint": 1.5, "blur": 1.2, "more_contrast": 1.5, "fog": 1.0},
}
_NEW = {
    **{"watercolour": 2.5, "ink": 3.0, "halftone": 3.0, "stained_glass": 3.0, "blueprint": 2.0, "chalk": 2.0},
    **{
        "vhs": 2.0,
        "crt": 2.0,
        "night_vision": 1.5,
        "xray": 1.5,
        "teal_orange": 1.0,
        "glow": 1.2,
        "faded": 1.0,
    },
    **{"sharpen": 1.5, "snow": 1.5, "rain": 1.5, "recolour": 0.4, "colour_pop": 0.4, "remove_balloons": 4.0},
    **{"add_balloons": 1.0},
}
_ODDS = {name: (_OLD | _NEW).get(name, 0.8) for name in FAMILIES if name not in PEOPLE}
_PEOPLE_ODDS = {
    **{"background_blur": 0.3, "background_dark": 1.0, "background_tint": 1.0},
    **{"background_replace": 0.3, "background_grey": 1.0},
}


@dataclass(frozen=True, eq=False)
class Task:
    """One instruction for each clip of a batch.

    Attributes:
        families: (MOST_EDITS, B) indices of ``FAMILIES`` in the order the edits are done, -1 where there is none.
        amounts: (MOST_EDITS, B, 1, 1, 1).
        rgb: (B, 3, 1, 1), the colour to give; zeros where none is taken.
        rgb_of: (B, 3, 1, 1), the colour of the things meant; zeros where none is.
        balloons: What flies through each source.
    """

    families: Tensor
    amounts: Tensor
    rgb: Tensor
    rgb_of: Tensor
    balloons: tuple[Balloons, ...]

    @classmethod
    def single(cls, families: Sequence[str], amount: float = 1.0) -> "Task":
        """One plain edit for each clip; blue is given, red is meant, nothing flies."""
        count = len(families)
        indices = torch.full((MOST_EDITS, count), _NONE)
        indices[0] = torch.tensor([FAMILIES.index(family) for family in families])
        rgb = torch.tensor(COLOURS["blue"]) * _any_of(indices, TAKES_RGB)[:, None]
        rgb_of = torch.tensor(COLOURS["red"]) * _any_of(indices, TAKES_RGB_OF)[:, None]
        amounts = torch.full((MOST_EDITS, count, 1, 1, 1), amount)
        return cls(indices, amounts, rgb.view(-1, 3, 1, 1), rgb_of.view(-1, 3, 1, 1), (_NO_BALLOONS,) * count)

    def names(self, clip: int) -> tuple[str, ...]:
        """Families of one clip, in the order they are done."""
        return tuple(FAMILIES[index] for index in self.families[:, clip].tolist() if index != _NONE)

    def code(self, looseness: Tensor) -> Tensor:
        """Instruction codes (B, CODE_LENGTH), ``looseness`` (B,) of the families' weight spread over all."""
        count = self.families.shape[1]
        weights = torch.zeros(count, len(FAMILIES) + 1)
        amounts = torch.ones(count, len(FAMILIES) + 1)
        for families, amount in zip(self.families, self.amounts, strict=True):
            # Index -1, no edit, falls into the spare last column.
            weights[torch.arange(count), families] = 1.0
            amounts[torch.arange(count), families] = amount.flatten()
        weights, amounts = weights[:, :-1], amounts[:, :-1]
        loose = looseness[:, None]
        weights = weights * (1 - loose) + loose / len(FAMILIES)
        return torch.cat([weights, weights * amounts, self.rgb.flatten(1), self.rgb_of.flatten(1)], 1)

    def sources(self, pictures: Tensor, time: float) -> Tensor:
        """(B, 3, H, W) pictures with what flies in front of them, ``time`` frames after the first."""
        return torch.stack(
            [flying.over(picture, time) for flying, picture in zip(self.balloons, pictures, strict=True)]
        )

    def targets(self, pictures: Tensor, sources: Tensor, mattes: Tensor, noise: Tensor) -> Tensor:
        """Exact edits.

        Args:
            pictures: (B, 3, H, W), the scenes themselves.
            sources: The same as :meth:`sources` made of them.
            mattes: (B, 1, H, W).
            noise: Noise planes (B, 3, H, W).
        """
        removed = _any_of(self.families, {"remove_balloons"}).to(pictures.device)
        edited = torch.where(removed.view(-1, 1, 1, 1), pictures, sources)
        for families, amounts in zip(self.families, self.amounts.to(pictures.device), strict=True):
            for index in sorted(set(families.tolist()) - {_NONE}):
                own = (families == index).to(pictures.device)
                edited[own] = edit(
                    FAMILIES[index],
                    edited[own],
                    amounts[own],
                    self.rgb.to(pictures.device)[own],
                    rgb_of=self.rgb_of.to(pictures.device)[own],
                    matte=mattes[own],
                    noise=noise[own],
                )
        return edited


def _any_of(families: Tensor, names: frozenset[str] | set[str]) -> Tensor:
    """(B,) whether any of a clip's edits is one of ``names``."""
    members = torch.tensor([name in names for name in FAMILIES] + [False])
    return members[families].any(0)


def draw_task(footage: Footage, generator: torch.Generator) -> Task:
    """Random instructions for a batch: for people where every clip has a matte, for all else where one has none."""
    people = bool(footage.has_matte.all())
    count = footage.pictures.shape[1]
    families = torch.full((MOST_EDITS, count), _NONE)
    for clip in range(count):
        first = _draw(_PEOPLE_ODDS if people else _ODDS, generator)
        names = [first]
        partners = {name: odds for name, odds in _ODDS.items() if can_join(first, name)}
        if partners and float(torch.rand((), generator=generator)) < JOINED_SHARE:
            names.append(_draw(partners, generator))
        for slot, name in enumerate(in_order(names)):
            families[slot, clip] = FAMILIES.index(name)
    graded = torch.tensor([name in GRADED for name in FAMILIES] + [True])[families]
    plain = torch.rand(families.shape, generator=generator) < torch.where(graded, 0.5, 0.8)
    amounts = torch.where(plain, 1.0, 0.4 + 1.2 * torch.rand(families.shape, generator=generator))
    neutral = _any_of(families, TAKES_NEUTRALS)
    rgb = torch.where(neutral[:, None], colours_to_give(count, generator), _colours(count, generator))
    rgb = rgb * _any_of(families, TAKES_RGB)[:, None]
    rgb_of = torch.stack([named_colour_in(footage.pictures[0, clip], generator) for clip in range(count)])
    rgb_of = rgb_of * _any_of(families, TAKES_RGB_OF)[:, None]
    asked = _any_of(families, {"remove_balloons"})
    flying = asked | (torch.rand(count, generator=generator) < BYSTANDER_SHARE)
    height, width = footage.pictures.shape[-2:]
    balloons = tuple(
        Balloons.random(height, width, generator) if flies else _NO_BALLOONS for flies in flying.tolist()
    )
    return Task(
        families,
        amounts.view(MOST_EDITS, count, 1, 1, 1),
        rgb.view(-1, 3, 1, 1),
        rgb_of.view(-1, 3, 1, 1),
        balloons,
    )


def can_join(first: str, second: str) -> bool:
    """Whether two edits make sense in one sentence, and one code can say them."""
    if (
        first == second
        or "unchanged" in (first, second)
        or {first, second} >= {"remove_balloons", "add_balloons"}
    ):
        return False
    return not (
        {first, second} <= STYLES
        or {first, second} <= SCREENS
        or {first, second} <= PEOPLE
        or {first, second} <= set(NOISE_DRIFT)
        or {first, second} <= TAKES_RGB
        or {first, second} <= TAKES_RGB_OF
        or (STAGE[first] == STAGE[second] == STAGE["recolour"])
    )


def _draw(odds: Mapping[str, float], generator: torch.Generator) -> str:
    names = tuple(odds)
    weights = torch.tensor([odds[name] for name in names])
    return names[int(torch.multinomial(weights, 1, generator=generator))]


def colours_to_give(count: int, generator: torch.Generator) -> Tensor:
    """(count, 3) colours, some of them white, grey or black."""
    neutral = torch.rand(count, generator=generator) < NEUTRAL_SHARE
    grey = torch.rand(count, 1, generator=generator).expand(-1, 3)
    return torch.where(neutral[:, None], grey, _colours(count, generator))


def _colours(count: int, generator: torch.Generator) -> Tensor:
    """(count, 3) colours to give: half of them named ones, the others of any hue, all clearly coloured."""
    named = torch.tensor(list(COLOURS.values()))
    hue = torch.rand(count, 1, generator=generator)
    value = 0.35 + 0.65 * torch.rand(count, 1, generator=generator)
    saturation = 0.5 + 0.5 * torch.rand(count, 1, generator=generator)
    sector = (hue * 6 + torch.tensor([5.0, 3.0, 1.0])) % 6
    any_hue = value - value * saturation * torch.minimum(sector, 4 - sector).clamp(0, 1)
    picked = named[torch.randint(len(named), (count,), generator=generator)]
    return torch.where(torch.rand(count, 1, generator=generator) < 0.5, picked, any_hue)


def named_colour_in(picture: Tensor, generator: torch.Generator) -> Tensor:
    """(3,) a named colour, mostly the one nearest in hue to some coloured place of the picture (3, H, W)."""
    named = torch.tensor([rgb for rgb in COLOURS.values() if max(rgb) - min(rgb) > 0.2])
    if float(torch.rand((), generator=generator)) < 0.3:
        return named[int(torch.randint(len(named), (), generator=generator))]
    # Pixels that are no numbers show in the loss, which is where training is stopped.
    pixels = picture[:, ::4, ::4].flatten(1).nan_to_num()
    colour = pixels - pixels.mean(0)
    vivid = colour.square().sum(0) ** 1.5 + 1e-6
    place = colour[:, int(torch.multinomial(vivid, 1, generator=generator))]
    directions = torch.nn.functional.normalize(named - named.mean(1, keepdim=True), dim=1)
    nearness = directions @ torch.nn.functional.normalize(place, dim=0)
    # Among the nearest, not always the nearest: brown and orange share a hue.
    return named[int(torch.multinomial((nearness * 12).softmax(0), 1, generator=generator))]
