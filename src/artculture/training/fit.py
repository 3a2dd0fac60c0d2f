"""The training of a run and the predictions of its best checkpoint, within a launch."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray

from artculture.config.schema.model import Probe
from artculture.config.schema.train import TrainConfig, plain
from artculture.data.datamodule import PaintingsDataModule
from artculture.data.paintings import QUARANTINE, write_quarantine
from artculture.data.selection import Selection
from artculture.data.stored_split import read_split, write_split
from artculture.models.checkpoint import check_classes, epochs_done, read_checkpoint, store_temperature
from artculture.models.classifier import CultureClassifier
from artculture.models.finite import check_predictions_finite, check_weights_finite
from artculture.training import feature_cache, probe, resume
from artculture.training.callbacks.recorder import Recorder
from artculture.training.checkpoint_io import content_in_memory, finish_writing
from artculture.training.checkpointing import whole_checkpoint
from artculture.training.distributed.process_group import ProcessGroup
from artculture.training.factory import (
    check_network,
    ignore_known_warnings,
    label_tasks,
    make_classifier,
    make_datamodule,
    make_trainer,
)
from artculture.training.identity import data_label, identity
from artculture.training.label_results import LabelResult, results_by_label
from artculture.training.origin import check_config, check_paintings, origin_of, recorded_origin
from artculture.training.provenance import cost_part, identity_part
from artculture.training.run_directory import RunDirectory
from artculture.training.run_lock import RunLock
from artculture.training.signals import SignalListener
from artculture.training.tracking.trackers import Trackers
from artculture.training.uncertainty_fit import fit_uncertainty
from artculture.training.weights_start import KNOWN, start_training
from artculture.utils import hardware
from artculture.utils.io import write_json
from artculture.utils.spreadsheets import write_csv

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What a launch holds while it trains.

    Attributes:
        trackers: the run's loggers, which may still be opening; None in a process that logs nothing.
        listener: hears signals.
        lock: the right to write into the run's directory; None where another process of the run has it.
        process_group: the run's processes.
    """

    trackers: Trackers | None
    listener: SignalListener
    lock: RunLock | None
    process_group: ProcessGroup


def fit_and_predict(
    config: TrainConfig, directory: RunDirectory, plan: resume.Plan, variant: list[str], work: Work
) -> dict[str, Any] | None:
    """Train a run's classifier, and predict validation and test paintings with its best checkpoint.

    Args:
        config: the run's.
        directory: where it lives.
        plan: the checkpoint to continue from, if any.
        variant: words that tell the run from its architecture, method and scheduler.
        work: what the launch holds.

    Returns:
        The content of result.json, which is written; None in a process of another rank.
    """
    process_group = work.process_group
    L.seed_everything(config.seed, workers=True, verbose=False)
    check_network(config)
    data = make_datamodule(config, process_group)
    selection = process_group.main_process_first("data", lambda: data.paintings.selection)
    if process_group.is_global_zero:
        _same_data(directory, selection)
        _write_choices(directory, data)

    counts, vectors = selection.class_counts("train"), getattr(data.paintings.cache, "facts", None)
    module = make_classifier(config, selection.classes, counts, label_tasks(selection), vectors, selection.words)
    values = plain(config)
    module.provenance = {
        "manifest": selection.manifest.fingerprint(),
        "data": data_label(values),
        "config": identity(values),
    }
    checkpoint = process_group.main_process_first("start", lambda: _begin(config, module, directory, plan, selection))
    origin = origin_of(directory, checkpoint)
    if origin is not None:
        check_paintings(origin, values, selection)
        module.provenance["origin"] = {**origin.record(), "changed": check_config(origin, values)}
    if checkpoint is None:
        feature_cache.settle(module, data)

    accelerator = hardware.real_accelerator(config.trainer.accelerator)
    recorder = Recorder(directory, config.trainer.monitor, work.trackers)
    trainer = make_trainer(
        config,
        [len(column.classes) for column in selection.columns],
        directory,
        recorder,
        accelerator,
        work.listener,
        work.lock,
        process_group,
        from_other=origin is not None,
    )
    with warnings.catch_warnings():
        ignore_known_warnings()
        splits = ("val", "test") if config.trainer.evaluate_test else ("val",)
        facts: dict[str, Any] = {}
        features: NDArray[np.float32] | None = None
        best: dict[str, Any] | None = None
        if isinstance(config.method, Probe):
            rows, logits, facts, features = probe.fit_and_predict(config, module, data, trainer, recorder, splits)
            best = content_in_memory(trainer)
        else:
            try:
                with work.listener.deferred():
                    fed = feature_cache.feed(config.method, data, module, trainer)
                    trainer.fit(module, fed, ckpt_path=checkpoint, weights_only=True)
                work.listener.raise_if_received()
                best = _best(trainer, directory.best)
                module.load_state_dict(best["state_dict"])
                rows, logits = _predict_best(trainer, module, data, directory.best, splits, process_group)
            finally:
                finish_writing(trainer)
    if not process_group.is_global_zero:
        return None

    first, *further = results_by_label(selection, rows, logits, module.hyper["metrics"])
    for label in (first, *further):
        write_csv(label.table, directory.predictions_of(None if label is first else label.name))
    labelled = replace(data.paintings, selection=first.selection)
    uncertainty, sets = fit_uncertainty(
        module,
        labelled,
        first.predictions,
        data.eval_batch_size,
        accelerator,
        features,
        trainer.precision_plugin.forward_context(),
    )
    store_temperature(directory.best, first.temperature, [label.temperature for label in further], uncertainty, best)
    result = {
        **identity_part(config, directory, variant, module),
        **first.numbers,
        **sets,
        **_label_part(first, further, ordinal=selection.ordinal),
        "label_name": selection.words.one,
        "synthetic": selection.synthetic,
        "manifest": selection.manifest.fingerprint(),
        **cost_part(trainer, module, recorder, accelerator, process_group.world_size),
        **facts,
    }
    if work.trackers is not None:
        work.trackers.log_result(first.selection, first.predictions, result)
    write_json(directory.result, result)
    return result


