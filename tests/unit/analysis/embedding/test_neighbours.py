import numpy as np
import pytest

from artculture.analysis.embedding.neighbours import neighbours
from artculture.analysis.model_under_study import Embeddings
from artculture.utils.errors import InputError


@pytest.fixture
def found() -> Embeddings:
    """Four training paintings and two test paintings in a plane; lengths differ, directions decide."""
    directions = np.radians([0, 10, 80, 90, 4, 60])
    lengths = np.array([1, 5, 1, 2, 9, 1])[:, None]
    features = lengths * np.stack([np.cos(directions), np.sin(directions)], axis=1)
    return Embeddings(
        ("Dutch", "Indian"),
        np.array(["a", "b", "c", "d", "x", "y"]),
        np.array([0, 0, 1, 1, 0, 0]),
        np.array(["train"] * 4 + ["test"] * 2),
        features.astype(np.float32),
        np.zeros((6, 2), dtype=np.float32),
    )


def test_the_nearest_by_hand(found):
    table = neighbours(found, k=2).tables["neighbours"]
    assert list(table["object_id"]) == ["x", "x", "y", "y"]
    assert list(table["neighbour_object_id"]) == ["a", "b", "c", "d"]
    assert list(table["neighbour_culture"]) == ["Dutch", "Dutch", "Indian", "Indian"]
    assert list(table["rank"]) == [1, 2, 1, 2]
    assert list(table["similarity"]) == pytest.approx(np.cos(np.radians([4, 6, 20, 30])), abs=1e-5)


def test_the_numbers_by_hand(found):
    numbers = neighbours(found).numbers
    assert numbers["nearest_same_culture"] == numbers["knn_top1_k1"] == 0.5
    # All four vote, two against two: the nearest neighbour's culture wins.
    assert numbers["knn_top1_k5"] == 0.5
    assert numbers["random_same_culture"] == 0.5
    assert numbers["test_paintings"] == 2


def test_no_more_neighbours_than_training_paintings(found):
    assert len(neighbours(found, k=9).tables["neighbours"]) == 2 * 4


def test_pictures_make_a_figure(found):
    asked = []

    def picture(position: int) -> np.ndarray:
        asked.append(position)
        return np.full((20, 30, 3), 40 * position, dtype=np.uint8)

    finding = neighbours(found, k=3, picture=picture)
    assert asked == [4, 0, 1, 2, 5, 2, 3, 1]
    assert [axis.get_title() for axis in finding.figure.axes[:2]] == ["Dutch", "Dutch 1.00"]
    assert neighbours(found).figure is None


@pytest.mark.parametrize("split", ["train", "test"])
def test_both_splits_are_needed(found, split):
    found.split[:] = split
    with pytest.raises(InputError, match="training and test paintings"):
        neighbours(found)
