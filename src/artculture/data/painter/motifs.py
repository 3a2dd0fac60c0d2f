"""The things that scenes are put together from: trees, landmarks, people, flowers and fruit."""

from collections.abc import Callable
from math import cos, pi, sin

from artculture.data.painter.easel import Colour, Easel, Point, mix, shade
from artculture.data.painter.palettes import Palette

Motif = Callable[[Easel, Palette, Point, float], None]


def ridge(e: Easel, base: float, height: float, steps: int) -> list[Point]:
    """A closed outline of hills that stand on the lower edge."""
    tops = base - height * e.dice.rng.random(steps + 1)
    return [(0, 1), *((step / steps, float(top)) for step, top in enumerate(tops)), (1, 1)]


def round_tree(e: Easel, p: Palette, at: Point, s: float) -> None:
    e.shape(at, s, [(-0.05, 0), (0.05, 0), (0.03, -0.5), (-0.03, -0.5)], p.dark, contour=False)
    for tone in (0.6, 0.8, 1.05, 1.3):
        x = at[0] + e.dice.between(-0.24, 0.24) * s / e.wide
        y = at[1] - (0.62 + e.dice.between(-0.2, 0.2)) * s / e.tall
        e.blob((x, y), 0.3 * s, 0.26 * s, shade(p.leaf, tone))


def framing_tree(e: Easel, p: Palette, at: Point, s: float) -> None:
    """A large dark tree that closes one side of the picture."""
    side = 0.06 if at[0] < 0.5 else 0.94
    e.line([(side, at[1] + 0.1), (side + 0.02, 0.2)], shade(p.dark, 1.2), 0.05)
    for step in range(7):
        x, y = side + e.dice.between(-0.12, 0.16), 0.05 + 0.07 * step
        e.blob((x, y), 0.17, 0.11, shade(p.leaf, e.dice.between(0.4, 0.9)))
    round_tree(e, p, at, s)


def conifer(e: Easel, p: Palette, at: Point, s: float) -> None:
    tone = e.dice.between(0.45, 0.85)
    for tier in range(4):
        half, top, foot = 0.1 + 0.06 * tier, -1.1 + 0.24 * tier, -0.68 + 0.22 * tier
        e.shape(at, s, [(-half, foot), (0, top), (half, foot)], shade(p.leaf, tone + 0.06 * tier))


def poplar(e: Easel, p: Palette, at: Point, s: float) -> None:
    e.line([at, (at[0], at[1] - 0.3 * s / e.tall)], p.dark, 0.05 * s)
    middle = (at[0], at[1] - 0.75 * s / e.tall)
    e.ellipse(middle, 0.14 * s, 0.6 * s, p.leaf)
    e.ellipse((middle[0] - 0.04 * s, middle[1]), 0.06 * s, 0.5 * s, shade(p.leaf, 1.25), contour=False)


def cypress(e: Easel, p: Palette, at: Point, s: float) -> None:
    e.shape(at, s, [(-0.08, 0), (-0.11, -0.4), (0, -1.15), (0.11, -0.4), (0.08, 0)], shade(p.leaf, 0.55))


def umbrella_pine(e: Easel, p: Palette, at: Point, s: float) -> None:
    e.line([at, (at[0] + 0.05 * s, at[1] - 0.8 * s / e.tall)], p.dark, 0.05 * s)
    for x, tone in ((-0.16, 0.6), (0.2, 0.7), (0.04, 0.95)):
        e.ellipse((at[0] + x * s / e.wide, at[1] - 0.86 * s / e.tall), 0.26 * s, 0.11 * s, shade(p.leaf, tone))


def bare_tree(e: Easel, p: Palette, at: Point, s: float) -> None:
    twigs = [(at, -pi / 2 + e.dice.between(-0.2, 0.2), 0.4 * s, 0.05 * s)]
    for _ in range(15):
        foot, turn, reach, width = twigs.pop(0)
        top = (foot[0] + cos(turn) * reach / e.wide, foot[1] + sin(turn) * reach / e.tall)
        e.line([foot, top], p.dark, width)
        twigs += [(top, turn + e.dice.between(low, low + 0.5), reach * 0.72, width * 0.6) for low in (-0.8, 0.2)]


