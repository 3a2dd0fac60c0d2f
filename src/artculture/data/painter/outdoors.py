"""Scenes under the sky: landscape, sea, town, ink scroll, flat waves."""

from math import pi, sin

from artculture.data.painter.easel import Colour, Easel, Point, mix, shade
from artculture.data.painter.manners import Manner
from artculture.data.painter.motifs import LANDMARKS, TREES, ridge, standing_figure
from artculture.data.painter.palettes import Palette


def sky(e: Easel, p: Palette, horizon: float, clouds: int) -> None:
    e.gradient(0, horizon + 0.05, p.sky, p.glow)
    for _ in range(clouds):
        depth = e.dice.between(0.05, 0.85)
        at = (e.dice.between(0, 1), horizon * depth)
        # Clouds flatten towards the horizon.
        across, down = e.dice.between(0.08, 0.22), 0.09 * (1.1 - depth)
        tone = mix(p.light, p.sky, e.dice.between(0, 0.5))
        e.blob((at[0], at[1] + 0.02), across, down, shade(tone, 0.82))
        e.blob(at, across, down, tone)


def landscape(e: Easel, p: Palette, m: Manner) -> None:
    horizon, water = e.plan.within(m.horizon), e.plan.chance(0.4)
    landmark, kind = e.plan.pick(m.landmarks), e.plan.pick(m.trees)
    sky(e, p, horizon, e.plan.count(2, 9))
    place = (e.dice.pick([0.25, 0.4, 0.65, 0.78]) + e.dice.between(-0.06, 0.06), horizon + 0.01)
    if landmark == "sun":
        for ring in range(5):
            e.ellipse(place, 0.2 - 0.04 * ring, 0.2 - 0.04 * ring, mix(p.glow, p.light, ring / 5), contour=False)
    for layer in range(3):
        tone = mix(mix(p.cool, p.sky, 0.45), p.leaf, layer / 2)
        base = horizon + 0.045 * layer * layer
        e.polygon(ridge(e, base, 0.08 - 0.02 * layer, 5 + 3 * layer), tone, contour=True)
        if layer == 0 and landmark in LANDMARKS:
            LANDMARKS[landmark](e, p, place, e.dice.between(0.2, 0.34))
    e.gradient(horizon + 0.24, 1, mix(p.leaf, p.mid, 0.4), shade(p.ground, 0.7))
    if water:
        river(e, p, horizon)
    e.strokes(170, m.length[1], m.width[1], sum(m.angle) / 2, sum(m.spread) / 2, 16)
    for _ in range(e.dice.count(2, 7)):
        depth = e.dice.between(0.02, 0.3)
        TREES[kind](e, p, (e.dice.between(0, 1), horizon + depth), 0.12 + 0.9 * depth)
    if e.dice.chance(0.35):
        standing_figure(e, p, (e.dice.between(0.2, 0.8), horizon + 0.28), 0.12, p.warm)


def river(e: Easel, p: Palette, horizon: float) -> None:
    middle, bend = e.dice.between(0.3, 0.7), e.dice.between(-0.25, 0.25)
    near = mix(p.sky, p.cool, 0.4)
    left = [(middle, horizon + 0.08), (middle + bend - 0.08, horizon + 0.2), (middle - 0.3, 1.0)]
    right = [(middle + 0.3, 1.0), (middle + bend + 0.1, horizon + 0.2), (middle + 0.03, horizon + 0.08)]
    e.polygon(left + right, near)
    for _ in range(8):
        x, y = middle + e.dice.between(-0.2, 0.2), e.dice.between(horizon + 0.22, 0.98)
        e.line([(x, y), (x + 0.1, y)], mix(near, p.light, 0.5), 0.006)


def seascape(e: Easel, p: Palette, m: Manner) -> None:
    horizon = e.plan.within(m.horizon)
    sky(e, p, horizon, e.plan.count(3, 10))
    e.gradient(horizon, 1, mix(p.cool, p.glow, 0.35), shade(p.cool, 0.55))
    for _ in range(34):
        depth = e.dice.between(0.0, 1) ** 1.5
        x, y = e.dice.between(-0.1, 1), horizon + (1 - horizon) * depth
        crest = [(x, y), (x + 0.04 + 0.06 * depth, y - 0.015 * depth), (x + 0.09 + 0.12 * depth, y)]
        e.line(crest, mix(p.cool, p.light, e.dice.between(0.1, 0.7)), 0.003 + 0.008 * depth)
    e.strokes(150, m.length[1], m.width[1], sum(m.angle) / 2, sum(m.spread) / 2, 14)
    for _ in range(e.plan.count(1, 4)):
        depth = e.dice.between(0, 0.5)
        ship(e, p, (e.dice.between(0.12, 0.88), horizon + 0.03 + 0.3 * depth), 0.12 + 0.4 * depth)


