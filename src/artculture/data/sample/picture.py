"""One picture of the synthetic sample, as a function of its culture, a seed and its index."""

import numpy as np
from numpy.typing import NDArray

from artculture.data.labels import CULTURES
from artculture.data.sample.canvas import Canvas, blend
from artculture.data.sample.scenes import SCENES
from artculture.data.sample.styles import Style, series_style, weighted
from artculture.utils.errors import InputError, choices_hint

# Lengths of the series in each block of indices, shuffled in all blocks but the first: there single pictures come
# first, so that the smallest culture has three groups and can be split.
SERIES = (1, 1, 1, 2, 1, 2, 1, 3)
BLOCK = sum(SERIES)
STROKES = 200
# Share of the wash in the colour of each pixel.
WASH = 0.3


def series(culture: str, seed: int, index: int) -> int:
    """Return the series that a picture belongs to, named by the index of its first picture.

    Raises:
        InputError: no such culture.
    """
    block, place = divmod(index, BLOCK)
    rng = np.random.default_rng((seed, _number(culture), 0, block))
    lengths = np.array(SERIES)[np.argsort(rng.random(len(SERIES)))] if block else np.array(SERIES)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return block * BLOCK + int(starts[np.searchsorted(starts, place, side="right") - 1])


def draw_picture(culture: str, seed: int, index: int, size: int = 160) -> NDArray[np.uint8]:
    """Draw one synthetic picture; the same arguments give the same pixels on every machine.

    Args:
        culture: one of the 11 cultures.
        seed: of the sample, 0 or more.
        index: of the picture in its culture, 0 or more.
        size: the shorter side in pixels.

    Returns:
        H x W x 3, RGB; the longer side is at most twice the shorter.

    Raises:
        InputError: no such culture.
    """
    number = _number(culture)
    plan = np.random.default_rng((seed, number, 1, series(culture, seed, index)))
    rng = np.random.default_rng((seed, number, 2, index))
    style = series_style(culture, plan)
    ratio = style.ratio * rng.uniform(0.97, 1.03)
    width, height = (size, round(size * ratio)) if ratio >= 1 else (round(size / ratio), size)
    canvas = Canvas(width, height, style.outline, blend(style.colour("dark"), np.zeros(3), 0.3))
    SCENES[weighted(style.scenes, plan)](canvas, style, plan, rng)
    canvas.strokes(rng, STROKES, style.length, style.width, style.angle, style.relief)
    return _finished(canvas.pixels(style.colour("wash"), WASH), style, plan, rng)


def _finished(
    pixels: NDArray[np.uint8], style: Style, plan: np.random.Generator, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Darken the corners away from the light, add the grain of the support, and vary the exposure a little."""
    height, width = pixels.shape[:2]
    centre = plan.uniform(0.3, 0.7, 2)
    down = np.linspace(0, 1, height)[:, None] - centre[0]
    across = np.linspace(0, 1, width)[None] - centre[1]
    shade = 1 - style.light * np.clip(1.6 * (down**2 + across**2), 0, 1)
    grain = 1 + 0.06 * (rng.random((height, width)) - 0.5)
    factor = np.float32(rng.uniform(0.92, 1.08)) * (shade * grain).astype(np.float32)
    shaded: NDArray[np.float32] = pixels * factor[..., None] + np.float32(0.5)
    return np.minimum(shaded, 255).astype(np.uint8)


def _number(culture: str) -> int:
    if culture not in CULTURES:
        raise InputError(f"no culture `{culture}` in the sample: {choices_hint(culture, CULTURES)}")
    return CULTURES.index(culture)