TREES: dict[str, Motif] = {
    "round": round_tree,
    "framing": framing_tree,
    "conifer": conifer,
    "poplar": poplar,
    "cypress": cypress,
    "umbrella": umbrella_pine,
    "bare": bare_tree,
}


def windmill(e: Easel, p: Palette, at: Point, s: float) -> None:
    e.shape(at, s, [(-0.2, 0), (0.2, 0), (0.12, -0.7), (-0.12, -0.7)], p.mid)
    e.shape(at, s, [(-0.15, -0.7), (0, -0.88), (0.15, -0.7)], p.warm)
    hub, turn = (at[0], at[1] - 0.72 * s / e.tall), e.dice.between(0, pi / 2)
    for quarter in range(4):
        angle = turn + quarter * pi / 2
        tip = (hub[0] + 0.55 * s * cos(angle) / e.wide, hub[1] + 0.55 * s * sin(angle) / e.tall)
        e.line([hub, tip], p.dark, 0.045 * s)


def spire(e: Easel, p: Palette, at: Point, s: float) -> None:
    e.shape(at, s, [(-0.45, 0), (-0.45, -0.3), (-0.2, -0.45), (0.1, -0.3), (0.1, 0)], p.mid)
    e.shape(at, s, [(0.02, 0), (0.02, -0.6), (0.12, -1.3), (0.22, -0.6), (0.22, 0)], shade(p.cool, 0.8))


def tower(e: Easel, p: Palette, at: Point, s: float) -> None:
    e.shape(at, s, [(-0.4, 0), (-0.4, -0.35), (0.4, -0.4), (0.4, 0)], shade(p.mid, 0.85))
    e.shape(at, s, [(-0.2, 0), (-0.2, -0.85), (0.05, -0.85), (0.05, 0)], p.mid)
    for notch in (-0.2, -0.1, 0.0):
        e.shape(at, s, [(notch, -0.85), (notch, -0.93), (notch + 0.05, -0.93), (notch + 0.05, -0.85)], p.mid)


def dome(e: Easel, p: Palette, at: Point, s: float) -> None:
    e.shape(at, s, [(-0.6, 0), (-0.6, -0.3), (0.6, -0.3), (0.6, 0)], p.light)
    e.ellipse((at[0], at[1] - 0.4 * s / e.tall), 0.3 * s, 0.34 * s, p.warm)
    e.shape(at, s, [(-0.32, 0), (-0.32, -0.4), (0.32, -0.4), (0.32, 0)], mix(p.light, p.mid, 0.35))
    for x in (-0.5, -0.18, 0.12, 0.44):
        e.shape(at, s, [(x, -0.02), (x, -0.2), (x + 0.08, -0.2), (x + 0.08, -0.02)], p.dark)


def bridge(e: Easel, p: Palette, at: Point, s: float) -> None:
    e.shape(at, s, [(-0.9, 0.1), (-0.9, -0.25), (0, -0.38), (0.9, -0.25), (0.9, 0.1)], p.light)
    for x in (-0.55, 0.0, 0.55):
        e.ellipse((at[0] + x * s / e.wide, at[1] + 0.08 * s / e.tall), 0.2 * s, 0.2 * s, p.cool)


def cattle(e: Easel, p: Palette, at: Point, s: float) -> None:
    for _ in range(e.dice.count(2, 4)):
        x, y = at[0] + e.dice.between(-0.2, 0.2), at[1] + e.dice.between(0.1, 0.22)
        coat = e.dice.pick([p.warm, p.light, p.dark])
        e.shape(
            (x, y),
            0.22 * s,
            [(-0.5, 0.4), (-0.5, -0.2), (0.7, -0.3), (0.5, 0), (0.4, 0.4), (0.3, 0.1), (-0.3, 0.1)],
            coat,
        )


