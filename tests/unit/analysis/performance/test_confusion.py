import numpy as np

from artculture.analysis.performance.confusion import confusion_finding, confusion_matrix
from tests.unit.analysis.synthetic import make_embeddings


def _guessed(guesses):
    embeddings = make_embeddings(("Dutch", "French", "Italian"), [2, 3, 1], split=["test"] * 5 + ["train"])
    embeddings.logits[:] = np.eye(3)[guesses]
    return embeddings


def test_counts_test_paintings_alone():
    matrix = confusion_matrix(_guessed([0, 1, 1, 1, 0, 2]))
    assert matrix.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]


def test_mistakes_are_listed_the_most_frequent_first():
    finding = confusion_finding(_guessed([1, 1, 0, 1, 1, 2]))
    assert finding.tables["mistakes"].to_numpy().tolist() == [["Dutch", "French", 2, 2], ["French", "Dutch", 1, 3]]
    assert finding.numbers == {"paintings": 5, "right": 2}


def test_an_empty_test_split_leaves_it_out():
    assert confusion_finding(make_embeddings(split=["train"] * 132)).figure is None


def test_equally_frequent_mistakes_are_all_named():
    caption = confusion_finding(_guessed([1, 0, 0, 1, 1, 2])).caption
    text = "Most frequent error, 1 times each: Dutch predicted as French (of 2), French predicted as Dutch (of 3)."
    assert text in caption
