"""A run of `method=probe`: features of the frozen backbone, and a classifier that is fitted on them at once."""

import logging
import time
from collections.abc import Sequence
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.config.schema.model import Probe
from artculture.config.schema.train import TrainConfig
from artculture.data.cache.features import FeatureDataModule
from artculture.data.datamodule import PaintingsDataModule
from artculture.data.embeddings.manifest import Vectors
from artculture.evaluation.calibration import softmax
from artculture.evaluation.metrics import scores
from artculture.evaluation.probes import FittedProbe, LabelledFeatures, fit_probe
from artculture.models.classifier import CultureClassifier
from artculture.models.finite import check_predictions_finite
from artculture.models.full_precision import full_precision
from artculture.models.stage_statistics import statistics_key
from artculture.training.callbacks.recorder import Recorder
from artculture.training.checkpoint_io import finish_writing
from artculture.training.feature_cache import digest

log = logging.getLogger(__name__)


def fit_and_predict(
    config: TrainConfig,
    module: CultureClassifier,
    data: PaintingsDataModule,
    trainer: L.Trainer,
    recorder: Recorder,
    splits: Sequence[str],
) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, Any], NDArray[np.float32]]:
    """Fit the head of a classifier, write its checkpoint and the one row of metrics.csv, and predict.

    Args:
        config: the run's, with a probe as its method.
        module: with the backbone's weights; gets the head.
        data: the paintings.
        trainer: whose device is used; it does not train.
        recorder: of the run.
        splits: to predict.

    Returns:
        Rows of the splits' paintings, the logits of each, what to add to the result, and the features of all paintings.
    """
    assert isinstance(config.method, Probe)
    began = time.monotonic()
    if module.start.untouched:
        log.warning("layers without pretrained weights stay random: %s", ", ".join(module.start.untouched))
    features = _features(module, data, trainer)
    extracted = time.monotonic()
    selection = data.paintings.selection
    train, val = (_part(features, selection.labels, selection.members(name)) for name in ("train", "val"))
    metric = config.trainer.monitor.removeprefix("val/")
    counts, balance = selection.class_counts("train"), module.hyper["balance"]
    began_fit = time.process_time()
    found = fit_probe(config.method.classifier, train, val, counts, balance, metric)
    fitted = time.process_time()
    module.network.head.load_state_dict(found.state)
    log.info("chosen on the validation paintings: %s", ", ".join(f"{k}={v:g}" for k, v in found.settings.items()))

    _record(recorder, module, found, train, time.monotonic() - began)
    trainer.strategy.connect(module)
    trainer.save_checkpoint(recorder.directory.best, weights_only=True)
    finish_writing(trainer)
    rows = np.concatenate([selection.members(name) for name in splits])
    logits = _logits(module, features[rows])
    check_predictions_finite(logits, recorder.directory.best)
    facts = {
        "best_score": found.metrics[metric],
        "precision": "32-true",
        "pictures_at_once": None,
        "probe": {
            "classifier": config.method.classifier,
            **found.settings,
            "feature_seconds": round(extracted - began, 2),
            "fit_cpu_seconds": round(fitted - began_fit, 2),
            "tried": list(found.tried),
        },
    }
    return rows, logits, facts, features


def _features(module: CultureClassifier, data: PaintingsDataModule, trainer: L.Trainer) -> NDArray[np.float32]:
    """Return the features of all paintings, cached or given, as the classifier computes them when it predicts."""
    device = trainer.strategy.root_device
    module.setup("fit")
    module.to(device).eval()
    if isinstance(data.paintings.cache, Vectors):
        rows = np.arange(len(data.paintings.selection.labels), dtype=np.int64)
        return data.maker(None)(0, rows).numpy()
    data.move_pixels_to(device)

    def embed(pictures: Tensor) -> Tensor:
        with torch.inference_mode(), full_precision(device):
            return module.embed(pictures.to(device)).float()

    statistics = statistics_key(module.hyper["stage_statistics"])
    return FeatureDataModule(
        data, embed, lambda: f"{digest(module)}{statistics} 32-true {device.type}", 1
    ).of_all_paintings()


def _part(features: NDArray[np.float32], labels: NDArray[np.int64], rows: NDArray[np.int64]) -> LabelledFeatures:
    return LabelledFeatures(np.asarray(features[rows]), labels[rows])


def _logits(module: CultureClassifier, features: NDArray[np.float32]) -> NDArray[np.float64]:
    with torch.inference_mode(), full_precision(module.device):
        logits: NDArray[np.float64] = module(torch.from_numpy(features).to(module.device)).double().cpu().numpy()
    return logits


def _record(
    recorder: Recorder, module: CultureClassifier, found: FittedProbe, train: LabelledFeatures, seconds: float
) -> None:
    on_train = scores(softmax(_logits(module, train.features)), train.labels, len(module.classes))
    recorder.seconds = recorder.train_seconds = seconds
    recorder.train_images, recorder.epochs = len(train.labels), 1
    row: dict[str, Any] = {"epoch": 0, "train/loss": on_train["loss"], "train/top1": on_train["top1"]}
    row |= {f"val/{name}": found.metrics[name] for name in ("loss", "top1", "top3", "macro_f1", "macro_recall")}
    recorder.record({**row, "seconds": round(seconds, 3)}, 1)
