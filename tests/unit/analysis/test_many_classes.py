import numpy as np
import pytest

from artculture.analysis.culture_figures import culture_findings
from artculture.analysis.figure import write_findings
from artculture.analysis.many_classes import clustered, largest, some
from artculture.analysis.similarity import distances
from tests.unit.analysis.synthetic import about, make_embeddings

CLASSES = [f"Class {number}" for number in range(32)]


@pytest.mark.slow
def test_many_classes_have_readable_figures(tmp_path):
    embeddings = make_embeddings(CLASSES, counts=4)
    findings = {finding.name: finding for finding in culture_findings(embeddings, about(embeddings))}
    for finding in findings.values():
        texts = [] if finding.figure is None else [text for axes in finding.figure.axes for text in axes.texts]
        assert len(texts) <= 30
    assert len(findings["culture_distances"].tables["culture_distances"]) == 32 * 31
    assert len(findings["culture_chords"].tables["culture_chords"]) >= 20 * 19 // 4
    assert "Class 8 and 24 more" not in findings["regions"].caption
    assert "and 24 more" in findings["regions"].caption
    write_findings(tmp_path, [findings["confusion_matrix"]], {})
    assert (tmp_path / "confusion_matrix.png").stat().st_size > 0


def test_findings_are_written_one_by_one(tmp_path):
    def findings():
        yield next(culture_findings(embeddings, about(embeddings)))
        assert (tmp_path / "culture_distances.csv").is_file()

    embeddings = make_embeddings(counts=6)
    write_findings(tmp_path, findings(), {})


@pytest.mark.parametrize("equal", [False, True])
def test_intervals_are_those_of_whole_replicates(monkeypatch, equal):
    """Compare with the similarities of the whole matrix, recomputed for each painting that is left out."""
    rng = np.random.default_rng(0)
    groups = [rng.normal(centre, 1, (6 + centre, 5)) for centre in range(4)]
    if equal:
        groups[1] = groups[0].copy()
    squares = distances.unbiased_squared_distances(groups)
    without = [distances.leave_one_out_squared_distances(groups, n, squares) for n in range(4)]
    error = distances._jackknife_errors(without)
    similarity = distances.normalised_similarity(np.sqrt(distances.truncated_normal_quantiles(squares, error)[0]))
    variance = np.zeros_like(similarity)
    for culture, rows in enumerate(without):
        replicates = np.repeat(squares[None], len(rows), axis=0)
        replicates[:, culture, :] = replicates[:, :, culture] = rows
        roots = np.sqrt(distances.truncated_normal_quantiles(replicates, error)[0])
        shares = distances.normalised_similarity(roots)
        variance += (len(rows) - 1) * np.log(np.where(shares > 0, shares, 1.0)).var(axis=0)
    factor = np.exp(distances.Z * np.sqrt(variance))
    low, high = distances._similarity_interval(similarity, squares, without, error)
    np.testing.assert_allclose(low, similarity / factor, rtol=1e-9)
    np.testing.assert_allclose(high, np.clip(similarity * factor, 0, 1), rtol=1e-9)


def test_similar_items_are_neighbours():
    places = np.array([0.0, 10, 0.1, 10.1, 5])
    order = clustered(np.abs(places[:, None] - places))
    assert abs(order.index(0) - order.index(2)) == abs(order.index(1) - order.index(3)) == 1


def test_names_and_values_are_limited():
    assert some(["a", "b"]) == "a, b"
    assert some([str(n) for n in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 4 more"
    assert largest(np.array([3, 9, 9, 1]), 2) == [1, 2]
