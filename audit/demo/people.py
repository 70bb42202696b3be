"""Who is drawn: made-up people and the circumstances of each picture, all from seeded draws.

Gender shows in several cues (lips, lashes, brows, jaw, hair), and none of them alone decides. They are cues of a
drawing, chosen so that a small network has something to learn; they say nothing about real people.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Color = tuple[float, float, float]

GENDERS = ("female", "male")
SKINS = ("light", "medium", "dark")
HAIRS = ("short", "long")
POSES = ("left", "frontal", "right")
LIGHTS = ("dim", "normal", "bright")

# Two ends of each band of skin tones; a person lies somewhere between them.
TONES: dict[str, tuple[Color, Color]] = {
    "light": ((243, 212, 188), (230, 188, 158)),
    "medium": ((212, 162, 122), (186, 134, 96)),
    "dark": ((146, 98, 68), (104, 66, 46)),
}
HAIR_COLORS: dict[str, Sequence[Color]] = {
    "light": ((40, 30, 28), (92, 60, 40), (150, 104, 60), (206, 166, 102), (158, 78, 44), (150, 148, 146)),
    "medium": ((32, 26, 26), (62, 42, 32), (96, 62, 42), (122, 70, 44), (144, 142, 140)),
    "dark": ((26, 22, 24), (46, 32, 28), (68, 42, 32), (92, 48, 36), (140, 138, 138)),
}
EYE_COLORS: Sequence[Color] = ((74, 48, 32), (100, 66, 38), (92, 100, 60), (72, 106, 138))
CLOTHES: Sequence[Color] = ((178, 74, 66), (62, 98, 140), (78, 122, 92), (204, 164, 84), (110, 84, 132), (92, 96, 104))
BACKGROUNDS: Sequence[Color] = ((214, 222, 230), (226, 214, 200), (196, 210, 196), (180, 190, 206), (222, 206, 212))

# How far each cue lies from the middle for women (men: the opposite), in units of its spread within a gender.
CUES = {"lips": 1.45, "lashes": 1.45, "brows": -1.0, "jaw": -0.7}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """What stays the same in all pictures of somebody. The four cues and `width` are in standard units."""

    subject: str
    gender: str
    skin: str
    hair: str
    tone: Color
    hair_color: Color
    eye_color: Color
    clothes: Color
    lips: float
    lashes: float
    brows: float
    jaw: float
    width: float
    curl: float  # 0 straight … 1 curly
    parting: float  # -1 left … 1 right


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """What differs from picture to picture. `smile` and `shift` are small; `grain` seeds the camera's noise."""

    glasses: bool
    pose: str
    light: str
    background: Color
    smile: float
    shift: tuple[float, float]
    grain: int


def make_person(rng: np.random.Generator, *, subject: str, gender: str, skin: str, hair: str) -> Person:
    """A person of the given description; everything else is drawn from `rng`."""
    sign = 1.0 if gender == "female" else -1.0
    cues = {name: sign * strength + float(rng.normal()) for name, strength in CUES.items()}
    return Person(
        subject=subject,
        gender=gender,
        skin=skin,
        hair=hair,
        tone=_between(*TONES[skin], float(rng.random())),
        hair_color=_one_of(rng, HAIR_COLORS[skin]),
        eye_color=_one_of(rng, EYE_COLORS if skin == "light" else EYE_COLORS[:3]),
        clothes=_one_of(rng, CLOTHES),
        width=float(rng.normal()),
        curl=float(rng.choice([0.0, 0.4, 1.0])),
        parting=float(rng.uniform(-1, 1)),
        **cues,
    )


def make_shots(rng: np.random.Generator, pictures: int) -> Iterator[Shot]:
    """That many pictures of one person: poses and lights in turn from a drawn start, glasses in one of three."""
    pose, light = rng.permutation(len(POSES)), rng.permutation(len(LIGHTS))
    for k in range(pictures):
        yield Shot(
            glasses=bool(rng.random() < 1 / 3),
            pose=POSES[pose[k % len(POSES)]],
            light=LIGHTS[light[k % len(LIGHTS)]],
            background=_one_of(rng, BACKGROUNDS),
            smile=float(rng.uniform(-0.2, 1.0)),
            shift=(float(rng.uniform(-0.7, 0.7)), float(rng.uniform(-0.7, 0.7))),
            grain=int(rng.integers(2**31)),
        )


def _one_of(rng: np.random.Generator, colors: Sequence[Color]) -> Color:
    red, green, blue = colors[int(rng.integers(len(colors)))]
    brighter = float(rng.uniform(0.94, 1.06))
    return (red * brighter, green * brighter, blue * brighter)


def _between(first: Color, second: Color, share: float) -> Color:
    return (
        first[0] + share * (second[0] - first[0]),
        first[1] + share * (second[1] - first[1]),
        first[2] + share * (second[2] - first[2]),
    )
