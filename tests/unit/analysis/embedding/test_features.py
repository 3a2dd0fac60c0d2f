from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from artculture.analysis.embedding.features import compute_embeddings, write_features
from artculture.analysis.loading import load_model_under_study
from artculture.evaluation.calibration import softmax
from artculture.evaluation.forward import forward_on
from artculture.models.checkpoint import store_temperature
from artculture.models.classifier import CultureClassifier


@pytest.fixture
def model(run):
    return load_model_under_study(run.best)


@pytest.fixture
def passes(monkeypatch):
    """Counts forward passes."""
    seen = []
    real = CultureClassifier.embed
    monkeypatch.setattr(CultureClassifier, "embed", lambda self, x: (seen.append(len(x)), real(self, x))[1])
    return seen


def test_one_pass_gives_features_and_logits_of_the_classifier(model):
    found = compute_embeddings(model)
    assert found.features.dtype == found.logits.dtype == np.float32
    assert found.features.shape == (42, model.classifier.backbone_parts.features)
    with torch.inference_mode():
        again = model.classifier.network.head(torch.from_numpy(found.features))
    assert softmax(found.logits) == pytest.approx(softmax(again.numpy()), abs=1e-5)
    assert found.temperature == model.classifier.temperature


def test_logits_are_those_of_the_run_s_predictions(model, run):
    found = compute_embeddings(model)
    stored = pd.read_csv(run.predictions, dtype={"object_id": str}).set_index("object_id")
    position = {ident: i for i, ident in enumerate(found.object_id)}
    rows = [position[ident] for ident in stored.index]
    expected = stored[["p_blue", "p_green", "p_red"]].to_numpy()
    assert found.probabilities()[rows] == pytest.approx(expected, abs=1e-7)


def test_a_second_call_reads_the_cache(model, passes):
    first = compute_embeddings(model)
    assert sum(passes) == 42
    second = compute_embeddings(model, batch_size=5)
    assert sum(passes) == 42
    assert np.array_equal(first.features, second.features)
    assert np.array_equal(first.logits, second.logits)


def _warm(model) -> None:
    store_temperature(model.checkpoint, 1.001 * model.classifier.temperature)


def _repaint(model) -> None:
    first, second = model.paintings.selection.manifest.paths()[:2]
    first.write_bytes(second.read_bytes())


# A painting whose image has changed no longer belongs to the run.
@pytest.mark.parametrize(("change", "again"), [(_warm, 42), (_repaint, 41)])
def test_what_changed_is_recomputed(model, passes, change, again):
    compute_embeddings(model)
    change(model)
    compute_embeddings(load_model_under_study(model.checkpoint))
    assert sum(passes) == 42 + again


def test_a_half_written_file_is_recomputed(model, passes):
    first = compute_embeddings(model)
    (file,) = (model.cache / "features").iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    assert np.array_equal(compute_embeddings(model).features, first.features)
    assert sum(passes) == 84


def test_without_a_cache_nothing_is_kept(model, passes):
    for _ in range(2):
        compute_embeddings(replace(model, cache=None))
    assert sum(passes) == 84
    assert not (model.cache / "features").exists()


@pytest.fixture
def untrained():
    def make(architecture: str, library: str, size: int) -> CultureClassifier:
        return CultureClassifier(architecture, library, ("blue", "green", "red"), size).eval()

    return make


# Measured: at most 2e-6 of the largest value apart; in a trained network 6e-6.
@pytest.mark.parametrize(
    ("architecture", "library", "size"),
    [pytest.param("resnet50", "torchvision", 32, marks=pytest.mark.slow), ("efficientnet_lite0", "timm", 32)],
)
def test_batch_size_does_not_change_the_vectors(untrained, architecture, library, size):
    torch.manual_seed(0)
    classifier = untrained(architecture, library, size)
    pictures = torch.randint(0, 256, (64, 3, size, size), dtype=torch.uint8)
    with forward_on(classifier, "cpu") as forward:
        vectors = {n: torch.cat([forward(part)[0] for part in pictures.split(n)]) for n in (1, 7, 64)}
    for n in (1, 7):
        assert torch.allclose(vectors[n], vectors[64], rtol=0, atol=1e-5 * float(vectors[64].abs().max()))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_vectors_of_the_cpu(untrained):
    torch.manual_seed(0)
    classifier = untrained("resnet50", "torchvision", 64)
    pictures = torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8)
    vectors = {}
    for device in ("cpu", "gpu"):
        with forward_on(classifier, device) as forward:
            vectors[device] = forward(pictures)[0]
    assert torch.allclose(vectors["cpu"], vectors["gpu"], rtol=0, atol=1e-4 * float(vectors["cpu"].abs().max()))


def test_written_features_identify_their_paintings(model, tmp_path):
    found = compute_embeddings(model)
    table = pd.read_parquet(write_features(found, tmp_path / "features.parquet"))
    assert list(table.columns[:4]) == ["object_id", "culture", "split", "f0"]
    assert list(table["object_id"]) == list(found.object_id)
    assert np.array_equal(table.filter(regex=r"^f\d").to_numpy(), found.features)
    assert set(zip(table["culture"], found.labels, strict=True)) == {("blue", 0), ("green", 1), ("red", 2)}
