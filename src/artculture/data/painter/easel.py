"""The surface that synthetic pictures are drawn on, and the dice that decide what is drawn."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import cos, pi, radians, sin
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]
Range = tuple[float, float]
T = TypeVar("T")

# Drawn larger and averaged down: Pillow's shapes have hard edges.
OVERSAMPLING = 2


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with `share` (0..1) of `other` in it."""
    r, g, b = (round(a + (z - a) * share) for a, z in zip(one, other, strict=True))
    return r, g, b


def shade(colour: Colour, factor: float) -> Colour:
    """Darker (factor < 1) or lighter (> 1)."""
    r, g, b = (min(255, max(0, round(channel * factor))) for channel in colour)
    return r, g, b


class Dice:
    """Named kinds of chance over one numpy generator."""

    def __init__(self, *keys: int) -> None:
        self.rng = np.random.default_rng(keys)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self.rng.random())

    def within(self, span: Range) -> float:
        return self.between(*span)

    def count(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int(self.rng.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.rng.random() * len(options))]

    def weighted(self, weights: Mapping[T, float]) -> T:
        edges = list(accumulate(weights.values()))
        place = bisect_right(edges, self.between(0, edges[-1]))
        return list(weights)[min(place, len(edges) - 1)]


class Easel:
    """An RGB surface: positions are fractions of its sides, lengths fractions of its shorter side.

    Args:
        width, height: of the finished picture in pixels.
        plan: decides what a whole series shares; dice: decides what is this picture's own.
        outline: width of the contour round shapes that ask for one, 0 for none.
    """

    def __init__(self, width: int, height: int, plan: Dice, dice: Dice, *, outline: float = 0.0) -> None:
        self.width, self.height = width * OVERSAMPLING, height * OVERSAMPLING
        self.unit = min(self.width, self.height)
        self.tall, self.wide = self.height / self.unit, self.width / self.unit
        self.plan, self.dice, self.outline = plan, dice, outline
        self.contour: Colour = (30, 26, 24)
        self.image = Image.new("RGB", (self.width, self.height))
        self.draw = ImageDraw.Draw(self.image)

    def near(self, at: Point, dx: float, dy: float) -> Point:
        """The position `dx`, `dy` shorter sides away from `at`."""
        return at[0] + dx / self.wide, at[1] + dy / self.tall

    def fill(self, colour: Colour) -> None:
        self.draw.rectangle((0, 0, self.width, self.height), colour)

    def gradient(
        self, top: float, bottom: float, upper: Colour, lower: Colour, left: float = 0, right: float = 1
    ) -> None:
        """A band from `top` to `bottom` that passes from one colour to the other."""
        first, last = round(top * self.height), round(bottom * self.height)
        column = Image.new("RGB", (1, 9))
        column.putdata([mix(upper, lower, step / 8) for step in range(9)])
        box = (round(left * self.width), first, round(right * self.width), last)
        if box[2] > box[0] and box[3] > box[1]:
            size = (1, box[3] - box[1])
            band = column.resize(size, Image.Resampling.BILINEAR).resize((box[2] - box[0], size[1]))
            self.image.paste(band, box)

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def polygon(self, points: Sequence[Point], colour: Colour, *, contour: bool = False) -> None:
        self._polygon([(x * self.width, y * self.height) for x, y in points], colour, contour)

    def shape(self, at: Point, scale: float, points: Sequence[Point], colour: Colour, *, contour: bool = True) -> None:
        """A polygon given round `at` in units of `scale`."""
        x, y, step = at[0] * self.width, at[1] * self.height, scale * self.unit
        self._polygon([(x + dx * step, y + dy * step) for dx, dy in points], colour, contour)

    def ellipse(self, at: Point, across: float, down: float, colour: Colour, *, contour: bool = True) -> None:
        x, y, rx, ry = at[0] * self.width, at[1] * self.height, across * self.unit, down * self.unit
        box = (x - rx, y - ry, x + rx, y + ry)
        width = round(self.outline * self.unit) if contour else 0
        self.draw.ellipse(box, colour, self.contour if width else None, max(width, 1))

    def blob(self, at: Point, across: float, down: float, colour: Colour, *, corners: int = 9) -> None:
        """An uneven round patch: foliage, cloud, rock."""
        reach = 0.72 + 0.5 * self.dice.rng.random(corners)
        turns = [2 * pi * corner / corners for corner in range(corners)]
        ring = [(across * r * cos(t), down * r * sin(t)) for r, t in zip(reach, turns, strict=True)]
        self.shape(at, 1.0, ring, colour, contour=False)

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        scaled = [(x * self.width, y * self.height) for x, y in points]
        self.draw.line(scaled, colour, max(1, round(width * self.unit)))

    def mirror(self) -> None:
        self.image.paste(self.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))

    def strokes(self, count: int, length: float, width: float, angle: float, spread: float, jitter: int) -> None:
        """Goes over what is painted with brush strokes in its own colours.

        Args:
            length, width: of a stroke, in shorter sides; angle, spread: their mean and deviation, degrees.
            jitter: how far a stroke's colour strays, in levels.
        """
        rng, unit = self.dice.rng, self.unit
        x, y = rng.random(count) * (self.width - 1), rng.random(count) * (self.height - 1)
        turn = radians(angle) + radians(spread) * (rng.random(count) + rng.random(count) - 1) * 2
        reach = length * unit * (0.3 + 0.4 * rng.random(count))
        across, down = np.cos(turn) * reach, np.sin(turn) * reach
        pixels = np.asarray(self.image)[y.astype(int), x.astype(int)].astype(int)
        colours = np.clip(pixels + rng.integers(-jitter, jitter + 1, (count, 1)), 0, 255)
        ends = np.stack([x - across, y - down, x + across, y + down], axis=1).round().astype(int).tolist()
        thick = max(1, round(width * unit))
        for end, colour in zip(ends, colours.tolist(), strict=True):
            self.draw.line(end, tuple(colour), thick)

    def _polygon(self, points: list[Point], colour: Colour, contour: bool) -> None:
        self.draw.polygon(points, colour)
        width = round(self.outline * self.unit) if contour else 0
        if width:
            self.draw.line([*points, points[0]], self.contour, width)
