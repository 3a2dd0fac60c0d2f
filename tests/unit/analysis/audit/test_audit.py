import numpy as np
import pandas as pd
import pytest

from artculture import cli
from artculture.analysis.audit.confident_learning import find_label_issues, out_of_fold_probabilities
from artculture.analysis.audit.tables import conflict_table, label_table, outlier_table
from artculture.data.near_duplicates import DuplicatePair
from artculture.utils.errors import InputError
from tests.unit.analysis.synthetic import make_embeddings


def about(embeddings):
    names = [embeddings.classes[label] for label in embeddings.labels]
    ids = embeddings.object_id
    return pd.DataFrame({"object_id": ids, "source": "met", "image": [f"{i}.jpg" for i in ids], "culture": names})


def groups_of(embeddings):
    return embeddings.object_id.tolist()


def test_flipped_labels_come_first_with_their_true_class():
    embeddings = make_embeddings(classes=("a", "b", "c"), counts=40, seed=1)
    true, flipped = embeddings.labels.copy(), np.array([3, 50, 90, 101])
    embeddings.labels[flipped] = (true[flipped] + 1) % 3
    probabilities = out_of_fold_probabilities(embeddings.features, embeddings.labels, groups_of(embeddings), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    issues = find_label_issues(probabilities, embeddings.labels)
    table = label_table(embeddings, about(embeddings), probabilities, issues)
    assert set(table["object_id"].head(4)) == {f"p{row}" for row in flipped}
    assert np.array_equal(issues.suggested[flipped], true[flipped])
    assert set(np.flatnonzero(issues.likely)) <= set(flipped.tolist())
    assert issues.likely.any()
    assert table["score"].is_monotonic_increasing


def test_scores_and_thresholds_are_those_of_the_paper():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.5, 0.5]])
    issues = find_label_issues(probabilities, np.array([0, 0, 1, 1]))
    # Thresholds: (0.9 + 0.2) / 2 and (0.6 + 0.5) / 2.
    np.testing.assert_allclose(issues.score, [0.9, 0.2, 0.6, 0.5])
    assert issues.suggested.tolist() == [1, 1, 0, 0]
    assert issues.likely.tolist() == [False, True, False, False]


def test_a_copy_with_a_wrong_label_is_not_learned_from():
    embeddings = make_embeddings(classes=("a", "b"), counts=20, noise=0.1)
    labels, features, groups = embeddings.labels.copy(), embeddings.features.copy(), groups_of(embeddings)
    features[1], groups[1], labels[[0, 1]] = features[0], groups[0], 1  # two copies that share their error
    probabilities = out_of_fold_probabilities(features, labels, groups, 2)
    assert (probabilities[[0, 1], 1] < 0.5).all()


def test_a_class_of_one_painting_is_judged():
    embeddings = make_embeddings(classes=("a", "b", "c"), counts=[10, 10, 1])
    probabilities = out_of_fold_probabilities(embeddings.features, embeddings.labels, groups_of(embeddings), 3)
    assert probabilities[20, 2] == 0


@pytest.mark.parametrize(("labels", "groups"), [([0, 0], ["x", "y"]), ([0, 1], ["x", "x"])])
def test_what_cannot_be_cross_validated_is_refused(labels, groups):
    with pytest.raises(InputError, match="two labels and two groups"):
        out_of_fold_probabilities(np.zeros((2, 3), np.float32), np.array(labels), groups, 2)


def test_the_most_distant_painting_is_the_first_outlier():
    embeddings = make_embeddings(classes=("a", "b"), counts=15, noise=0.1)
    embeddings.features[7] = -embeddings.features.mean(axis=0)
    table = outlier_table(embeddings, about(embeddings), neighbours=100)
    assert table["object_id"].iat[0] == "p7"
    assert len(table) == 30


def test_only_near_duplicates_with_two_labels_are_conflicts():
    paintings = about(make_embeddings(classes=("a", "b"), counts=2))
    pairs = [DuplicatePair(0, 1, 0, 1.0), DuplicatePair(0, 2, 5, 0.9), DuplicatePair(1, 3, 2, 0.95)]
    table = conflict_table(paintings, pairs)
    assert table[["object_id", "other_object_id", "label", "other_label"]].to_numpy().tolist() == [
        ["p1", "p3", "a", "b"],
        ["p0", "p2", "a", "b"],
    ]
    assert conflict_table(paintings, []).columns.tolist() == table.columns.tolist()


def test_a_run_is_audited(run, tmp_path, capsys, caplog):
    assert cli.main(["audit", f"checkpoint={run.path}", f"output={tmp_path / 'out'}", "folds=2"]) == 0
    assert "labels may be wrong" in capsys.readouterr().out
    assert "audit a run of method=transfer" in caplog.text
    table = pd.read_csv(tmp_path / "out" / "label_errors.csv")
    assert (table["p_label"] == table["score"]).all()
    assert (table["label"] != table["suggested"]).all()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"label_errors.csv", "outliers.csv", "conflicts.csv"}
    assert cli.main(["audit", f"checkpoint={run.path}", f"output={tmp_path / 'out'}"]) == 2
