"""Draws a face and, from the same shapes, the exact masks of its regions. Pillow and numpy only.

Coordinates are pixels of the finished picture (SIZE x SIZE, y down). Everything is drawn FINE times larger and
averaged down, so edges are smooth. The eyes stand at the same place in every picture, within a pixel: a turned head
moves outline, nose and mouth round them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.demo.people import Color, Person, Shot

    Points = NDArray[np.float64]  # [n, 2]: x, y

SIZE = 96
FINE = 3
EYES_Y, EYES_APART, MIDDLE = 47.0, 10.0, 48.0
_ZOOM, _FIXED = 1.28, (48.0, 52.0)  # how large a head stands in the picture, and the point that zooming leaves

# What a pixel shows; the body below the chin belongs to no region.
_BODY, _BACKGROUND, _SKIN, _EYES, _MOUTH, _HAIR = range(6)
REGIONS: Mapping[str, tuple[int, ...]] = {
    "eyes": (_EYES,),
    "mouth": (_MOUTH,),
    "hair": (_HAIR,),
    "background": (_BACKGROUND,),
    "face": (_SKIN, _EYES, _MOUTH),
}
_EXPOSURE = {"dim": 0.72, "normal": 0.92, "bright": 1.06}
_TURN = {"left": -1.0, "frontal": 0.0, "right": 1.0}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """A picture (RGB) and, for every region, bool [SIZE, SIZE]: true where it fills more than half of the pixel."""

    image: Image.Image
    regions: Mapping[str, NDArray[np.bool_]]


def draw_face(person: Person, shot: Shot) -> Drawn:
    """The picture of a person under the circumstances of a shot. The same arguments give the same pixels."""
    canvas = _Canvas(shot.background)
    turn = _TURN[shot.pose]
    middle, eyes_y = MIDDLE + shot.shift[0], EYES_Y + shot.shift[1]
    head = _Head(person, center=(middle - 1.6 * turn, eyes_y + 3.0))
    if person.hair == "long":
        canvas.fill(_long_hair(person, head), _shade(person.hair_color, 0.86), _HAIR)
    _draw_body(canvas, person, head)
    canvas.fill(head.outline(), person.tone, _SKIN)
    _draw_features(canvas, person, shot, (middle, eyes_y), turn)
    _draw_hair(canvas, person, head)
    if shot.glasses:
        _draw_glasses(canvas, (middle, eyes_y), turn)
    return Drawn(image=_develop(canvas.image, shot), regions=canvas.regions())


class _Canvas:
    """A picture and, beside it, what each of its fine pixels shows."""

    def __init__(self, background: Color) -> None:
        side = (SIZE * FINE, SIZE * FINE)
        self.image = Image.new("RGB", side, _rgb(background))
        self._kinds = Image.new("L", side, _BACKGROUND)
        self._paint, self._mark = ImageDraw.Draw(self.image), ImageDraw.Draw(self._kinds)

    def fill(self, points: Points, color: Color, kind: int | None = None) -> None:
        """Fill a polygon; `kind` None leaves what the pixels show as it was."""
        corners = [(float(x), float(y)) for x, y in _on_paper(points)]
        self._paint.polygon(corners, fill=_rgb(color))
        if kind is not None:
            self._mark.polygon(corners, fill=kind)

    def line(self, points: Points, color: Color, width: float) -> None:
        """A line of this width in pixels of the finished picture."""
        corners = [(float(x), float(y)) for x, y in _on_paper(points)]
        self._paint.line(corners, fill=_rgb(color), width=max(1, round(width * _ZOOM * FINE)), joint="curve")

    def regions(self) -> dict[str, NDArray[np.bool_]]:
        found = {}
        for name, shown in REGIONS.items():
            lit = self._kinds.point([255 if kind in shown else 0 for kind in range(256)])
            found[name] = np.asarray(lit.reduce(FINE)) > 127
        return found


class _Head:
    """The outline of a head: round above, between pointed and square below."""

    def __init__(self, person: Person, center: tuple[float, float]) -> None:
        self.x, self.y = center
        self.wide = 20.5 + 0.8 * person.width + 0.5 * max(-2.0, min(2.0, -person.jaw)) * -1
        self.above, self.below = 25.0, 26.5
        self._square = float(np.clip(2.15 + 0.22 * person.jaw, 1.7, 3.0))

    def outline(self, *, grow: float = 0.0, start: float = 0.0, stop: float = 360.0, steps: int = 72) -> Points:
        """Points from angle `start` to `stop` in degrees (0 right, 90 down), the outline moved out by `grow`."""
        angle = np.radians(np.linspace(start, stop, steps))
        cos, sin = np.cos(angle), np.sin(angle)
        power = np.where(sin > 0, 2 / self._square, 1.0)
        high = np.where(sin > 0, self.below, self.above) + grow
        x = self.x + (self.wide + grow) * np.sign(cos) * np.abs(cos) ** power
        y = self.y + high * np.sign(sin) * np.abs(sin) ** power
        return np.stack([x, y], axis=1)


def _draw_body(canvas: _Canvas, person: Person, head: _Head) -> None:
    shadow = _shade(person.tone, 0.84)
    canvas.fill(_ellipse((head.x, 103.0), 36.0, 22.0), person.clothes, _BODY)
    canvas.fill(_box(head.x - 8.5, 66.0, head.x + 8.5, 86.0), shadow, _BODY)
    canvas.fill(_ellipse((head.x, 85.5), 8.5, 4.5), shadow, _BODY)
    if person.hair == "short":
        for side in (-1, 1):
            ear = _ellipse((head.x + side * (head.wide + 0.6), head.y + 1.0), 3.0, 5.5)
            canvas.fill(ear, _shade(person.tone, 0.92), _SKIN)


def _draw_features(canvas: _Canvas, person: Person, shot: Shot, eyes: tuple[float, float], turn: float) -> None:
    x, y = eyes
    for side in (-1, 1):
        near = 1.0 - 0.12 * max(0.0, turn * side)  # the eye on the far side of a turned head is narrower
        _draw_eye(canvas, person, (x + side * EYES_APART, y), side, near)
        _draw_brow(canvas, person, (x + side * EYES_APART, y - 7.6), side, near)
    nose = x + 1.8 * turn
    canvas.fill(_ellipse((nose, y + 12.0), 3.4, 1.9), _shade(person.tone, 0.86))
    canvas.fill(_ellipse((nose, y + 11.0), 2.6, 1.7), _shade(person.tone, 1.05))
    canvas.line(
        np.array([[nose - 1.5 * (turn or 1), y + 2.0], [nose - 2.2 * (turn or 1), y + 10.0]]),
        _shade(person.tone, 0.88),
        0.7,
    )
    _draw_mouth(canvas, person, (x + 1.2 * turn, y + 19.5), shot.smile)


def _draw_eye(canvas: _Canvas, person: Person, center: tuple[float, float], side: int, near: float) -> None:
    x, y = center
    cue = float(np.clip(person.lashes, -3, 3))
    wide, high = 4.8 * near, 2.3 + 0.22 * cue
    canvas.fill(_ellipse((x, y - 0.3), 6.6 * near, 4.6), _shade(person.tone, 0.91), _EYES)
    canvas.fill(_almond(center, wide, high), (246, 244, 240), _EYES)
    canvas.fill(_ellipse(center, 2.1, min(2.1, high)), person.eye_color)
    canvas.fill(_ellipse(center, 1.0, 1.0), (16, 14, 14))
    canvas.fill(_ellipse((x - 0.7, y - 0.7), 0.5, 0.5), (250, 250, 250))
    lid = _almond(center, wide, high)[:13]
    canvas.line(lid, (34, 24, 22), 0.5 + 0.35 * (cue + 3) / 2)
    wing = np.array(
        [[x + side * wide * 0.8, y - 0.6], [x + side * (wide + 0.5 + 0.35 * (cue + 3)), y - 1.2 - 0.3 * (cue + 3)]]
    )
    canvas.line(wing, (34, 24, 22), 0.3 + 0.2 * (cue + 3) / 2)


def _draw_brow(canvas: _Canvas, person: Person, center: tuple[float, float], side: int, near: float) -> None:
    thick = 0.9 + 0.32 * float(np.clip(person.brows + 3, 0, 6))
    along = np.linspace(-1, 1, 9)
    x = center[0] + 6.2 * near * along
    y = center[1] + 0.9 * along**2 + 0.5 * side * along
    taper = np.where(along * side > 0, 1 - 0.6 * along * side, 1.0) * thick / 2
    ring = np.concatenate([np.stack([x, y - taper], axis=1), np.stack([x, y + taper], axis=1)[::-1]])
    canvas.fill(ring, _shade(person.hair_color, 0.8))


def _draw_mouth(canvas: _Canvas, person: Person, center: tuple[float, float], smile: float) -> None:
    cue = float(np.clip(person.lips, -3, 3)) / 3
    full, red = 2.3 + 1.2 * cue, 0.34 + 0.3 * cue
    rouge = _shade((206, 54, 72), 0.48 + 0.0024 * sum(person.tone) / 3)
    color = _mix(_shade(person.tone, 0.86), rouge, red)
    along = np.linspace(-1, 1, 21)
    x = center[0] + 7.6 * along
    line = center[1] + 1.6 * smile * (0.5 - along**2)
    arch = 1 - along**2
    upper = line - full * 0.75 * arch * (1 - 0.35 * np.exp(-((along / 0.18) ** 2)))
    lower = line + full * 1.1 * arch
    ring = np.concatenate([np.stack([x, upper], axis=1), np.stack([x, lower], axis=1)[::-1]])
    canvas.fill(ring, color, _MOUTH)
    canvas.line(np.stack([x, line], axis=1), _shade(color, 0.6), 0.6)


def _draw_hair(canvas: _Canvas, person: Person, head: _Head) -> None:
    """The hair in front: a cap down to the ears, and for long hair a strand along each cheek."""
    low = 0.0 if person.hair == "short" else 18.0  # where the cap ends: degrees below the middle of the head
    cap = _curled(head.outline(grow=3.2, start=180 - low, stop=360 + low), person.curl, head)
    right = head.outline(grow=-1.6, start=372 + low, stop=336, steps=6)
    across = np.linspace(1, -1, 15)
    x, part = head.x + across * (head.wide - 6.5), head.x + 6.0 * person.parting
    y = head.y - 13.0 - 4.5 * np.exp(-(((x - part) / 6.0) ** 2)) - 3.0 * across**2
    left = head.outline(grow=-1.6, start=204, stop=168 - low, steps=6)
    canvas.fill(np.concatenate([cap, right, np.stack([x, y], axis=1), left]), person.hair_color, _HAIR)
    if person.hair == "long":
        for side in (-1, 1):
            canvas.fill(_strand(head, side, person.curl), person.hair_color, _HAIR)


def _long_hair(person: Person, head: _Head) -> Points:
    """Everything behind head and shoulders, from the crown down to the chest."""
    crown = _curled(head.outline(grow=5.0, start=180, stop=360, steps=60), person.curl, head)
    down = np.linspace(0, 1, 24)
    wave = (0.6 + 1.2 * person.curl) * np.sin(down * (8 + 10 * person.curl))
    out = head.wide + 5.0 + 2.5 * np.sin(down * np.pi) + wave
    y = head.y + 40.0 * down
    right, left = np.stack([head.x + out, y], axis=1), np.stack([head.x - out, y], axis=1)
    return np.concatenate([crown, right, left[::-1]])


def _strand(head: _Head, side: int, curl: float) -> Points:
    down = np.linspace(0, 1, 16)
    y = head.y - 12 + 38.0 * down
    wave = (0.3 + 0.8 * curl) * np.sin(down * 11)
    outer = head.x + side * (head.wide + 3.0 + wave)
    inner = head.x + side * (head.wide - 2.6 + 2.4 * down + wave)
    return np.concatenate([np.stack([outer, y], axis=1), np.stack([inner, y], axis=1)[::-1]])


def _curled(points: Points, curl: float, head: _Head) -> Points:
    """Push points out from the head's middle in small bumps."""
    away = points - (head.x, head.y)
    bump = 1 + curl * (0.05 + 0.035 * np.sin(np.arange(len(points)) * 1.1))[:, None]
    curled: Points = (head.x, head.y) + away * bump
    return curled