def _best(trainer: L.Trainer, path: Path) -> dict[str, Any]:
    """Return the content of the best checkpoint: from memory, or else from its file, once it is written."""
    content = content_in_memory(trainer)
    if content is not None:
        check_weights_finite(content["state_dict"], path)
        return content
    finish_writing(trainer)
    return read_checkpoint(path)


def _label_part(first: LabelResult, further: Sequence[LabelResult], *, ordinal: bool) -> dict[str, Any]:
    """Return what the result says of labels beyond the numbers of the first one; nothing of a single one."""
    if not further and not ordinal:
        return {}
    return {"label": first.name, "labels": {label.name: label.numbers for label in further}}


def _write_choices(directory: RunDirectory, data: PaintingsDataModule) -> None:
    selection = data.paintings.selection
    write_split(selection.manifest, selection.split, directory.split, data.choice.disjoint)
    if len(data.paintings.quarantine):
        write_quarantine(data.paintings.quarantine, directory.path / QUARANTINE)


def _begin(
    config: TrainConfig,
    module: CultureClassifier,
    directory: RunDirectory,
    plan: resume.Plan,
    selection: Selection,
) -> Path | None:
    """Prepare the module for a checkpoint, and say which, or give it the weights that it starts from."""
    checkpoint = None if plan.checkpoint is None else _restart(module, directory, plan.checkpoint)
    if checkpoint is None:
        start_training(config, module, selection)
    return checkpoint


def _restart(module: CultureClassifier, directory: RunDirectory, asked: Path) -> Path | None:
    """Prepare the module for its newest whole checkpoint, and say which one that is."""
    whole = whole_checkpoint(directory, asked)
    if whole is None:
        origin = recorded_origin(directory)
        return None if origin is None else _restart(module, directory, origin)
    path, content = whole
    said = content["artculture"]
    check_classes(content, path, module.classes, {task.name: task.classes for task in module.tasks[1:]})
    module.restart_from(content)
    if "origin" in said:
        module.provenance["origin"] = said["origin"]
    if KNOWN in said:
        module.provenance[KNOWN] = said[KNOWN]
    epochs, batches = epochs_done(content)
    within = f", after {batches} of its batches" if batches else ""
    log.info("continuing from %s (epoch %d%s)", path, epochs + 1, within)
    return path


def _same_data(directory: RunDirectory, selection: Selection) -> None:
    """Refuse to continue on other paintings, labels or splits; record those of this launch."""
    fingerprint = selection.manifest.fingerprint()
    if directory.status().get("manifest", fingerprint) != fingerprint and directory.resumable is not None:
        stored = read_split(directory.split, "start over with resume=never")
        if not stored.matches(selection.manifest.table, selection.split):
            raise resume.other_data(directory, stored.match(selection.manifest.table).changes())
    whole = selection.whole.fingerprint()
    directory.set_status("running", manifest=fingerprint, whole=whole, sha256={})


def _predict_best(
    trainer: L.Trainer,
    module: CultureClassifier,
    data: PaintingsDataModule,
    best: Path,
    splits: Sequence[str],
    process_group: ProcessGroup,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows of the splits' paintings, and the logits of the best checkpoint, which is loaded, for each, in float32.

    Every painting once, in the order of the splits and of the manifest.
    """
    data.predicted = splits
    trainer.logger = None  # nothing of this belongs into the history
    outputs = trainer.predict(module, datamodule=data)
    assert outputs is not None
    # Lightning leaves out the outer list where there is one loader.
    batches: list[Any] = [batch for loader in outputs for batch in (loader if len(splits) > 1 else [loader])]
    own = torch.cat([batch[1] for batch in batches]).cpu().numpy()
    scores = torch.cat([batch[0] for batch in batches]).double().cpu().numpy()
    gathered = process_group.all_gather((own, scores))
    rows, logits = (np.concatenate(parts) for parts in zip(*gathered, strict=True))
    selection = data.paintings.selection
    expected = np.concatenate([selection.members(split) for split in splits])
    limit = trainer.limit_predict_batches
    if isinstance(limit, int) or limit < 1:  # the result is of the first batches alone
        expected = expected[np.isin(expected, rows)]
    check_predictions_finite(logits, best)
    order = np.argsort(rows)
    if not np.array_equal(rows[order], np.sort(expected)):
        raise RuntimeError(f"{len(rows)} predictions for {len(expected)} paintings of {' and '.join(splits)}")
    return expected, logits[order][np.argsort(np.argsort(expected))]
