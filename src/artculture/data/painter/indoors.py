"""Scenes in rooms: portrait, still life, interior."""

from math import cos, pi, sin

from artculture.data.painter.easel import Colour, Easel, Point, mix, shade
from artculture.data.painter.manners import Manner
from artculture.data.painter.motifs import TREES, flower, fruit, ridge, standing_figure, vase
from artculture.data.painter.ornamental import border
from artculture.data.painter.outdoors import sky
from artculture.data.painter.palettes import Palette


def backdrop(e: Easel, p: Palette, m: Manner) -> None:
    kind, tone = e.plan.pick(m.backdrops), e.plan.pick([p.ground, p.dark, p.leaf, p.cool])
    if kind == "view":
        sky(e, p, 0.5, 3)
        e.polygon(ridge(e, 0.52, 0.14, 6), mix(p.cool, p.leaf, 0.4), contour=True)
        e.polygon(ridge(e, 0.7, 0.12, 5), p.leaf, contour=True)
        for x in (0.08, 0.9):
            TREES[e.plan.pick(m.trees)](e, p, (x, 0.72), 0.26)
    elif kind == "page":
        e.fill(mix(p.leaf, tone, 0.5))
        border(e, p, e.plan.between(0.07, 0.13))
    else:
        e.gradient(0, 1, tone, tone if kind == "flat" else mix(tone, p.dark, 0.6))
    if kind == "curtain":
        for fold in range(5):
            x = 0.02 + 0.08 * fold
            e.polygon(
                [(x, 0), (x + 0.08, 0), (x + 0.03, 0.85), (x - 0.03, 0.8)],
                shade(p.warm, 0.6 + 0.2 * (fold % 2)),
            )


def portrait(e: Easel, p: Palette, m: Manner) -> None:
    backdrop(e, p, m)
    e.strokes(150, m.length[1], m.width[1], sum(m.angle) / 2, sum(m.spread) / 2, 12)
    s = e.plan.between(0.24, 0.34) * e.dice.between(0.9, 1.1)
    at = (e.plan.between(0.42, 0.58) + e.dice.between(-0.05, 0.05), e.dice.between(0.34, 0.42))
    cloth = e.plan.pick([p.dark, p.dark, p.warm, p.cool, p.mid])
    turned = e.dice.pick([-1, 1])
    shoulders = [
        (-1.5, 2.6),
        (-1.35, 1.5),
        (-0.9, 1.0),
        (-0.3, 0.75),
        (0.3, 0.75),
        (0.9, 1.0),
        (1.35, 1.5),
        (1.5, 2.6),
    ]
    e.shape(at, s, [(x + 0.1 * turned, y) for x, y in shoulders], cloth)
    e.shape(at, s, [(-0.2, 0.4), (0.2, 0.4), (0.28, 0.95), (-0.28, 0.95)], shade(p.skin, 0.8))
    hair = e.plan.pick([p.dark, p.mid, mix(p.dark, p.warm, 0.4)])
    e.ellipse(e.near(at, 0, -0.1 * s), 0.58 * s, 0.68 * s, hair)
    e.ellipse(at, 0.46 * s, 0.6 * s, p.skin)
    face(e, p, at, s, turned)
    dress(e, p, at, s, e.plan.pick(m.dress), cloth)
    if e.plan.chance(0.4):
        e.ellipse(e.near(at, -0.5 * turned * s, 1.9 * s), 0.26 * s, 0.18 * s, p.skin)


def face(e: Easel, p: Palette, at: Point, s: float, turned: int) -> None:
    shadow = shade(p.skin, 0.72)
    half = [(0.46 * turned * sin(pi * step / 8), -0.6 * cos(pi * step / 8)) for step in range(9)]
    e.shape(at, s, [*half, (0.2 * turned, 0.3), (0.12 * turned, -0.2)], shadow, contour=False)
    for side in (-1, 1):
        x = (0.19 * side - 0.06 * turned) * s
        e.line(
            [e.near(at, x - 0.08 * s, -0.16 * s), e.near(at, x + 0.08 * s, -0.17 * s)],
            shadow,
            0.035 * s,
        )
        e.ellipse(e.near(at, x, -0.07 * s), 0.075 * s, 0.04 * s, p.dark, contour=False)
    nose = -0.08 * turned * s
    e.line(
        [e.near(at, nose * 0.5, -0.08 * s), e.near(at, nose * 1.6, 0.15 * s)],
        shade(p.skin, 1.12),
        0.05 * s,
    )
    mouth = e.near(at, -0.07 * turned * s, 0.3 * s)
    e.ellipse(mouth, 0.12 * s, 0.03 * s, mix(p.skin, (140, 40, 36), 0.5), contour=False)


