import itertools

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.text import Text

from artculture.analysis import plotting_style


def overlaps(texts):
    """Return pairs of texts whose boxes overlap with the Agg renderer."""
    shown = [text for text in texts if text.get_text() and text.get_visible()]
    boxed = [(text, Text.get_window_extent(text)) for text in shown]
    return [(a[0].get_text(), b[0].get_text()) for a, b in itertools.combinations(boxed, 2) if _meet(*a, *b)]


def _meet(one, box, other, other_box):
    if not box.padded(-0.5).overlaps(other_box):
        return False
    slant = one.get_rotation()
    if slant % 90 and slant == other.get_rotation():
        # Parallel slanted texts overlap only if they are closer than their height, unlike their bounding boxes.
        apart = one.get_transform().transform(one.get_position()) - other.get_transform().transform(
            other.get_position()
        )
        return abs(apart @ (-np.sin(np.radians(slant)), np.cos(np.radians(slant)))) < one.get_fontsize() * 100 / 72
    return True


def _plane():
    figure, (axes,) = plotting_style.panels(5, 4)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return figure, axes


@pytest.mark.parametrize("seed", range(4))
def test_labels_of_crowded_points_cover_neither_labels_nor_points(seed):
    figure, axes = _plane()
    points = np.random.default_rng(seed).uniform(0.3, 0.7, (14, 2))
    texts = plotting_style.place_labels(axes, points, [f"Culture {i}" for i in range(14)])
    figure.canvas.draw()
    assert overlaps(texts) == []
    boxes = [Text.get_window_extent(text) for text in texts]
    assert not any(box.contains(*place) for box in boxes for place in axes.transData.transform(points))


def test_a_point_without_a_name_is_kept_free():
    figure, axes = _plane()
    spot = axes.transData.inverted().transform(axes.transData.transform((0.5, 0.5)) + np.array([20, 0]))
    (text,) = plotting_style.place_labels(axes, [(0.5, 0.5), tuple(spot)], ["Dutch", ""])
    figure.canvas.draw()
    assert not text.get_window_extent().contains(*axes.transData.transform(spot))


def test_names_stay_inside_the_axes():
    figure, axes = _plane()
    (text,) = plotting_style.place_labels(axes, [(0.99, 0.5)], ["Northern Netherlandish"])
    figure.canvas.draw()
    assert text.get_window_extent().x1 <= axes.get_window_extent().x1


def test_the_same_figure_is_saved_as_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        figure, axes = _plane()
        axes.plot([0, 1], [0, 1], marker="o")
        plotting_style.save(figure, tmp_path / name, "svg")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_nothing_outside_is_touched():
    before = dict(mpl.rcParams)
    plotting_style.panels(2, 2)
    assert dict(mpl.rcParams) == before


def test_region_colours_differ_in_lightness():
    grey = [np.dot(mpl.colors.to_rgb(colour), (0.2126, 0.7152, 0.0722)) for colour in plotting_style.REGIONS.values()]
    assert min(abs(a - b) for a, b in itertools.combinations(grey, 2)) > 0.06


def test_a_name_is_no_formula(tmp_path):
    with plotting_style.styled():
        figure = plotting_style.new_figure(2, 2)
        figure.subplots().set_yticks([0], ["$\\frac$"])
        plotting_style.save(figure, tmp_path / "a.png", "png")
    assert (tmp_path / "a.png").stat().st_size
