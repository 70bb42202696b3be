"""Where a picture's pixels land on the model's input: border, fit and resize as one map an axis.

Pictures and regions are placed by the same values, so that a region always follows its picture.
"""

from __future__ import annotations

import dataclasses

from audit.inputs import InputSpec


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A picture of `size` seen on a grid: x in pixels lies at `x * scale[0] + shift[0]` cells, y likewise."""

    size: tuple[int, int]  # width, height of the upright picture
    grid: tuple[int, int]  # height, width in cells
    scale: tuple[float, float]
    shift: tuple[float, float]

    @property
    def filled(self) -> bool:
        """Whether the picture lies over the whole grid."""
        ends = [self.size[axis] * self.scale[axis] + self.shift[axis] for axis in (0, 1)]
        return max(self.shift) <= 0 and ends[0] >= self.grid[1] and ends[1] >= self.grid[0]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """How a picture of `size` becomes the input: all pairs are x, y (width, height)."""

    size: tuple[int, int]
    border: tuple[int, int]  # added on each side
    box: tuple[float, float, float, float]  # cut from the bordered picture
    inner: tuple[int, int]  # what the cut is resized to
    offset: tuple[int, int]  # where that lies on the input
    input: tuple[int, int]

    @property
    def canvas(self) -> tuple[int, int]:
        """Size with the border."""
        return self.size[0] + 2 * self.border[0], self.size[1] + 2 * self.border[1]

    def view(self, grid: tuple[int, int]) -> View:
        """The same placement on a grid of (height, width) cells laid over the input."""
        left, top, right, bottom = self.box
        cells = grid[1] / self.input[0], grid[0] / self.input[1]
        scale = self.inner[0] / (right - left) * cells[0], self.inner[1] / (bottom - top) * cells[1]
        shift = (
            (self.border[0] - left) * scale[0] + self.offset[0] * cells[0],
            (self.border[1] - top) * scale[1] + self.offset[1] * cells[1],
        )
        return View(size=self.size, grid=grid, scale=scale, shift=shift)


def place(size: tuple[int, int], spec: InputSpec) -> Placement:
    """Placement of a picture of (width, height) for this input.

    `squash` stretches the whole picture, `crop` cuts the middle in the input's proportions, `pad` keeps the whole
    picture in its own proportions, in the middle of `fill`.
    """
    high, wide = spec.size
    border = round(spec.margin * size[0]), round(spec.margin * size[1])
    width, height = size[0] + 2 * border[0], size[1] + 2 * border[1]
    box = (0.0, 0.0, float(width), float(height))
    inner, offset = (wide, high), (0, 0)
    if spec.fit == "crop":
        cut_x, cut_y = min(width, height * wide / high), min(height, width * high / wide)
        left, top = (width - cut_x) / 2, (height - cut_y) / 2
        box = (left, top, min(left + cut_x, width), min(top + cut_y, height))
    elif spec.fit == "pad":
        zoom = min(wide / width, high / height)
        inner = min(wide, max(1, round(width * zoom))), min(high, max(1, round(height * zoom)))
        offset = (wide - inner[0]) // 2, (high - inner[1]) // 2
    return Placement(size=size, border=border, box=box, inner=inner, offset=offset, input=(wide, high))
