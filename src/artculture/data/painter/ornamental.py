"""Scenes that fill a decorated field: altar panel, album page, flowering branch."""

from math import cos, pi, sin

from artculture.data.painter.easel import Colour, Easel, Point, mix, shade
from artculture.data.painter.manners import Manner
from artculture.data.painter.motifs import flower, ridge, standing_figure
from artculture.data.painter.palettes import Palette


def altar(e: Easel, p: Palette, m: Manner) -> None:
    """One to three haloed figures under an arch."""
    field = e.plan.pick([p.accent, p.accent, p.sky, p.ground])
    e.fill(field)
    for _ in range(60):
        at = (e.dice.between(0, 1), e.dice.between(0, 0.6))
        e.ellipse(at, 0.008, 0.008, shade(field, e.dice.between(0.8, 1.15)), contour=False)
    e.rectangle(0, e.plan.between(0.72, 0.85), 1, 1, p.mid)
    count = e.plan.pick([1, 1, 3])
    for person in range(count):
        middle = 0.5 if count == 1 else 0.22 + 0.28 * person
        s = e.plan.between(0.7, 0.85) if person == count // 2 else 0.55
        saint(e, p, (middle, 0.94), s * (1.15 if count == 1 else 0.95))
    e.strokes(110, m.length[0], m.width[0], sum(m.angle) / 2, sum(m.spread) / 2, 10)
    arch = [(0.5 - 0.47 * cos(pi * step / 12), 0.34 - 0.3 * sin(pi * step / 12)) for step in range(13)]
    frame = shade(p.dark, 1.2)
    e.polygon([(0, 1), (0, 0), (1, 0), (1, 1), (0.97, 1), *arch[::-1], (0.03, 1)], frame)
    e.line([(0.03, 1), *arch, (0.97, 1)], p.glow, 0.02)


def saint(e: Easel, p: Palette, at: Point, s: float) -> None:
    robe, mantle = e.dice.pick([p.warm, p.light, p.mid]), e.dice.pick([p.cool, p.dark, p.leaf])
    head = e.near(at, e.dice.between(-0.03, 0.03) * s, -0.86 * s)
    e.ellipse(head, 0.15 * s, 0.15 * s, shade(p.glow, 1.1))
    e.shape(at, s, [(-0.34, 0), (-0.27, -0.6), (-0.1, -0.76), (0.1, -0.76), (0.27, -0.6), (0.34, 0)], mantle)
    e.shape(at, s, [(-0.12, 0), (-0.09, -0.7), (0.09, -0.7), (0.14, 0)], robe)
    for fold in (-0.24, -0.17, 0.18, 0.25):
        e.line(
            [e.near(at, fold * 0.6 * s, -0.55 * s), e.near(at, fold * 1.2 * s, 0)],
            shade(mantle, 0.7),
            0.014,
        )
    e.ellipse(head, 0.075 * s, 0.1 * s, p.skin)
    e.shape(
        head,
        s,
        [(-0.1, 0.1), (-0.09, -0.07), (0, -0.13), (0.09, -0.07), (0.1, 0.1), (0.055, -0.05), (-0.055, -0.05)],
        mantle,
    )
    for eye in (-0.03, 0.03):
        e.ellipse(e.near(head, eye * s, 0), 0.011 * s, 0.008 * s, p.dark, contour=False)
    e.ellipse(e.near(at, 0, -0.48 * s), 0.055 * s, 0.035 * s, p.skin)


def border(e: Easel, p: Palette, width: float) -> None:
    """Bands with a running pattern round the page."""
    band, dot = e.plan.pick([p.warm, p.cool, p.light, p.accent]), e.plan.pick([p.accent, p.light, p.leaf])
    across, down = width / e.wide, width / e.tall
    for left, top, right, bottom in (
        (0, 0, 1, down),
        (0, 1 - down, 1, 1),
        (0, 0, across, 1),
        (1 - across, 0, 1, 1),
    ):
        e.rectangle(left, top, right, bottom, band)
    step = width * 0.9
    places: list[Point] = []
    for count in range(int(e.wide / step)):
        places += [((count + 0.5) * step / e.wide, y) for y in (down / 2, 1 - down / 2)]
    for count in range(int(e.tall / step)):
        places += [(x, (count + 0.5) * step / e.tall) for x in (across / 2, 1 - across / 2)]
    for place in places:
        e.ellipse(place, 0.26 * width, 0.26 * width, dot)
    inner = [(across, down), (1 - across, down), (1 - across, 1 - down), (across, 1 - down), (across, down)]
    e.line(inner, p.accent, 0.012)


