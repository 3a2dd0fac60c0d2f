import numpy as np
import pytest
import torch

from artculture.evaluation import probes
from artculture.evaluation.probes import LabelledFeatures, fit_probe
from artculture.models.heads import build_head

NONE = {"name": "none"}


@pytest.fixture
def parts() -> tuple[LabelledFeatures, LabelledFeatures]:
    """40 training and 20 validation vectors of three classes, of which the last is rare."""
    rng = np.random.default_rng(0)

    def part(counts):
        labels = np.repeat(np.arange(3), counts)
        return LabelledFeatures(
            (1.5 * np.eye(3, 5)[labels] + rng.normal(size=(len(labels), 5))).astype("float32"), labels
        )

    return part([20, 16, 4]), part([9, 8, 3])


def _head(classifier: str, state: dict[str, torch.Tensor], paintings: int = 40) -> torch.nn.Module:
    name = "knn" if classifier == "knn" else "linear"
    head = build_head({"name": name, "dropout": 0.0, "paintings": paintings}, 5, 3)
    head.load_state_dict(state)
    return head


@pytest.mark.parametrize("classifier", ["logistic", "knn", "nearest_mean"])
def test_the_head_computes_what_was_chosen_on_validation(parts, classifier):
    train, val = parts
    found = fit_probe(classifier, train, val, [20, 16, 4], NONE, "top1")
    logits = _head(classifier, found.state)(torch.from_numpy(val.features)).detach().double()
    assert (logits.argmax(1).numpy() == val.labels).mean() == pytest.approx(found.metrics["top1"])
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(val.labels))
    assert float(loss) == pytest.approx(found.metrics["loss"], rel=1e-4)
    assert found.metrics["top1"] == max(tried["top1"] for tried in found.tried)
    assert all(found.metrics["loss"] <= t["loss"] for t in found.tried if t["top1"] == found.metrics["top1"])


def test_logistic_regression_is_that_of_scikit_learn(parts, monkeypatch):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, val = parts
    monkeypatch.setattr(probes, "STRENGTHS", (0.1,))
    found = fit_probe("logistic", train, val, [20, 16, 4], NONE, "loss")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, tol=probes.TOLERANCE)).fit(
        train.features, train.labels
    )
    logits = _head("logistic", found.state)(torch.from_numpy(val.features)).detach()
    assert torch.allclose(
        logits.softmax(1).double(), torch.from_numpy(model.predict_proba(val.features)).double(), atol=1e-3
    )


@pytest.mark.parametrize("classifier", ["logistic", "knn"])
def test_adjusted_logits_favour_the_rare_class(parts, classifier):
    train, val = parts
    plain = fit_probe(classifier, train, val, [20, 16, 4], NONE, "loss")
    balanced = {"name": "balanced_softmax"}
    adjusted = fit_probe(classifier, train, val, [20, 16, 4], balanced, "loss")
    shares = [
        _head(classifier, each.state)(torch.from_numpy(val.features)).softmax(1)[:, 2].mean()
        for each in (plain, adjusted)
    ]
    assert shares[1] > shares[0]
    weighted = fit_probe(classifier, train, val, [20, 16, 4], {"name": "class_weights", "beta": None}, "loss")
    assert weighted.metrics != plain.metrics


def test_a_class_without_training_paintings_is_never_predicted(parts):
    train, val = parts
    kept = train.labels < 2
    train = LabelledFeatures(train.features[kept], train.labels[kept])
    for classifier in ("logistic", "knn", "nearest_mean"):
        found = fit_probe(classifier, train, val, [20, 16, 0], NONE, "top1")
        head = _head(classifier, found.state, 36)
        assert (head(torch.from_numpy(val.features)).argmax(1) < 2).all()


def test_the_nearest_mean_is_by_mahalanobis_distance(parts, monkeypatch):
    train, val = parts
    monkeypatch.setattr(probes, "SHRINKAGES", (0.3,))
    found = fit_probe("nearest_mean", train, val, [20, 16, 4], NONE, "top1")
    logits = _head("nearest_mean", found.state)(torch.from_numpy(val.features)).detach().numpy()
    deviation = train.features.std(0)
    means = np.stack([train.features[train.labels == label].mean(0) for label in range(3)])
    within = (train.features - means[train.labels]) / deviation
    covariance = within.T @ within / len(within)
    shrunk = 0.7 * covariance + 0.3 * np.trace(covariance) / 5 * np.eye(5)
    offsets = (val.features[:, None] - means) / deviation
    distances = np.einsum("nci,ij,ncj->nc", offsets, np.linalg.inv(shrunk), offsets)
    # Of a picture, differences of logits are those of the distances times a factor.
    ratios = np.diff(logits, axis=1) / np.diff(distances, axis=1)
    assert ratios == pytest.approx(ratios.mean(), rel=1e-3)
    assert ratios.mean() < 0


@pytest.mark.parametrize("classifier", ["logistic", "nearest_mean"])
def test_fewer_paintings_than_features_are_enough(parts, classifier):
    train, val = parts
    wide, labels = np.random.default_rng(1).normal(size=(5, 12)), train.labels[::4]
    few = LabelledFeatures((train.features[::4] @ wide).astype("float32"), labels)
    held_out = LabelledFeatures((val.features @ wide).astype("float32"), val.labels)
    assert fit_probe(classifier, few, held_out, [5, 4, 1], NONE, "loss").metrics["loss"] < np.log(3)
