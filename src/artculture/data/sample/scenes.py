"""What the pictures of the synthetic sample show. `plan` draws what a series shares, `rng` what is a picture's own."""

from collections.abc import Callable
from math import cos, pi, sin

import numpy as np

from artculture.data.sample.canvas import Canvas, Colour, blend
from artculture.data.sample.styles import Style

Rng = np.random.Generator


def landscape(canvas: Canvas, style: Style, plan: Rng, rng: Rng) -> None:
    """Sky, rows of hills that grow darker towards the front, trees, sometimes a sun."""
    ground, light, mid, dark, accent, _ = style.colours
    horizon = style.horizon
    canvas.gradient(0, horizon, light, blend(light, accent, plan.uniform(0.2, 0.6)))
    canvas.gradient(horizon, 1, blend(mid, light, 0.3), blend(ground, dark, 0.3))
    if plan.random() < 0.5:
        radius = plan.uniform(0.05, 0.09)
        canvas.ellipse((rng.uniform(0.15, 0.85), horizon * 0.6), radius, radius, blend(accent, light, 0.5))
    for row, depth in enumerate((0.0, 0.35, 0.7)):
        base = horizon + depth * (1 - horizon)
        canvas.polygon(_ridge(base, 0.1 + 0.05 * row, rng), blend(blend(mid, light, 0.35), dark, 0.3 * row))
    for _ in range(2 + int(plan.random() * 4)):
        x, y = rng.uniform(0.05, 0.95), rng.uniform(horizon, 0.9)
        _tree(canvas, (x, y), 0.08 + 0.22 * (y - horizon), blend(mid, dark, rng.uniform(0.3, 0.7)), dark, rng)


def portrait(canvas: Canvas, style: Style, plan: Rng, rng: Rng) -> None:
    """One or two half figures before a backdrop."""
    ground, light, mid, dark, accent, _ = style.colours
    canvas.gradient(0, 1, blend(ground, light, 0.15), blend(ground, dark, 0.5))
    skin = blend(np.array([226.0, 186, 152]), ground, 0.25)
    dress = [accent, mid, dark][int(plan.random() * 3)]
    figures = 1 if plan.random() < 0.7 else 2
    for number in range(figures):
        x = (number + 0.5) / figures + rng.uniform(-0.08, 0.08)
        y, radius = rng.uniform(0.3, 0.4), plan.uniform(0.11, 0.15)
        lap = (x, y + (radius * 2.9) * canvas.unit / canvas.height)
        canvas.ellipse((lap[0], lap[1] + 0.25), radius * 2.3, radius * 3.6, blend(dress, dark, 0.25 * number))
        canvas.ellipse((x, y), radius * 1.25, radius * 1.35, dark)
        canvas.ellipse((x, y + 0.02), radius * 0.85, radius * 1.1, skin)
        canvas.ellipse((x, lap[1] - 0.02), radius * 0.9, radius * 0.3, blend(light, skin, 0.2))
        for side in (-1, 1):
            canvas.ellipse((x + side * radius * 0.32, y), radius * 0.1, radius * 0.07, dark, contour=False)


def scroll(canvas: Canvas, style: Style, plan: Rng, rng: Rng) -> None:
    """Steep peaks one above the other in mist, trees at the foot, a seal."""
    ground, light, mid, dark, accent, _ = style.colours
    canvas.gradient(0, 1, blend(ground, light, 0.6), ground)
    for row in range(3 + int(plan.random() * 2)):
        base = 0.35 + 0.2 * row
        wash = blend(blend(mid, ground, 0.5), dark, 0.2 * row)
        canvas.polygon(_ridge(min(base, 0.95), 0.35, rng, steps=9), wash)
        canvas.gradient(min(base + 0.08, 1), min(base + 0.2, 1), blend(wash, ground, 0.5), ground)
    for _ in range(3 + int(rng.random() * 4)):
        at = rng.uniform(0.1, 0.9), rng.uniform(0.6, 0.95)
        _tree(canvas, at, rng.uniform(0.1, 0.2), blend(mid, dark, 0.5), dark, rng)
    _seal(canvas, accent, rng)


