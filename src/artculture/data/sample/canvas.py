"""Drawing surface of the synthetic sample: positions and lengths in fractions, so that size changes only resolution."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Point = tuple[float, float]
Colour = NDArray[np.float64]  # RGB, 0..255

# Pillow draws shapes with hard edges: they are drawn larger and averaged down.
OVERSAMPLING = 2


def blend(one: Colour, other: Colour, share: float) -> Colour:
    """Return `one` with `share` (0..1) of `other` in it."""
    return one + (other - one) * share


def rgb(colour: Colour) -> tuple[int, int, int]:
    """Return a colour as Pillow takes it."""
    r, g, b = np.clip(colour, 0, 255).round().astype(int).tolist()
    return r, g, b


class Canvas:
    """An RGB surface. Positions are fractions of its sides, lengths fractions of its shorter side.

    Args:
        width, height: of the finished picture, in pixels.
        outline: width of the contour of shapes, 0 for none.
        contour: colour of the contour.
    """

    def __init__(self, width: int, height: int, outline: float, contour: Colour) -> None:
        self.width, self.height = width * OVERSAMPLING, height * OVERSAMPLING
        self.unit = min(self.width, self.height)
        self.outline, self.contour = round(outline * self.unit), rgb(contour)
        self.image = Image.new("RGB", (self.width, self.height))
        self.draw = ImageDraw.Draw(self.image)

    def gradient(self, top: float, bottom: float, upper: Colour, lower: Colour) -> None:
        """Fill the band from `top` to `bottom`, from one colour to the other."""
        first, last = round(top * self.height), round(bottom * self.height)
        if last > first:
            steps = np.linspace(0, 1, last - first)[:, None, None]
            column = np.clip(upper + (lower - upper) * steps, 0, 255).round().astype(np.uint8)
            band = Image.fromarray(column).resize((self.width, last - first), Image.Resampling.NEAREST)
            self.image.paste(band, (0, first))

    def polygon(self, points: Sequence[Point], colour: Colour, *, contour: bool = True) -> None:
        corners = [(x * self.width, y * self.height) for x, y in points]
        self.draw.polygon(corners, rgb(colour))
        if contour and self.outline:
            self.draw.line([*corners, corners[0]], self.contour, self.outline)

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def ellipse(self, at: Point, across: float, down: float, colour: Colour, *, contour: bool = True) -> None:
        """Draw an ellipse with half axes `across` and `down`."""
        x, y, rx, ry = at[0] * self.width, at[1] * self.height, across * self.unit, down * self.unit
        line = self.outline if contour else 0
        self.draw.ellipse((x - rx, y - ry, x + rx, y + ry), rgb(colour), self.contour if line else None, max(line, 1))

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        corners = [(x * self.width, y * self.height) for x, y in points]
        self.draw.line(corners, rgb(colour), max(1, round(width * self.unit)), joint="curve")

    def strokes(
        self, rng: np.random.Generator, count: int, length: float, width: float, angle: float, relief: float
    ) -> None:
        """Draw brush strokes over the surface, each in the colour below it, lighter or darker by up to `relief`.

        Args:
            angle: mean direction in degrees; single strokes stray by up to 20 degrees.
            relief: in levels of 0..255.
        """
        x, y = rng.random(count) * (self.width - 1), rng.random(count) * (self.height - 1)
        turn = np.radians(angle + 20 * (2 * rng.random(count) - 1))
        reach = length * self.unit * (0.25 + 0.5 * rng.random(count))
        across, down = np.cos(turn) * reach, np.sin(turn) * reach
        below = np.asarray(self.image)[y.astype(int), x.astype(int)].astype(float)
        colours = np.clip(below + relief * (2 * rng.random((count, 1)) - 1), 0, 255).round().astype(int)
        ends = np.stack([x - across, y - down, x + across, y + down], axis=1).round().astype(int).tolist()
        thick = max(1, round(width * self.unit))
        for end, colour in zip(ends, colours.tolist(), strict=True):
            self.draw.line(end, tuple(colour), thick)

    def pixels(self, wash: Colour, share: float) -> NDArray[np.uint8]:
        """Return the picture at its final size, H x W x 3, with `share` of one colour over all of it."""
        image = self.image.reduce(OVERSAMPLING)
        return np.asarray(Image.blend(image, Image.new("RGB", image.size, rgb(wash)), share))