def dress(e: Easel, p: Palette, at: Point, s: float, kind: str, cloth: Colour) -> None:
    if kind == "ruff":
        e.ellipse(e.near(at, 0, 0.72 * s), 0.75 * s, 0.24 * s, p.light)
        for fold in range(-4, 5):
            foot = e.near(at, 0.17 * fold * s, 0.86 * s)
            e.line([e.near(at, 0.09 * fold * s, 0.62 * s), foot], mix(p.light, p.mid, 0.5), 0.03 * s)
        e.ellipse(e.near(at, 0, 0.38 * s), 0.2 * s, 0.16 * s, p.skin, contour=False)
    elif kind == "wig":
        for side in (-1, 1):
            for curl in range(5):
                e.ellipse(
                    e.near(at, 0.52 * side * s, (-0.4 + 0.26 * curl) * s),
                    0.17 * s,
                    0.15 * s,
                    mix(p.light, p.mid, 0.3),
                )
        e.shape(
            at,
            s,
            [(-0.55, -0.35), (-0.3, -0.75), (0.3, -0.75), (0.55, -0.35), (0, -0.5)],
            mix(p.light, p.mid, 0.3),
        )
    elif kind == "cap":
        e.shape(
            at,
            s,
            [(-0.62, -0.3), (-0.55, -0.72), (0, -0.9), (0.55, -0.72), (0.62, -0.3), (0, -0.42)],
            p.accent,
        )
    elif kind == "hat":
        e.ellipse(e.near(at, 0, -0.45 * s), 0.95 * s, 0.16 * s, p.dark)
        e.shape(at, s, [(-0.45, -0.45), (-0.38, -1.0), (0.38, -1.0), (0.45, -0.45)], p.dark)
    elif kind == "veil":
        for side in (-1, 1):
            e.shape(
                at,
                s,
                [(0, -0.8), (0.5 * side, -0.6), (0.8 * side, 1.1), (0.42 * side, 0.9), (0.42 * side, -0.3)],
                p.light,
            )
    elif kind == "cravat":
        e.shape(at, s, [(-0.22, 0.62), (0.22, 0.62), (0.14, 1.2), (0, 1.0), (-0.14, 1.25)], p.light)
        e.shape(at, s, [(-0.3, 0.75), (-0.65, 1.0), (-0.1, 2.0), (-0.12, 1.2)], shade(cloth, 1.3))


def still_life(e: Easel, p: Palette, m: Manner) -> None:
    """Fruit, vessels and perhaps flowers on a table before a ground."""
    table = e.plan.between(0.62, 0.76)
    e.gradient(0, table, shade(p.ground, 0.7), p.ground)
    cloth = e.plan.pick([p.light, p.mid, p.warm, p.leaf])
    e.gradient(table, 1, cloth, shade(cloth, 0.5))
    e.strokes(150, m.length[1], m.width[1], sum(m.angle) / 2, sum(m.spread) / 2, 12)
    bouquet, things = e.plan.chance(0.5), e.plan.count(*m.plenty)
    x = e.plan.between(0.3, 0.7)
    vase(e, p, (x, table + 0.06), e.plan.between(0.24, 0.34), e.plan.pick([p.cool, p.mid, p.accent]))
    for _ in range(2 * things if bouquet else 0):
        at = (x + e.dice.between(-0.26, 0.26), table - e.dice.between(0.22, 0.56))
        e.line([(x, table - 0.18), at], shade(p.leaf, 0.8), 0.008)
        e.blob(e.near(at, 0.05, 0.03), 0.05, 0.03, p.leaf)
        flower(e, at, e.dice.between(0.03, 0.055), 6, e.dice.pick([p.light, p.warm, p.accent, p.cool]), p.accent)
    for step in range(things):
        at = (0.12 + 0.76 * (step + e.dice.between(0.2, 0.8)) / things, table + e.dice.between(0.02, 0.16))
        fruit(e, at, e.dice.between(0.045, 0.085), e.dice.pick([p.warm, p.accent, p.leaf, p.warm]))


def interior(e: Easel, p: Palette, m: Manner) -> None:
    """A tiled floor in perspective, light from a window at one side, one or two people."""
    vanish = (e.plan.between(0.35, 0.65), e.plan.between(0.36, 0.46))
    left, right, foot = 0.22, 0.8, e.plan.between(0.6, 0.7)
    wall = mix(p.light, p.mid, e.plan.between(0.3, 0.9))
    e.fill(shade(wall, 0.6))
    e.gradient(0.08, foot, wall, shade(wall, 0.85), left, right)
    e.polygon([(0, 1), (left, foot), (right, foot), (1, 1)], p.ground)
    tiles(e, p, foot, vanish)
    e.strokes(140, m.length[1], m.width[0], sum(m.angle) / 2, sum(m.spread) / 2, 10)
    side = 0.0 if e.plan.chance(0.7) else 1.0
    pane = [(abs(side - x), y) for x, y in ((0.03, 0.12), (0.17, 0.18), (0.17, 0.46), (0.03, 0.5))]
    e.polygon(pane, p.glow, contour=True)
    e.line([pane[0], pane[2]], p.dark, 0.01)
    e.rectangle(0.42, 0.16, 0.62, 0.32, p.dark)
    e.rectangle(0.44, 0.18, 0.6, 0.3, mix(p.cool, p.leaf, 0.5))
    for _ in range(e.plan.count(1, 2)):
        at = (e.dice.between(0.3, 0.7), e.dice.between(0.78, 0.95))
        standing_figure(e, p, at, e.dice.between(0.36, 0.5), e.dice.pick([p.warm, p.cool, p.dark, p.accent]))


def tiles(e: Easel, p: Palette, foot: float, vanish: Point) -> None:
    def seen(x: float, depth: float) -> Point:
        y = vanish[1] + (1 - vanish[1]) / (1 + depth * ((1 - vanish[1]) / (foot - vanish[1]) - 1))
        nearness = (y - vanish[1]) / (1 - vanish[1])
        return vanish[0] + (x - vanish[0]) * nearness, y

    columns, rows = 8, 6
    for row in range(rows):
        for column in range(row % 2, columns, 2):
            near, far = row / rows, (row + 1) / rows
            a, b = 1.6 * column / columns - 0.3, 1.6 * (column + 1) / columns - 0.3
            e.polygon([seen(a, near), seen(b, near), seen(b, far), seen(a, far)], mix(p.light, p.ground, 0.25))