def ship(e: Easel, p: Palette, at: Point, s: float) -> None:
    e.shape(at, s, [(-0.5, -0.12), (0.55, -0.16), (0.4, 0.05), (-0.4, 0.05)], p.dark)
    for mast, height in ((-0.25, 0.8), (0.05, 1.05), (0.3, 0.75)):
        e.line([e.near(at, mast * s, -0.1 * s), e.near(at, mast * s, -height * s)], p.dark, 0.03 * s)
        sail = [
            (mast - 0.02, -0.95 * height),
            (mast + 0.2, -0.85 * height),
            (mast + 0.24, -0.25),
            (mast - 0.06, -0.22),
        ]
        e.shape(at, s, sail, mix(p.light, p.mid, e.dice.between(0, 0.4)))


def veduta(e: Easel, p: Palette, m: Manner) -> None:
    """A town that recedes on both sides to a vanishing point, over a square or a canal."""
    vanish = (e.plan.between(0.35, 0.65), e.plan.within(m.horizon))
    canal = e.plan.chance(0.5)
    sky(e, p, vanish[1], e.dice.count(1, 5))
    LANDMARKS[e.plan.pick(m.landmarks)](e, p, (vanish[0], vanish[1] + 0.03), 0.22)
    e.gradient(vanish[1], 1, mix(p.cool if canal else p.mid, p.glow, 0.4), shade(p.cool if canal else p.mid, 0.8))
    for side in (0.0, 1.0):
        facade(e, p, side, vanish)
    e.strokes(140, m.length[1], m.width[0], sum(m.angle) / 2, sum(m.spread) / 2, 10)
    for _ in range(e.dice.count(3, 7)):
        x, y = e.dice.between(0.25, 0.75), e.dice.between(vanish[1] + 0.1, 0.92)
        if canal:
            hull = [(-0.7, -0.16), (-0.5, 0), (0.5, 0), (0.75, -0.2), (0.45, -0.05), (-0.45, -0.05)]
            e.shape((x, y), 0.3 * (y - vanish[1]) + 0.04, hull, p.dark)
        else:
            standing_figure(e, p, (x, y), 0.3 * (y - vanish[1]) + 0.03, e.dice.pick([p.warm, p.dark, p.cool]))


def facade(e: Easel, p: Palette, side: float, vanish: Point) -> None:
    """Houses with rows of arches along one side, smaller towards the vanishing point."""
    depth, roof = 0.0, e.dice.between(0.02, 0.2)
    while depth < 0.78:
        end = min(0.8, depth + e.dice.between(0.16, 0.3))
        wall = mix(e.dice.pick([p.light, p.mid, p.warm, p.glow]), p.mid, 0.3)

        def seen(along: float, height: float) -> Point:
            return side + (vanish[0] - side) * along, height + (vanish[1] - height) * along

        corners = [seen(depth, roof), seen(end, roof), seen(end, 0.86), seen(depth, 0.86)]
        e.polygon(corners, shade(wall, 0.75 if side else 1.05), contour=True)
        for row in range(3):
            top = roof + (0.86 - roof) * (row + 0.3) / 3
            for column in range(3):
                near = depth + (end - depth) * (column + 0.3) / 3
                far, foot = near + (end - depth) * 0.14, top + (0.86 - roof) * 0.14
                e.polygon([seen(near, top), seen(far, top), seen(far, foot), seen(near, foot)], p.dark)
        depth, roof = end, e.dice.between(0.02, 0.2)


