"""Preparation shared by all runs of a grid: decoded pixels and downloaded weights, before the first run trains."""

import logging
from collections.abc import Iterable
from pathlib import Path

from artculture.config.schema.launchers import LocalProcesses
from artculture.config.schema.train import plain
from artculture.config.validation import mistakes_error
from artculture.data.data_choice import DataChoice
from artculture.data.paintings import load_paintings
from artculture.data.selection import Selection
from artculture.models.backbones import make_backbone, preprocessing_of
from artculture.models.weights import load_start
from artculture.studies.grid import PlannedRun
from artculture.training.factory import backbone_choice, backbone_options, check_network
from artculture.training.origin import check_paintings, origin_of
from artculture.utils import hardware
from artculture.utils.errors import InputError
from artculture.utils.progress import Progress

log = logging.getLogger(__name__)


def check_runs(runs: Iterable[PlannedRun]) -> None:
    """Check machine, network and local weights of the runs to be trained, without reading images or downloading.

    Raises:
        InputError: lists all mistakes.
    """
    mistakes: dict[str, None] = {}
    seen: set[str] = set()
    for run in runs:
        config = run.config
        key = f"{config.architecture} {config.data.image_size} {config.trainer} {_needs_weights(run)}"
        if run.plan.action == "skip" or key in seen:
            continue
        seen.add(key)
        try:
            if isinstance(config.launcher, LocalProcesses):  # other launchers execute runs on other machines
                trainer = config.trainer
                hardware.check_machine(trainer.accelerator, trainer.precision, trainer.compile)
            check_network(config)
            if _needs_weights(run) and _is_file(run):
                _load_weights(run)
        except InputError as error:
            mistakes[str(error)] = None
    if mistakes:
        raise mistakes_error(list(mistakes))


def prepare(runs: Iterable[PlannedRun], on_progress: Progress | None = None) -> None:
    """Validate the runs, then load every data source and download every set of weights, each once.

    Raises:
        InputError: data or weights are missing or damaged, or differ from those of the checkpoint that a run starts
            from.
    """
    runs = list(runs)
    check_runs(runs)
    seen: set[str] = set()
    selections: dict[str, Selection] = {}
    for run in runs:
        architecture = run.config.architecture
        preprocessing = preprocessing_of(*backbone_choice(architecture)).at_size(
            run.config.data.image_size, run.config.data.fit
        )
        choice = DataChoice.of(run.config.data)
        key = f"{choice} {preprocessing.resize} {preprocessing.interpolation} {preprocessing.fit}"
        if key not in selections:
            asked = preprocessing.resize, preprocessing.interpolation
            paintings = load_paintings(choice, *asked, on_progress, fit=preprocessing.fit)
            selections[key] = paintings.selection
        if (origin := origin_of(run.directory, run.plan.checkpoint)) is not None:
            check_paintings(origin, plain(run.config), selections[key])
        key = f"{architecture.name} {architecture.weights}"
        if _needs_weights(run) and not _is_file(run) and key not in seen:
            seen.add(key)
            _load_weights(run)


def _needs_weights(run: PlannedRun) -> bool:
    # `auto` never fails, and random weights need no download.
    wanted = run.config.architecture.weights not in ("auto", "none") and run.config.method.name != "scratch"
    return wanted and run.plan.checkpoint is None


def _is_file(run: PlannedRun) -> bool:
    return Path(run.config.architecture.weights).expanduser().is_file()


def _load_weights(run: PlannedRun) -> None:
    """Load a run's pretrained weights, to check that they exist and fit."""
    architecture = run.config.architecture
    options, size = backbone_options(architecture), run.config.data.image_size
    backbone = make_backbone(*backbone_choice(architecture), options, size)
    load_start(backbone, architecture.name, architecture.library, architecture.weights)