def branch(canvas: Canvas, style: Style, plan: Rng, rng: Rng) -> None:
    """A branch with blossoms and leaves, sometimes a bird, on a plain ground."""
    ground, light, mid, dark, accent, _ = style.colours
    canvas.gradient(0, 1, ground, blend(ground, light, plan.uniform(0.3, 0.9)))
    for _ in range(1 + int(plan.random() * 2)):
        x, y = (0.0 if rng.random() < 0.5 else 1.0), rng.uniform(0.2, 0.8)
        turn = (0 if x == 0 else pi) - rng.uniform(0.1, 0.7) * (1 if x == 0 else -1)
        points = [(x, y)]
        for _ in range(6):
            turn += rng.uniform(-0.5, 0.5)
            x, y = x + 0.17 * cos(turn), y + 0.13 * sin(turn)
            points.append((x, y))
        canvas.line(points, blend(dark, mid, 0.2), rng.uniform(0.015, 0.03))
        for x, y in points[1:]:
            for _ in range(3):
                at = x + rng.uniform(-0.09, 0.09), y + rng.uniform(-0.07, 0.07)
                radius = rng.uniform(0.02, 0.045)
                canvas.ellipse(at, radius, radius * rng.uniform(0.5, 1), accent if rng.random() < 0.5 else mid)
    if plan.random() < 0.4:
        at = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7)
        canvas.ellipse(at, 0.11, 0.07, blend(mid, dark, 0.3))
        canvas.ellipse((at[0] + 0.1, at[1] - 0.04), 0.045, 0.045, blend(mid, dark, 0.5))
    _seal(canvas, accent, rng)


def page(canvas: Canvas, style: Style, plan: Rng, rng: Rng) -> None:
    """A framed page: ornamental border, flat panels, a row of standing figures under arches."""
    ground, light, mid, dark, accent, _ = style.colours
    border = plan.uniform(0.06, 0.11)
    canvas.rectangle(0, 0, 1, 1, accent)
    for side in range(4):
        for place in np.linspace(0.04, 0.96, 9):
            near, far = border / 2, 1 - border / 2
            at = [(place, near), (far, place), (place, far), (near, place)][side]
            canvas.ellipse(at, border * 0.3, border * 0.3, [light, mid][side % 2])
    canvas.rectangle(border, border, 1 - border, 1 - border, ground)
    canvas.rectangle(border, border, 1 - border, style.horizon, blend(light, mid, plan.uniform(0, 0.8)))
    figures = 2 + int(plan.random() * 2)
    for number in range(figures):
        x = border + (1 - 2 * border) * (number + 0.5) / figures
        height, dress = rng.uniform(0.28, 0.36), [mid, accent, light, dark][int(rng.random() * 4)]
        canvas.ellipse((x, style.horizon + 0.04), 0.12, 0.3, blend(ground, light, 0.4))
        foot = style.horizon + height
        canvas.polygon([(x - 0.1, foot), (x + 0.1, foot), (x + 0.04, foot - height), (x - 0.04, foot - height)], dress)
        canvas.ellipse((x, foot - height), 0.045, 0.05, blend(np.array([190.0, 140, 100]), light, 0.2))
    for _ in range(6):
        at = rng.uniform(border + 0.05, 0.95 - border), rng.uniform(0.76, 0.95 - border)
        canvas.ellipse(at, 0.025, 0.025, [mid, accent, light][int(rng.random() * 3)])


SCENES: dict[str, Callable[[Canvas, Style, Rng, Rng], None]] = {
    "landscape": landscape,
    "portrait": portrait,
    "scroll": scroll,
    "branch": branch,
    "page": page,
}


def _ridge(base: float, height: float, rng: Rng, steps: int = 7) -> list[tuple[float, float]]:
    """An uneven skyline from edge to edge, closed along the bottom."""
    tops = base - height * rng.random(steps)
    return [(0.0, 1.0), *zip(np.linspace(0, 1, steps).tolist(), tops.tolist(), strict=True), (1.0, 1.0)]


def _tree(canvas: Canvas, foot: tuple[float, float], size: float, leaves: Colour, trunk: Colour, rng: Rng) -> None:
    x, y = foot
    canvas.line([(x, y), (x, y - size)], trunk, size * 0.15)
    for _ in range(4):
        at = x + size * rng.uniform(-0.4, 0.4), y - size * rng.uniform(0.8, 1.4)
        canvas.ellipse(at, size * rng.uniform(0.25, 0.5), size * rng.uniform(0.2, 0.4), leaves, contour=False)


def _seal(canvas: Canvas, colour: Colour, rng: Rng) -> None:
    x, y = rng.uniform(0.06, 0.16), rng.uniform(0.8, 0.92)
    canvas.rectangle(x, y, x + 0.06, y + 0.05, colour)