def page(e: Easel, p: Palette, m: Manner) -> None:
    """Flat fields, a pavilion, small figures and patterned trees inside a border."""
    e.fill(e.plan.pick([p.leaf, p.ground, p.cool, p.glow, p.light]))
    horizon = e.plan.between(0.2, 0.35)
    e.gradient(0, horizon, p.sky, p.glow)
    e.polygon(ridge(e, horizon + 0.06, 0.08, 7), e.plan.pick([p.leaf, p.mid, p.cool]), contour=True)
    for _ in range(e.plan.count(2, 4)):
        leafy(
            e,
            p,
            (e.dice.between(0.15, 0.85), horizon + e.dice.between(0.12, 0.3)),
            e.dice.between(0.09, 0.15),
        )
    if e.plan.chance(0.65):
        pavilion(e, p, (e.plan.pick([0.3, 0.68]), 0.78), e.plan.between(0.42, 0.55))
    e.rectangle(0, 0.8, 1, 1, e.plan.pick([p.warm, p.cool, p.leaf]))
    for _ in range(e.plan.count(*m.plenty)):
        at = (e.dice.between(0.18, 0.82), e.dice.between(0.66, 0.9))
        standing_figure(e, p, at, e.dice.between(0.2, 0.27), e.dice.pick([p.warm, p.accent, p.cool, p.light, p.leaf]))
    border(e, p, e.plan.between(0.07, 0.14))


def leafy(e: Easel, p: Palette, at: Point, s: float) -> None:
    """A tree whose every leaf is drawn."""
    e.line([e.near(at, 0, 2 * s), at], p.dark, 0.02)
    e.ellipse(at, s, s, shade(p.leaf, 0.6))
    for leaf in range(14):
        turn, reach = 2 * pi * leaf * 0.382, s * 0.9 * (leaf / 14) ** 0.5
        place = e.near(at, cos(turn) * reach, sin(turn) * reach)
        e.ellipse(place, 0.018, 0.012, shade(p.leaf, 1.3 + 0.3 * (leaf % 2)), contour=False)


def pavilion(e: Easel, p: Palette, at: Point, s: float) -> None:
    e.shape(at, s, [(-0.5, 0), (-0.5, -0.75), (0.5, -0.75), (0.5, 0)], p.light)
    niche = [(0.34 * cos(pi * step / 8), -0.34 - 0.3 * sin(pi * step / 8)) for step in range(9)]
    e.shape(at, s, [(0.34, 0), *niche, (-0.34, 0)], p.warm)
    e.shape(at, s, [(-0.62, -0.75), (-0.5, -0.86), (0.5, -0.86), (0.62, -0.75)], p.accent)
    e.ellipse(e.near(at, 0, -0.92 * s), 0.18 * s, 0.14 * s, p.light)


def branch(e: Easel, p: Palette, m: Manner) -> None:
    """A flowering branch that enters from one side, perhaps with a bird."""
    field = e.plan.pick([p.ground, p.glow, p.accent, p.light, p.sky])
    e.gradient(0, 1, mix(field, p.light, 0.15), field)
    side, slope = e.plan.pick([0.0, 1.0]), e.plan.between(-0.5, 0.5)
    start = (side, e.plan.between(0.35, 0.75))
    petals, bloom = e.plan.count(4, 6), e.plan.pick([p.light, p.warm, p.accent])
    for _ in range(e.plan.count(2, 3)):
        at, width = start, 0.032
        for _ in range(5):
            reach, rise = e.dice.between(0.1, 0.2), slope * 0.16 + e.dice.between(-0.13, 0.1)
            end = (at[0] + (reach if side == 0 else -reach), at[1] + rise)
            e.line([at, end], mix(p.dark, p.mid, 0.25), width)
            spray(e, p, end, petals, bloom, m)
            at, width = end, width * 0.75
    if e.plan.chance(0.5):
        bird(e, p, (0.5 + e.dice.between(-0.2, 0.2), e.dice.between(0.2, 0.7)), e.plan.between(0.1, 0.16))


def spray(e: Easel, p: Palette, at: Point, petals: int, bloom: Colour, m: Manner) -> None:
    for _ in range(e.dice.count(*m.plenty) // 3):
        place = e.near(at, e.dice.between(-0.08, 0.08), e.dice.between(-0.08, 0.08))
        leaf = [(-0.5, 0), (0, -0.22), (0.55, e.dice.between(-0.3, 0.3)), (0, 0.2)]
        e.shape(place, 0.12, leaf, shade(p.leaf, e.dice.between(0.7, 1.15)))
    flower(
        e,
        e.near(at, 0, e.dice.between(-0.05, 0.05)),
        e.dice.between(0.026, 0.045),
        petals,
        bloom,
        p.warm,
    )


def bird(e: Easel, p: Palette, at: Point, s: float) -> None:
    e.shape(at, s, [(-0.4, 0.1), (-1.5, 0.5), (-1.4, 0.7), (-0.3, 0.4)], p.dark)
    e.ellipse(at, 0.6 * s, 0.36 * s, p.cool)
    e.shape(at, s, [(-0.5, 0), (0.2, -0.15), (0.1, 0.25), (-0.7, 0.3)], shade(p.cool, 0.6))
    head = e.near(at, 0.55 * s, -0.3 * s)
    e.ellipse(head, 0.24 * s, 0.22 * s, p.warm)
    e.shape(head, s, [(0.2, -0.08), (0.5, 0.02), (0.2, 0.1)], p.dark)