def rocks(e: Easel, p: Palette, at: Point, s: float) -> None:
    for x, height, tone in ((-0.35, 0.7, 0.9), (0.1, 1.0, 1.1), (0.4, 0.6, 0.8)):
        peak = [(x - 0.25, 0.1), (x - 0.12, -height), (x + 0.08, -height * 0.9), (x + 0.25, 0.1)]
        e.shape(at, s, peak, mix(p.cool, p.mid, 0.2 + 0.3 * tone - 0.2))


def peaks(e: Easel, p: Palette, at: Point, s: float) -> None:
    for _ in range(3):
        x, y = at[0] + e.dice.between(-0.3, 0.3), at[1]
        top = e.dice.between(0.6, 1.1)
        e.shape(
            (x, y),
            s,
            [(-0.9, 0), (-0.2, -0.6 * top), (0, -top), (0.3, -0.5 * top), (0.9, 0)],
            mix(p.cool, p.sky, 0.35),
        )
        e.shape((x, y), s, [(-0.11, -0.8 * top), (0, -top), (0.12, -0.8 * top), (0, -0.72 * top)], p.light)


LANDMARKS: dict[str, Motif] = {
    "windmill": windmill,
    "spire": spire,
    "tower": tower,
    "dome": dome,
    "bridge": bridge,
    "cattle": cattle,
    "rocks": rocks,
    "peaks": peaks,
}


def flower(e: Easel, at: Point, s: float, petals: int, colour: Colour, heart: Colour) -> None:
    turn = e.dice.between(0, 2 * pi)
    for petal in range(petals):
        angle = turn + 2 * pi * petal / petals
        place = (at[0] + 0.6 * s * cos(angle) / e.wide, at[1] + 0.6 * s * sin(angle) / e.tall)
        e.ellipse(place, 0.5 * s, 0.45 * s, colour)
    e.ellipse(at, 0.3 * s, 0.3 * s, heart, contour=False)


def fruit(e: Easel, at: Point, s: float, colour: Colour) -> None:
    """A ball lit from the upper left."""
    e.ellipse(at, s, s, shade(colour, 0.6))
    for step, tone in ((0.14, 0.85), (0.26, 1.05)):
        place = (at[0] - step * s / e.wide, at[1] - step * s / e.tall)
        e.ellipse(place, s * (0.95 - 1.1 * step), s * (0.95 - 1.1 * step), shade(colour, tone), contour=False)
    e.ellipse(
        (at[0] - 0.4 * s / e.wide, at[1] - 0.42 * s / e.tall),
        0.1 * s,
        0.1 * s,
        shade(colour, 1.9),
        contour=False,
    )


def vase(e: Easel, p: Palette, at: Point, s: float, colour: Colour) -> None:
    half = [(0.12, -1), (0.1, -0.8), (0.36, -0.5), (0.38, -0.25), (0.2, 0)]
    e.shape(at, s, [(-x, y) for x, y in half] + half[::-1], colour)
    e.shape(
        at,
        s,
        [(-0.28, -0.5), (-0.2, -0.56), (-0.18, -0.15), (-0.26, -0.2)],
        mix(colour, p.light, 0.6),
        contour=False,
    )


def standing_figure(e: Easel, p: Palette, at: Point, s: float, robe: Colour) -> None:
    """A person seen small, `s` tall, feet at `at`."""
    e.shape(at, s, [(-0.24, 0), (-0.1, -0.55), (-0.14, -0.78), (0.14, -0.78), (0.1, -0.55), (0.24, 0)], robe)
    e.shape(at, s, [(-0.14, -0.78), (-0.26, -0.45), (0.05, -0.5), (0.14, -0.78)], shade(robe, 0.75))
    e.ellipse((at[0], at[1] - 0.88 * s / e.tall), 0.085 * s, 0.105 * s, p.skin)
    e.shape(at, s, [(-0.1, -0.88), (-0.08, -1.0), (0.08, -1.0), (0.1, -0.9)], p.dark)
