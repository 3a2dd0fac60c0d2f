"""One run from config to result."""

import logging
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray

from artculture.config import TrainConfig, plain
from artculture.data.datamodule import PaintingsDataModule
from artculture.data.paintings import write_split
from artculture.errors import InputError
from artculture.files import replacing, write_json
from artculture.models.checkpoint import check_classes, read_checkpoint, store_temperature
from artculture.models.classifier import CultureClassifier
from artculture.models.weights import check_weights
from artculture.runs import frozen, hardware, resume, tracking
from artculture.runs.calibration import calibration_part
from artculture.runs.callbacks import Recorder
from artculture.runs.directory import RunDirectory
from artculture.runs.identity import data_label, tracker_id
from artculture.runs.parts import ignore_known_warnings, make_classifier, make_datamodule, make_trainer
from artculture.runs.result import accuracy_part, git_commit, prediction_table, versions

log = logging.getLogger(__name__)


def train_run(config: TrainConfig, directory: RunDirectory, variant: list[str]) -> resume.Plan:
    """Train a run as its directory's state asks, and write its result.

    Args:
        config: the checked config.
        directory: where the run lives.
        variant: what tells it from its architecture, method and scheduler alone.

    Returns:
        What was done.

    Raises:
        InputError: data, weights or a checkpoint that do not fit.
        WorkError: another process trains this run.
    """
    directory.make()
    with directory.held():
        values = plain(config)
        plan = resume.plan(directory, values, config.resume)
        if plan.action == "skip":
            log.info("%s was finished before: skipped", directory.path)
            return plan
        generation = int(directory.status().get("generation", 0)) + (plan.action == "restart")
        if plan.action == "restart":
            directory.clear()
        directory.write_config(values)
        directory.set_status("running", started=time.time(), generation=generation)
        page: Any = None
        try:
            page = _open_page(config, directory, generation, variant)
            result = _train(config, directory, plan, variant, page)
        except BaseException as error:
            reason = "interrupted" if isinstance(error, (KeyboardInterrupt, SystemExit)) else str(error)
            directory.set_status("failed", error=reason or type(error).__name__)
            if page is not None:
                page.finish(exit_code=1)
            raise
        if page is not None:
            page.finish(exit_code=0)
        tested = {"tested": config.trainer.evaluate_test}
        directory.set_status("finished", finished=time.time(), val_top1=result["val_top1"], seconds_left=0, **tested)
    return plan


def _open_page(config: TrainConfig, directory: RunDirectory, generation: int, variant: list[str]) -> Any:
    if config.logger.name == "csv":
        return None
    architecture, method, scheduler = config.architecture.name, config.method.name, config.scheduler.name
    data = data_label(plain(config))
    page = tracking.Page(
        project=config.logger.project,
        entity=config.logger.entity,
        group=config.study.name,
        job_type=method,
        name=directory.path.name,
        run_id=tracker_id(directory.path, generation),
        tags=tuple(dict.fromkeys([architecture, method, scheduler, data, *variant, *config.logger.tags])),
    )
    return tracking.open_page(page, directory, plain(config), offline=config.logger.name == "wandb_offline")


