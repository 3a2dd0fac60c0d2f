"""How all figures look: sizes, type, colours."""

from matplotlib import rc_context
from matplotlib.figure import Figure

REGIONS = {"Asian": "#b5442e", "European": "#2f6690", "North American": "#3a7d44"}
ELSEWHERE = "#6b6b6b"
RIGHT, WRONG = "#3a7d44", "#b5442e"
SEQUENTIAL = "cividis"

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "artculture",
}


def blank(width: float, height: float) -> Figure:
    """A new figure, inches; none of pyplot's state is touched."""
    with rc_context(STYLE):  # type: ignore[arg-type]
        return Figure(figsize=(width, height), layout="constrained")
