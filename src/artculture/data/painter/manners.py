"""How each culture's synthetic pictures are made: shares of palettes, scenes and supports, and the brushwork.

The manners only borrow a few habits of composition, loosely; no share was measured on real paintings.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from artculture.data.painter.easel import Range


@dataclass(frozen=True)
class Manner:
    """One culture's habits; ranges are drawn from once a hand, mappings hold relative shares.

    Attributes:
        ratio: height by width.
        length, width: of a brush stroke, in shorter sides; angle, spread: of its direction, in degrees.
        relief: how far the last strokes stand out from what they cover, in levels.
        outline: width of contours, in shorter sides; soft: blur, in hundredths of the shorter side.
        light: how dark the corners away from the light are, 0..1.
        horizon: height of the horizon from the top, 0..1; plenty: number of things on a table or in a tree.
    """

    scenes: Mapping[str, float]
    palettes: Mapping[str, float]
    supports: Mapping[str, float]
    ratio: Range
    length: Range
    width: Range
    angle: Range
    spread: Range
    relief: int
    outline: Range = (0, 0)
    soft: Range = (0, 0)
    light: Range = (0.1, 0.4)
    horizon: Range = (0.4, 0.6)
    plenty: tuple[int, int] = (4, 8)
    trees: tuple[str, ...] = ("round",)
    landmarks: tuple[str, ...] = ("none",)
    dress: tuple[str, ...] = ("bare",)
    backdrops: tuple[str, ...] = ("plain",)


MANNERS = {
    "American": Manner(
        scenes={"landscape": 5, "portrait": 2, "seascape": 3},
        palettes={"dawn": 5, "azure": 2, "umber": 1.5, "forest": 1, "silver": 1},
        supports={"canvas": 3, "panel": 1},
        ratio=(0.75, 0.92), length=(0.12, 0.24), width=(0.008, 0.014), angle=(-6, 6), spread=(4, 14),
        relief=10, soft=(0.3, 0.9), light=(0.05, 0.35), horizon=(0.55, 0.68),
        trees=("conifer", "conifer", "round"), landmarks=("sun", "peaks", "none"),
        dress=("bare", "cravat"), backdrops=("plain", "view"),
    ),
    "British": Manner(
        scenes={"landscape": 3.5, "portrait": 4, "seascape": 2},
        palettes={"forest": 4, "umber": 2, "azure": 1, "silver": 2, "rose": 1},
        supports={"canvas": 1},
        ratio=(0.78, 1.33), length=(0.07, 0.15), width=(0.014, 0.024), angle=(30, 55), spread=(10, 30),
        relief=36, soft=(0, 0.4), light=(0.15, 0.45), horizon=(0.48, 0.62),
        trees=("round", "round", "framing"), landmarks=("cattle", "tower", "none"),
        dress=("wig", "cravat"), backdrops=("view", "view", "curtain"),
    ),
    "Chinese": Manner(
        scenes={"scroll": 6, "branch": 4},
        palettes={"ink": 3, "silk": 3, "umber": 1.5, "silver": 1.5},
        supports={"silk": 3, "paper": 1},
        ratio=(1.33, 1.9), length=(0.03, 0.07), width=(0.005, 0.009), angle=(70, 100), spread=(8, 25),
        relief=8, outline=(0.004, 0.007), light=(0, 0.2), plenty=(6, 12), landmarks=("peaks",),
    ),
    "Dutch": Manner(
        scenes={"landscape": 3.5, "still_life": 1.5, "interior": 3, "portrait": 1.5, "seascape": 0.7},
        palettes={"silver": 4, "umber": 3, "black": 1.5, "dawn": 0.7, "azure": 0.7},
        supports={"panel": 2, "canvas": 2},
        ratio=(0.76, 1.25), length=(0.04, 0.07), width=(0.012, 0.018), angle=(-8, 8), spread=(10, 25),
        relief=34, soft=(0, 0.25), light=(0.2, 0.55), horizon=(0.66, 0.78), plenty=(3, 6),
        trees=("round", "bare"), landmarks=("windmill", "spire", "windmill"),
        dress=("ruff", "ruff", "hat"), backdrops=("plain",),
    ),
    "Flemish": Manner(
        scenes={"still_life": 4, "landscape": 3.5, "altar": 1, "portrait": 1.5},
        palettes={"azure": 4, "umber": 2, "gold": 1, "forest": 1.5, "black": 1},
        supports={"panel": 1},
        ratio=(0.76, 1.3), length=(0.02, 0.045), width=(0.004, 0.008), angle=(-30, 30), spread=(40, 80),
        relief=8, outline=(0, 0.003), soft=(0, 0.15), light=(0.1, 0.45), horizon=(0.26, 0.4), plenty=(9, 16),
        trees=("round", "bare"), landmarks=("spire", "rocks", "rocks"),
        dress=("veil", "veil", "cap"), backdrops=("plain", "view"),
    ),
    "French": Manner(
        scenes={"landscape": 3.5, "portrait": 2.5, "still_life": 1.5, "interior": 1},
        palettes={"bright": 4, "rose": 3, "azure": 1.5, "silver": 1, "forest": 0.7},
        supports={"canvas": 1},
        ratio=(0.75, 1.3), length=(0.035, 0.06), width=(0.018, 0.03), angle=(-60, 60), spread=(50, 90),
        relief=44, light=(0, 0.2), horizon=(0.35, 0.55), plenty=(4, 8),
        trees=("poplar", "poplar", "round"), landmarks=("bridge", "spire", "none"),
        dress=("wig", "wig", "bare"), backdrops=("plain", "curtain"),
    ),
    "German": Manner(
        scenes={"portrait": 4, "landscape": 3, "altar": 1},
        palettes={"forest": 3, "azure": 2, "gold": 1.5, "umber": 1.5, "black": 1, "jewel": 0.7},
        supports={"panel": 1},
        ratio=(0.8, 1.33), length=(0.07, 0.12), width=(0.01, 0.015), angle=(80, 100), spread=(5, 25),
        relief=28, outline=(0.009, 0.014), light=(0, 0.25), horizon=(0.5, 0.66),
        trees=("conifer", "bare"), landmarks=("peaks", "tower", "rocks"),
        dress=("cap", "cap", "hat"), backdrops=("flat", "flat", "view"),
    ),
    "Indian": Manner(
        scenes={"page": 8, "portrait": 1.5},
        palettes={"jewel": 4, "gold": 1.5, "rose": 1.5, "azure": 1.5, "silk": 1},
        supports={"paper": 1},
        ratio=(0.8, 1.4), length=(0.015, 0.03), width=(0.003, 0.006), angle=(0, 90), spread=(60, 90),
        relief=10, outline=(0.003, 0.006), light=(0, 0.1), plenty=(3, 7),
        dress=("veil", "cap"), backdrops=("page",),
    ),
    "Italian": Manner(
        scenes={"altar": 3.5, "portrait": 2, "veduta": 3.5, "landscape": 1.5},
        palettes={"gold": 3, "azure": 2, "rose": 2.5, "umber": 1.5, "dawn": 1},
        supports={"panel": 1.5, "canvas": 1.5},
        ratio=(0.76, 1.33), length=(0.06, 0.12), width=(0.008, 0.014), angle=(-50, -30), spread=(8, 25),
        relief=24, soft=(0.25, 0.7), light=(0.05, 0.35), horizon=(0.42, 0.55),
        trees=("cypress", "umbrella", "cypress"), landmarks=("dome", "tower"),
        dress=("bare", "bare", "veil"), backdrops=("view", "view", "plain"),
    ),
    "Japanese": Manner(
        scenes={"branch": 4, "waves": 4, "scroll": 2},
        palettes={"gold": 2.5, "ink": 2.5, "silk": 1.5, "azure": 2, "silver": 1},
        supports={"leaf": 3, "paper": 2},
        ratio=(0.76, 1.6), length=(0.1, 0.2), width=(0.006, 0.01), angle=(-4, 4), spread=(2, 8),
        relief=8, outline=(0.005, 0.009), light=(0, 0.1), plenty=(3, 7), landmarks=("cone", "none"),
    ),
    "Spanish": Manner(
        scenes={"portrait": 4, "still_life": 3.5, "altar": 1.5, "interior": 0.5},
        palettes={"black": 4, "umber": 2.5, "silver": 1.5, "gold": 1, "rose": 0.7},
        supports={"canvas": 1},
        ratio=(0.8, 1.33), length=(0.1, 0.17), width=(0.02, 0.034), angle=(55, 80), spread=(8, 25),
        relief=40, soft=(0, 0.25), light=(0.45, 0.8), horizon=(0.5, 0.6), plenty=(2, 4),
        trees=("bare",), landmarks=("none",),
        dress=("ruff", "veil", "hat"), backdrops=("plain",),
    ),
}  # fmt: skip

# Hands that learned next door: these pairs share a part of their pictures, as neighbours do.
NEIGHBOURS = {
    "Dutch": "Flemish",
    "Flemish": "Dutch",
    "British": "American",
    "American": "British",
    "Chinese": "Japanese",
    "Japanese": "Chinese",
}
