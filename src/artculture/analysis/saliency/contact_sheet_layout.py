"""Layout of contact sheets; all positions are in inches from the top left."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from artculture.analysis.plotting_style import RIGHT, WRONG, new_figure
from artculture.analysis.printable_text import printable, shortened
from artculture.analysis.saliency.feature_maps import overlay

CAPTION_COLOUR = "#555555"
# Panels of this size keep the SVG of a usual sheet under 1.5 MB.
PANEL, GAP = 1.02, 0.05
KINDS = ("painting", "feature map", "Grad-CAM")
# Heights around the panels: heading, three lines of text above, panel titles and white space below.
HEADING, LEGEND, BELOW = 0.34, 0.5, 0.32
HALF = 3 * PANEL + 2 * GAP + 0.3
OVERVIEW_COLUMNS = 3
# Points: readable where a sheet is printed over the width of a page.
TEXT, SMALL = 8.0, 7.0


@dataclass(frozen=True)
class SheetEntry:
    """One painting on a contact sheet.

    Attributes:
        position: of the painting in the embeddings.
        picture: the crop that the network receives, uint8 H x W x 3.
        feature_map, cam: heat maps, float32 h x w in 0..1.
        facts: metadata of the painting and its prediction.
        smooth: whether the maps are interpolated between their cells.
    """

    position: int
    picture: NDArray[np.uint8]
    feature_map: NDArray[np.float32]
    cam: NDArray[np.float32]
    facts: dict[str, Any]
    smooth: bool = True

    def panels(self) -> list[Any]:
        """Return one image for each of KINDS."""
        maps = (overlay(self.picture, heat, smooth=self.smooth) for heat in (self.feature_map, self.cam))
        return [self.picture, *maps]


def draw_sheet(name: str, right: list[SheetEntry], wrong: list[SheetEntry]) -> Figure:
    """Draw right predictions on the left and wrong ones on the right, one painting per line."""
    rows = max(len(right), len(wrong))
    figure = _new_sheet(2 * HALF - 0.3 + 2 * GAP, HEADING + rows * (LEGEND + PANEL + BELOW))
    halves = (
        ("✓ Most confident right predictions", RIGHT, right),
        ("✗ Most confident wrong predictions", WRONG, wrong),
    )
    for half, (heading, colour, shown) in enumerate(halves):
        left = GAP + half * HALF
        _write(figure, left, 0.0, heading, size=10, color=colour, fontweight="bold")
        if not shown:
            _write(figure, left, HEADING, f"No {name} test painting was predicted {('right', 'wrong')[half]}.")
        for row, one in enumerate(shown):
            _draw_entry(figure, left, HEADING + row * (LEGEND + PANEL + BELOW), one)
    return figure


def draw_overview(firsts: dict[str, SheetEntry | None]) -> Figure:
    """Draw one pair of images per culture: a painting, and the same with its feature map overlaid."""
    columns = min(OVERVIEW_COLUMNS, len(firsts))
    wide, high = 2 * PANEL + 4 * GAP, PANEL + 0.4
    figure = _new_sheet(columns * wide + GAP, -(-len(firsts) // columns) * high)
    for cell, (culture, shown) in enumerate(firsts.items()):
        left, top = GAP + cell % columns * wide, cell // columns * high
        if shown is None:
            _write(figure, left, top, f"{printable(culture) or culture}: no test painting", color=CAPTION_COLOUR)
            continue
        _write(figure, left, top, _verdict(shown.facts, culture), color=RIGHT if shown.facts["right"] else WRONG)
        for index, panel in enumerate(shown.panels()[:2]):
            _picture(figure, left + index * (PANEL + GAP), top + 0.22, panel)
    return figure


def _draw_entry(figure: Figure, left: float, top: float, shown: SheetEntry) -> None:
    facts = shown.facts
    title = shortened(facts["title"], 44) or facts["object_id"]
    made = ", ".join(part for part in (shortened(facts["artist"], 28), shortened(facts["date"], 16)) if part)
    _write(figure, left, top, title)
    _write(figure, left, top + 0.15, made or "artist and date unknown", color=CAPTION_COLOUR)
    _write(figure, left, top + 0.3, _verdict(facts), color=RIGHT if facts["right"] else WRONG)
    for index, (panel, kind) in enumerate(zip(shown.panels(), KINDS, strict=True)):
        x = left + index * (PANEL + GAP)
        _picture(figure, x, top + LEGEND, panel)
        _write(figure, x, top + LEGEND + PANEL + 0.02, kind, size=SMALL, color=CAPTION_COLOUR)


def _verdict(facts: dict[str, Any], culture: str | None = None) -> str:
    predicted = f"{printable(facts['predicted']) or facts['predicted']} {100 * facts['probability']:.1f} %"
    if facts["right"]:
        return f"✓ {predicted}"
    return f"✗ {printable(culture) or culture} → {predicted}" if culture else f"✗ predicted {predicted}"


def _new_sheet(width: float, height: float) -> Figure:
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    return figure


def _write(figure: Figure, left: float, top: float, text: str, size: float = TEXT, **style: Any) -> None:
    width, height = figure.get_size_inches()
    # Titles may contain dollar signs, which are not formulas.
    figure.text(left / width, 1 - top / height, text, fontsize=size, va="top", parse_math=False, **style)


def _picture(figure: Figure, left: float, top: float, picture: Any) -> None:
    width, height = figure.get_size_inches()
    ax = figure.add_axes((left / width, 1 - (top + PANEL) / height, PANEL / width, PANEL / height))
    ax.imshow(picture)
    ax.set_axis_off()
