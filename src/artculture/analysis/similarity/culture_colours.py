"""Colours of the cultures: shades of the hue of their region, so that a figure shows both."""

from collections.abc import Iterable

from artculture.analysis import plotting_style
from artculture.analysis.similarity.culture_locations import OTHER, region_of

# Any two, and the colours of right and wrong predictions, differ by 14 or more (CIEDE2000), and by 11 or more with
# protanopia or deuteranopia (Machado et al. 2009): the result of a search within the hues of the regions.
CULTURE_COLOURS = {
    "Chinese": "#c9731d",
    "Indian": "#e8ac83",
    "Japanese": "#e5b12b",
    "British": "#195ca9",
    "Dutch": "#84ccdd",
    "Flemish": "#443b56",
    "French": "#8361e8",
    "German": "#3294b2",
    "Italian": "#2b1da4",
    "Spanish": "#79aaf4",
    "American": "#7d9360",
}


def culture_colours(classes: Iterable[str]) -> dict[str, str]:
    """Return the colour of each class; those of no known region get the colours of series in alphabetical order.

    Args:
        classes: all classes of a classifier, so that a class has one colour in all its figures.
    """
    names = list(classes)
    others = sorted(name for name in names if region_of(name) == OTHER)
    colours = plotting_style.SERIES
    series = {name: colours[place % len(colours)] for place, name in enumerate(others)}
    return {name: series.get(name) or CULTURE_COLOURS[name] for name in names}


def region_colour(culture: str) -> str:
    """Return the colour of a culture's region; grey for a class of no known region."""
    return plotting_style.REGIONS.get(region_of(culture), plotting_style.ELSEWHERE)
