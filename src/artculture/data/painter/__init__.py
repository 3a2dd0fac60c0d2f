"""Pictures drawn by the program itself, in the manner of no painter: synthetic stand-ins for real paintings.

A picture's culture shows in palette, brushwork, support and composition together, in none of them alone.
Pictures come singly and in short series by one hand, which share palette, brush and plan.
"""

import numpy as np

from artculture.data.manifest import CULTURES
from artculture.data.painter.easel import Colour, Dice, Easel, mix
from artculture.data.painter.finish import finish
from artculture.data.painter.indoors import interior, portrait, still_life
from artculture.data.painter.manners import MANNERS, NEIGHBOURS
from artculture.data.painter.ornamental import altar, branch, page
from artculture.data.painter.outdoors import landscape, scroll, seascape, veduta, waves
from artculture.data.painter.palettes import mixed
from artculture.errors import InputError, choices_hint

__all__ = ["hand", "paint"]

SCENES = {
    "altar": altar,
    "branch": branch,
    "interior": interior,
    "landscape": landscape,
    "page": page,
    "portrait": portrait,
    "scroll": scroll,
    "seascape": seascape,
    "still_life": still_life,
    "veduta": veduta,
    "waves": waves,
}

# How many pictures a hand makes in a row, by share.
SERIES = {1: 0.7, 2: 0.16, 3: 0.09, 4: 0.05}
# Indices are dealt to hands in blocks, so that a late index is as quick as an early one.
BLOCK = 20
LEARNED_NEXT_DOOR = 0.1


def hand(culture: str, seed: int, index: int) -> int:
    """The series that a picture belongs to, named by the index of its first picture."""
    block, place = divmod(index, BLOCK)
    dice = Dice(seed, _number(culture), 0, block)
    first, end = 0, 0
    while end <= place:
        first, end = end, min(BLOCK, end + dice.weighted(SERIES))
    return block * BLOCK + first


def paint(culture: str, seed: int, index: int, size: int = 160) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """One synthetic picture, a pure function of the arguments.

    Args:
        culture: one of the 11 cultures.
        seed, index: which picture, each 0 or more.
        size: the shorter side in pixels.

    Returns:
        H x W x 3, uint8, RGB; the longer side is at most about twice the shorter.

    Raises:
        InputError: no such culture.
    """
    number = _number(culture)
    plan = Dice(seed, number, 1, hand(culture, seed, index))
    dice = Dice(seed, number, 2, index)
    manner = MANNERS[culture]
    if plan.chance(LEARNED_NEXT_DOOR):
        manner = MANNERS[NEIGHBOURS.get(culture, culture)]
    palette = mixed(plan.weighted(manner.palettes), plan)
    scene, support = plan.weighted(manner.scenes), plan.weighted(manner.supports)
    ratio = plan.within(manner.ratio) * dice.between(0.97, 1.03)
    width, height = (size, round(size * ratio)) if ratio >= 1 else (round(size / ratio), size)
    easel = Easel(width, height, plan, dice, outline=plan.within(manner.outline))
    easel.contour = _contour(palette.dark, plan)
    brush = [plan.within(span) for span in (manner.length, manner.width, manner.angle, manner.spread)]
    soft, light = plan.within(manner.soft), plan.within(manner.light)
    SCENES[scene](easel, palette, manner)
    length, thick, angle, spread = brush
    if plan.chance(0.5):
        easel.mirror()
    easel.strokes(230, 0.8 * length, 0.75 * thick, angle, spread, manner.relief)
    return finish(easel, support, soft, light)


def _contour(dark: Colour, plan: Dice) -> Colour:
    return mix(dark, (20, 18, 16), plan.between(0.2, 0.8))


def _number(culture: str) -> int:
    if culture not in CULTURES:
        raise InputError(f"no culture `{culture}` to paint: {choices_hint(culture, CULTURES)}")
    return CULTURES.index(culture)
