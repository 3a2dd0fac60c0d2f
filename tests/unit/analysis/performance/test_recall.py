import numpy as np
import pytest

from artculture.analysis.performance.recall import recall_table, recalls_finding
from artculture.evaluation.intervals import wilson
from tests.unit.analysis.synthetic import make_embeddings


def _taught(trained, right, tested=4):
    """Cultures with so many training paintings, of whose test paintings so many are right."""
    names = ("American", "British", "Chinese", "Dutch", "Flemish", "French")[: len(trained)]
    split = [name for n in trained for name in ["train"] * n + ["test"] * tested]
    embeddings = make_embeddings(names, [n + tested for n in trained], split=split)
    embeddings.logits[:] = 0
    for label, count in enumerate(right):
        rows = np.flatnonzero((embeddings.labels == label) & (embeddings.split == "test"))
        embeddings.logits[rows[:count], label] = 1
        embeddings.logits[rows[count:], (label + 1) % len(names)] = 1
    return embeddings


def test_recall_and_its_interval_by_hand():
    table = recall_table(_taught([5, 2], [3, 1]))
    assert table["training_paintings"].tolist() == [5, 2]
    assert table["recall"].tolist() == [0.75, 0.25]
    assert (table["low"][0], table["high"][0]) == wilson(3, 4)


def test_recall_that_follows_the_paintings_is_found():
    numbers = recalls_finding(_taught([1, 2, 4, 8, 16], [0, 1, 2, 3, 4])).numbers
    assert numbers["spearman"] == pytest.approx(1)
    assert numbers["p_two_sided"] == pytest.approx(2 / 120)  # all orders of five are tried
    assert numbers["verdict"] == "significant"


def test_four_cultures_are_too_few_for_a_claim():
    finding = recalls_finding(_taught([1, 2, 4, 8], [0, 1, 2, 3]))
    assert "These are too few cultures to say whether recall follows" in finding.caption
    assert "No test painting is recognised of: American." in finding.alt


def test_the_legend_covers_no_label():
    figure = recalls_finding(_taught([1, 2, 4, 8, 16, 32], [0, 1, 2, 3, 4, 4])).figure
    figure.canvas.draw()
    (axes,), (legend,) = figure.axes, figure.legends
    box = legend.get_window_extent()
    assert not any(box.overlaps(text.get_window_extent()) for text in [*axes.texts, axes.xaxis.label])


def test_a_small_p_value_is_not_rounded_away():
    finding = recalls_finding(_taught([1, 2, 4, 8, 16, 32], [0, 1, 2, 3, 4, 5], tested=5))
    assert finding.numbers["p_two_sided"] == pytest.approx(2 / 720)
    assert "permutation p = 0.0028" in finding.caption


def test_equal_recalls_have_no_correlation():
    assert recalls_finding(_taught([1, 2, 4, 8], [2, 2, 2, 2])).numbers["spearman"] is None


def test_untested_cultures_are_named_and_left_out():
    embeddings = make_embeddings(("Dutch", "French"), 4, split=["train"] * 4 + ["train", "train", "test", "test"])
    finding = recalls_finding(embeddings)
    assert "without training or test paintings: Dutch" in finding.caption
    assert np.isnan(finding.tables["recall_by_paintings"]["recall"][0])


def test_no_test_split_leaves_it_out():
    assert recalls_finding(make_embeddings(split=["train"] * 132)).figure is None


def test_points_are_at_their_true_counts():
    # Thirty classes of eight training pictures, and one of twenty.
    embeddings = make_embeddings(
        tuple(f"Style {i}" for i in range(31)), [12] * 30 + [24], split=(["train"] * 8 + ["test"] * 4) * 30
        + ["train"] * 20 + ["test"] * 4,
    )  # fmt: skip
    (axes,) = recalls_finding(embeddings).figure.axes
    points = axes.collections[-1].get_offsets()[:, 0]
    assert points.tolist() == [8] * 30 + [20]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["8", "20"]