def scroll(e: Easel, p: Palette, m: Manner) -> None:
    """Mountains in washes above mist, trees and a hut in front, a column of brush marks and a seal."""
    paper = mix(p.light, p.ground, e.plan.between(0.1, 0.9))
    layers, lean = e.plan.count(2, max(2, m.plenty[1] // 3)), e.plan.between(0.2, 0.8)
    e.fill(paper)
    for layer in range(layers):
        foot = 0.42 + 0.5 * (layer + 1) / layers
        for _ in range(e.dice.count(1, 3)):
            at = (lean + e.dice.between(-0.4, 0.4), foot - 0.12)
            mountain(e, p, at, e.dice.between(0.26, 0.5) * (1.25 - 0.3 * layer / layers), paper, layer / layers)
        e.gradient(foot - 0.12, foot + 0.02, mix(paper, p.mid, 0.12), paper)
    for _ in range(e.plan.count(1, 4)):
        at = (e.dice.between(0.1, 0.9), e.dice.between(0.86, 0.97))
        TREES[e.dice.pick(["bare", "umbrella"])](e, p, at, e.dice.between(0.16, 0.3))
    if e.plan.chance(0.5):
        at = (e.dice.between(0.2, 0.8), 0.9)
        e.shape(at, 0.1, [(-0.4, 0.5), (-0.4, 0), (-0.7, 0), (0, -0.45), (0.7, 0), (0.4, 0), (0.4, 0.5)], paper)
    inscription(e, p, paper, 0.08 if lean > 0.5 else 0.88)


def mountain(e: Easel, p: Palette, at: Point, s: float, paper: Colour, nearness: float) -> None:
    steps, height = 7, s * e.dice.between(1.0, 1.8)
    wash = mix(paper, mix(p.cool, p.dark, 0.5), 0.25 + 0.4 * nearness)
    crest = []
    for step in range(steps + 1):
        across = 2 * step / steps - 1
        crest.append((across * s * 0.75, -height * (1 - across * across) * e.dice.between(0.75, 1.1)))
    e.shape(at, 1.0, [(-s, 0.2 * s), *crest, (s, 0.2 * s)], wash)
    for x, y in crest[1:-1]:
        # Texture strokes run down from the crest.
        for _ in range(3):
            dx, reach = e.dice.between(-0.08, 0.08) * s, -y * e.dice.between(0.3, 0.8)
            top = e.near(at, x + dx, y * e.dice.between(0.6, 0.95))
            e.line([top, e.near(top, dx, min(reach, 0.4 * s))], mix(wash, p.dark, 0.4), 0.008)


def inscription(e: Easel, p: Palette, paper: Colour, x: float) -> None:
    """Columns of short brush marks and a red seal: meant to read as nothing."""
    top = e.dice.between(0.04, 0.1)
    for column in range(e.plan.count(1, 3)):
        for row in range(e.dice.count(4, 9)):
            at = (x + 0.05 * column / e.wide, top + 0.028 * row)
            e.line(
                [at, (at[0] + e.dice.between(0.01, 0.03), at[1] + e.dice.between(-0.01, 0.012))],
                p.dark,
                0.007,
            )
    seal = (x, top + 0.33)
    e.shape(
        seal,
        0.03,
        [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)],
        mix(p.accent, paper, 0.1),
        contour=False,
    )


def waves(e: Easel, p: Palette, m: Manner) -> None:
    """Flat bands of sky, a hill or a sun disc, and rows of curling waves."""
    top = e.plan.between(0.35, 0.6)
    e.gradient(0, top + 0.1, mix(p.sky, p.light, e.plan.between(0, 0.7)), p.glow)
    place = (e.plan.between(0.25, 0.75), top)
    if e.plan.pick(m.landmarks) == "cone":
        e.shape(place, 0.5, [(-1, 0.1), (-0.15, -0.7), (0.15, -0.7), (1, 0.1)], mix(p.cool, p.mid, 0.3))
        e.shape(
            place,
            0.5,
            [(-0.3, -0.52), (-0.15, -0.7), (0.15, -0.7), (0.3, -0.52), (0.1, -0.6), (-0.08, -0.5)],
            p.light,
        )
    else:
        e.ellipse((place[0], top * 0.5), 0.1, 0.1, p.warm)
    rows = e.plan.count(4, 7)
    for row in range(rows):
        y = top + (1 - top) * row / rows
        s = 0.07 + 0.05 * row / rows
        tone = mix(p.cool, p.light if row % 2 else p.dark, e.dice.between(0.05, 0.35))
        swell = [(step / 12, y + 0.3 * s * sin(pi * step / 2.5 + 2 * row)) for step in range(13)]
        e.polygon([(0, 1), *swell, (1, 1)], tone, contour=True)
        shift = e.dice.between(0, s)
        for step in range(int(e.wide / (1.4 * s)) + 1):
            at = (shift + step * 1.4 * s / e.wide, y + 0.35 * s / e.tall)
            for ring in (0.62, 0.36):
                e.ellipse(at, ring * s, ring * s, mix(tone, p.light, 0.75 if ring > 0.5 else 0.1))