def _train(
    config: TrainConfig, directory: RunDirectory, plan: resume.Plan, variant: list[str], page: Any
) -> dict[str, Any]:
    L.seed_everything(config.seed, workers=True, verbose=False)
    check_weights(config.architecture.weights, config.architecture.library, config.architecture.name)
    data = make_datamodule(config)
    selection = data.paintings.selection
    _same_data(directory, selection.manifest.fingerprint())
    write_split(selection, directory.split)
    if len(data.paintings.quarantine):
        with replacing(directory.path / "quarantine.csv") as temporary:
            data.paintings.quarantine.to_csv(temporary, index=False)

    module = make_classifier(config, selection.classes)
    module.provenance = {"manifest": selection.manifest.fingerprint(), "data": data_label(plain(config))}
    if plan.checkpoint is None:
        module.start_from(config.architecture.weights)
        frozen.settle(module, data)
    else:
        content = read_checkpoint(plan.checkpoint)
        check_classes(content, plan.checkpoint, selection.classes)
        module.restart_from(content)
        log.info("going on from %s (after epoch %d)", plan.checkpoint, content["epoch"] + 1)

    accelerator = hardware.real_accelerator(config.trainer.accelerator)
    recorder = Recorder(directory, config.trainer.monitor)
    trainer = make_trainer(config, directory, recorder, accelerator, page)
    with warnings.catch_warnings():
        ignore_known_warnings()
        trainer.fit(
            module, frozen.feed(config.method, data, module, trainer), ckpt_path=plan.checkpoint, weights_only=True
        )
        if trainer.interrupted:
            raise KeyboardInterrupt
        splits = ("val", "test") if config.trainer.evaluate_test else ("val",)
        rows, probabilities = _predict_best(trainer, module, data, directory.best, splits)

    predictions = prediction_table(selection, rows, probabilities)
    with replacing(directory.predictions) as temporary:
        predictions.drop(columns="row").to_csv(temporary, index=False, lineterminator="\n")
    calibration = calibration_part(predictions, selection.classes)
    store_temperature(directory.best, calibration["temperature"])
    result = {
        **_identity_part(config, directory, variant, module),
        **accuracy_part(predictions, selection),
        **calibration,
        "synthetic": selection.synthetic,
        "manifest": selection.manifest.fingerprint(),
        **_cost_part(trainer, module, recorder, accelerator),
    }
    if page is not None:
        test = predictions[predictions["split"] == "test"]
        tracking.log_result(page, selection, test, result, config.logger.thumbnails)
    write_json(directory.result, result)
    return result


def _same_data(directory: RunDirectory, fingerprint: str) -> None:
    status = directory.status()
    if status.get("manifest", fingerprint) != fingerprint and directory.last.is_file():
        raise InputError(
            f"the data changed since {directory.path} was started (another manifest): restore it, start over with "
            "resume=never, or take another study.name=…"
        )
    directory.set_status("running", manifest=fingerprint)


def _predict_best(
    trainer: L.Trainer, module: CultureClassifier, data: PaintingsDataModule, best: Path, splits: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Probabilities of the best checkpoint on the splits, every painting once."""
    module.load_state_dict(read_checkpoint(best)["state_dict"])
    loaders = [data.eval_dataloader(split) for split in splits]
    trainer.logger = None  # nothing of this belongs into the history
    outputs = trainer.predict(module, loaders)
    assert outputs is not None
    # Lightning leaves out the outer list where there is one loader.
    batches: list[Any] = [batch for loader in outputs for batch in (loader if len(splits) > 1 else [loader])]
    rows = torch.cat([batch[1] for batch in batches]).cpu().numpy()
    probabilities = torch.cat([batch[0] for batch in batches]).double().cpu().numpy()
    selection = data.paintings.selection
    expected = sum(len(selection.members(split)) for split in splits)
    if len(np.unique(rows)) != expected or len(rows) != expected:
        raise RuntimeError(f"{len(rows)} predictions for {expected} paintings of {' and '.join(splits)}")
    return rows, probabilities


def _identity_part(
    config: TrainConfig, directory: RunDirectory, variant: list[str], module: CultureClassifier
) -> dict[str, Any]:
    return {
        "run": directory.path.name,
        "study": config.study.name,
        "architecture": config.architecture.name,
        "scheduler": config.scheduler.name,
        "method": config.method.name,
        "variant": " ".join(variant),
        "seed": config.seed,
        "data": data_label(plain(config)),
        "weights": module.start.label,
        "imagenet": module.start.imagenet,
    }


def _cost_part(trainer: L.Trainer, module: CultureClassifier, recorder: Recorder, accelerator: str) -> dict[str, Any]:
    parameters = list(module.network.parameters())
    device = torch.cuda.get_device_name() if accelerator == "gpu" else "cpu"
    best = trainer.checkpoint_callbacks[0]
    score = getattr(best, "best_model_score", None)
    return {
        "epochs": trainer.current_epoch,
        "best_score": None if score is None else float(score),
        "seconds": round(recorder.seconds, 2),
        "images_per_second": round(recorder.train_images / max(recorder.train_seconds, 1e-9), 2),
        "parameters": sum(p.numel() for p in parameters),
        "trainable_parameters": sum(p.numel() for p in parameters if p.requires_grad),
        "precision": str(trainer.precision),
        "image_size": module.preprocessing.image_size,
        "device": device,
        "peak_memory": hardware.peak_memory(accelerator),
        "versions": versions(),
        "git_commit": git_commit(),
    }
