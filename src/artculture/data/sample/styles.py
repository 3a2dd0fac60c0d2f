"""Styles of the synthetic sample: a few numbers and six colours for each culture.

Three regions lie apart in format, brightness and scenes; the cultures of a region differ in colours, brushwork and
horizon, and lean towards their neighbours in a part of their series. Colours survive crops and random convolutions,
so they are learned within tens of steps. Nothing was measured on real paintings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

ROLES = ("ground", "light", "mid", "dark", "accent", "wash")

# How much of its series a culture draws in a style between its own and a neighbour's, and how far towards it.
LEANING = 0.4
LEANS_BY = (0.2, 0.6)
# How far a series' colours stray: all of them together, and each by itself; in levels of 0..255.
STRAY_TOGETHER, STRAY_EACH = 14.0, 12.0


@dataclass(frozen=True)
class Style:
    """What a series of pictures shares.

    Attributes:
        colours: 6 x 3, in the order of `ROLES`, RGB 0..255; `wash` lies over the whole picture.
        scenes: relative shares of the scenes in `scenes.SCENES`.
        ratio: height by width, mean; single series stray by up to 12 %.
        horizon: its height from the top, 0..1.
        angle: direction of brush strokes, degrees; length, width: in shorter sides; relief: their contrast, levels.
        outline: width of contours, in shorter sides.
        light: how dark the corners away from the light are, 0..1.
    """

    colours: NDArray[np.float64]
    scenes: Mapping[str, float]
    ratio: float
    horizon: float
    angle: float
    length: float
    width: float
    relief: float
    outline: float = 0.0
    light: float = 0.1
    neighbours: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def colour(self, role: str) -> NDArray[np.float64]:
        """Return the RGB colour of a role."""
        colour: NDArray[np.float64] = self.colours[ROLES.index(role)]
        return colour


def _colours(text: str) -> NDArray[np.float64]:
    return np.array([list(bytes.fromhex(colour)) for colour in text.split()], dtype=float)


STYLES = {
    # North America: wide formats, high bright skies, long level strokes, blue.
    "American": Style(
        _colours("6f8f9c a4cbea 4f8474 22384f f2b264 6aaee8"), {"landscape": 4, "portrait": 1},
        ratio=0.7, horizon=0.6, angle=0, length=0.2, width=0.012, relief=14,
        neighbours={"British": 1},
    ),
    # Europe: dark, modelled light, visible slanting strokes; greens in the north-west, reds in the south.
    "British": Style(
        _colours("6f7a4c b5c6b8 4a7e36 222e1e b8984a 3f7a3a"), {"landscape": 3, "portrait": 2},
        ratio=0.85, horizon=0.52, angle=30, length=0.11, width=0.018, relief=34, light=0.3,
        neighbours={"Dutch": 2, "French": 1, "American": 1},
    ),
    "Dutch": Style(
        _colours("5d6363 b4c0c0 5c7470 1b2526 a58a4f 3c6a70"), {"landscape": 3, "portrait": 2},
        ratio=0.95, horizon=0.72, angle=5, length=0.06, width=0.014, relief=34, light=0.4,
        neighbours={"Flemish": 2, "British": 1, "German": 1},
    ),
    "Flemish": Style(
        _colours("5c5852 b0b8b8 546a60 1c1c1e a0583c 54565e"), {"landscape": 3, "portrait": 2},
        ratio=0.95, horizon=0.32, angle=60, length=0.04, width=0.008, relief=24, light=0.35,
        neighbours={"Dutch": 2, "French": 1, "German": 1},
    ),
    "French": Style(
        _colours("9a7a98 cfc6e0 7a7a8c 4a3a58 dc7a9a 9a5c94"), {"landscape": 3, "portrait": 3},
        ratio=1.0, horizon=0.5, angle=-45, length=0.14, width=0.022, relief=30, light=0.15,
        neighbours={"Flemish": 1, "Italian": 1, "Spanish": 1, "British": 1},
    ),
    "German": Style(
        _colours("3c4458 98a0b8 35404f 141a2a b0623f 2a3a70"), {"portrait": 3, "landscape": 2},
        ratio=1.15, horizon=0.45, angle=80, length=0.08, width=0.01, relief=26, outline=0.008, light=0.35,
        neighbours={"Dutch": 1, "Flemish": 1, "Italian": 1},
    ),
    "Italian": Style(
        _colours("a0602c b4a49a 86452e 3c1c14 be3a2c a4481e"), {"portrait": 4, "landscape": 1, "page": 1},
        ratio=1.2, horizon=0.55, angle=-80, length=0.1, width=0.012, relief=20, outline=0.003, light=0.3,
        neighbours={"French": 1, "Spanish": 1, "German": 1},
    ),
    "Spanish": Style(
        _colours("3a221a a48868 64342a 120a0c a02c22 581c1c"), {"portrait": 5, "landscape": 1},
        ratio=1.25, horizon=0.6, angle=-35, length=0.12, width=0.02, relief=30, light=0.6,
        neighbours={"Italian": 2, "French": 1},
    ),
    # Asia: tall formats, light grounds, outlines, little relief; the further south, the warmer.
    "Chinese": Style(
        _colours("ccccb8 e6e8d8 94a08c 36383a 8f7a5c ccd8c0"), {"scroll": 4, "branch": 2},
        ratio=1.65, horizon=0.55, angle=90, length=0.05, width=0.006, relief=12, outline=0.004,
        neighbours={"Japanese": 3, "Indian": 1},
    ),
    "Japanese": Style(
        _colours("ecd088 f8ecc4 8a9490 3a3444 d45a44 f8dc98"), {"branch": 4, "scroll": 2, "page": 1},
        ratio=1.4, horizon=0.5, angle=45, length=0.07, width=0.006, relief=8, outline=0.006,
        neighbours={"Chinese": 1},
    ),
    "Indian": Style(
        _colours("eca83a f6dc8e 6a9054 5c2e1a d4422e f8a834"), {"page": 5, "branch": 1},
        ratio=1.35, horizon=0.4, angle=0, length=0.03, width=0.006, relief=10, outline=0.007,
        neighbours={"Chinese": 1},
    ),
}  # fmt: skip

NUMBERS = ("colours", "ratio", "horizon", "angle", "length", "width", "relief", "outline", "light")


def series_style(culture: str, rng: np.random.Generator) -> Style:
    """Return the style of one series: the culture's own or one on the way to a neighbour's, with strayed colours."""
    style = STYLES[culture]
    leans, by = rng.random() < LEANING, rng.uniform(*LEANS_BY)
    neighbour = STYLES[weighted(style.neighbours, rng)]
    if leans:
        changed = {name: (1 - by) * getattr(style, name) + by * getattr(neighbour, name) for name in NUMBERS}
        scenes = neighbour.scenes if rng.random() < by else style.scenes
        style = replace(style, **changed, scenes=scenes)
    together = STRAY_TOGETHER * (2 * rng.random(3) - 1)
    each = STRAY_EACH * (2 * rng.random((len(ROLES), 3)) - 1)
    return replace(
        style,
        colours=np.clip(style.colours + together + each, 0, 255),
        ratio=style.ratio * rng.uniform(0.88, 1.12),
        horizon=style.horizon + rng.uniform(-0.07, 0.07),
        angle=style.angle + rng.uniform(-15, 15),
    )


def weighted(shares: Mapping[str, float], rng: np.random.Generator) -> str:
    """Draw a key with probability proportional to its value."""
    edges = np.cumsum(list(shares.values()))
    return list(shares)[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]