def _draw_glasses(canvas: _Canvas, eyes: tuple[float, float], turn: float) -> None:
    x, y = eyes
    frame: Color = (40, 36, 44)
    for side in (-1, 1):
        near = 1.0 - 0.1 * max(0.0, turn * side)
        ring = _ellipse((x + side * EYES_APART, y), 7.6 * near, 6.2)
        canvas.line(np.concatenate([ring, ring[:2]]), frame, 1.1)
        canvas.line(np.array([[x + side * (EYES_APART + 7.6 * near), y - 1], [x + side * 21.0, y - 2]]), frame, 1.0)
    canvas.line(np.array([[x - EYES_APART + 7.6, y - 0.5], [x + EYES_APART - 7.6, y - 0.5]]), frame, 1.1)


def _develop(fine: Image.Image, shot: Shot) -> Image.Image:
    """Average down, then light that falls from one side, and the grain of a camera."""
    pixels = np.asarray(fine.reduce(FINE), dtype=np.float32)
    across = np.linspace(-1, 1, SIZE, dtype=np.float32)[None, :, None]
    noise = np.random.default_rng(shot.grain).normal(0, 3.0, pixels.shape).astype(np.float32)
    lit = pixels * _EXPOSURE[shot.light] * (1 + 0.06 * _TURN[shot.pose] * across) + noise
    return Image.fromarray(np.clip(lit, 0, 255).round().astype(np.uint8))


def _on_paper(points: Points) -> Points:
    return ((points - _FIXED) * _ZOOM + _FIXED) * FINE


def _ellipse(center: tuple[float, float], wide: float, high: float, steps: int = 32) -> Points:
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.stack([center[0] + wide * np.cos(angle), center[1] + high * np.sin(angle)], axis=1)


def _almond(center: tuple[float, float], wide: float, high: float) -> Points:
    """An eye's opening: the upper lid from left to right first (13 points), then the lower one back."""
    along = np.linspace(-1, 1, 13)
    upper = np.stack([center[0] + wide * along, center[1] - high * (1 - along**2)], axis=1)
    lower = np.stack([center[0] + wide * along, center[1] + 0.8 * high * (1 - along**2)], axis=1)
    return np.concatenate([upper, lower[::-1]])


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _shade(color: Color, factor: float) -> Color:
    return (color[0] * factor, color[1] * factor, color[2] * factor)


def _mix(first: Color, second: Color, share: float) -> Color:
    return (
        first[0] + share * (second[0] - first[0]),
        first[1] + share * (second[1] - first[1]),
        first[2] + share * (second[2] - first[2]),
    )


def _rgb(color: Color) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, round(part))) for part in color)
    return (red, green, blue)
