"""What is done to a picture once its scene stands: softness, support, light and varnish."""

from math import cos, pi, sin

import numpy as np
from PIL import ImageFilter

from artculture.data.painter.easel import OVERSAMPLING, Dice, Easel

# One picture as levels: height x width x 3, float32. Only additions and products of single elements are used:
# they round the same on every machine.
Levels = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def finish(e: Easel, support: str, soft: float, light: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The picture in its own size.

    Args:
        support: canvas, panel, paper, silk or leaf (gold leaf).
        soft: blur, in hundredths of the shorter side; light: how much is lost in the corners, 0..1.
    """
    image = e.image.reduce(OVERSAMPLING)
    short = min(image.size)
    if soft * short / 100 > 0.2:
        image = image.filter(ImageFilter.GaussianBlur(soft * short / 100))
    levels = np.asarray(image).astype(np.float32)
    grain = SUPPORTS[support](e.dice, image.height, image.width)
    levels *= (lit(e, image.height, image.width, light) * grain)[..., None]
    # Old varnish yellows, cleaned pictures turn cooler; photographs differ in exposure.
    age = np.float32(e.plan.between(-0.06, 0.12))
    varnish = np.array([1 + age * np.float32(0.5), 1, 1 - age], np.float32)
    levels = levels * varnish * np.float32(e.plan.between(0.84, 1.14)) + np.float32(e.dice.between(-10, 20))
    return np.clip(levels, 0, 255).astype(np.uint8)


def lit(e: Easel, height: int, width: int, strength: float) -> Levels:
    """1 where the light falls, less towards the far corner."""
    x0, y0 = e.plan.between(0.25, 0.75), e.plan.between(0.2, 0.5)
    y = (np.linspace(0, 1, height, dtype=np.float32) - np.float32(y0)) ** 2
    x = (np.linspace(0, 1, width, dtype=np.float32) - np.float32(x0)) ** 2
    return 1 - np.float32(strength) * np.minimum(1, np.float32(2.2) * (y[:, None] + x))


def noise(dice: Dice, height: int, width: int, down: int, across: int, depth: float) -> Levels:
    """Uneven tone around 1, in patches `down` x `across` pixels large."""
    rows, columns = -(-height // down), -(-width // across)
    coarse = 1 + np.float32(depth) * (dice.rng.random((rows, columns), np.float32) - np.float32(0.5))
    return coarse.repeat(down, axis=0).repeat(across, axis=1)[:height, :width]


def thread(height: int, width: int) -> int:
    """The finest mark of a support, in pixels: still to be seen when the picture is made half as large."""
    return max(1, round(min(height, width) / 80))


def canvas(dice: Dice, height: int, width: int) -> Levels:
    fine = thread(height, width)
    weave = noise(dice, height, width, fine, fine, 0.12)
    for offset in range(fine):
        weave[offset :: 2 * fine] *= np.float32(0.94)
        weave[:, offset :: 2 * fine] *= np.float32(0.94)
    return weave


def panel(dice: Dice, height: int, width: int) -> Levels:
    """Fine long grain, and a craze of thin cracks."""
    wood = noise(dice, height, width, max(8, height // 4), thread(height, width), 0.12)
    e = Easel(width, height, dice, dice)
    for _ in range(dice.count(3, 9)):
        x, y, turn = dice.between(0, 1), dice.between(0, 1), dice.between(0, 2 * pi)
        path = [(x, y)]
        for _ in range(5):
            turn += dice.between(-0.7, 0.7)
            path.append((path[-1][0] + 0.06 * cos(turn), path[-1][1] + 0.06 * sin(turn)))
        e.line(path, (70, 70, 70), 0)
    cracks = e.image.reduce(OVERSAMPLING).getchannel(0)
    return wood * (1 - np.asarray(cracks).astype(np.float32) / np.float32(255))


def paper(dice: Dice, height: int, width: int) -> Levels:
    fine = 2 * thread(height, width)
    return noise(dice, height, width, fine, fine, 0.08) * noise(
        dice, height, width, max(6, height // 5), max(6, width // 5), 0.1
    )


def silk(dice: Dice, height: int, width: int) -> Levels:
    """Horizontal threads, darker where the mount was folded."""
    threads = noise(dice, height, width, thread(height, width), max(8, width // 3), 0.2)
    for _ in range(dice.count(1, 4)):
        fold = int(dice.between(0, height - 2))
        threads[fold : fold + 2] *= np.float32(0.8)
    return threads


def leaf(dice: Dice, height: int, width: int) -> Levels:
    """Squares of gold leaf with seams between them."""
    square = max(6, min(height, width) // dice.count(4, 6))
    sheets = noise(dice, height, width, square, square, 0.24)
    sheets[::square] *= np.float32(0.8)
    sheets[:, ::square] *= np.float32(0.8)
    return sheets * noise(dice, height, width, 2, 2, 0.05)


SUPPORTS = {"canvas": canvas, "panel": panel, "paper": paper, "silk": silk, "leaf": leaf}
