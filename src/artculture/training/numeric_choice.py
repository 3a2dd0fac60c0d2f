"""What `auto` of `trainer.precision`, `trainer.channels_last` and `trainer.threads` means for a run, and its record."""

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from artculture.config.schema.launchers import LocalProcesses
from artculture.config.schema.model import Probe
from artculture.config.schema.train import TrainConfig, plain
from artculture.data.cache.folder import cache_folder, make_private
from artculture.utils import hardware
from artculture.utils.errors import InputError, reason_of
from artculture.utils.io import json_text, read_json, write_json
from artculture.utils.quick_imports import lean_torchmetrics

if TYPE_CHECKING:
    from artculture.training.acceleration.measured_format import Choice, RunSize

log = logging.getLogger(__name__)

AUTO: Final = "auto"
# Keys of `trainer` whose value is decided once for a run, and stored in its config.yaml.
DECIDED = ("precision", "channels_last", "threads")
KIND = "steps"
FILE = "choice.json"


def with_recorded(config: TrainConfig, stored: Mapping[str, Any]) -> TrainConfig:
    """Return the config with what an earlier launch of the run has decided in place of `auto`.

    Args:
        config: the run's.
        stored: its config.yaml; empty if there is none.
    """
    trainer, before = config.trainer, stored.get("trainer")
    if not isinstance(before, Mapping):
        return config
    found = {key: before[key] for key in DECIDED if getattr(trainer, key) == AUTO and before.get(key, AUTO) != AUTO}
    return _changed(config, **found)


def decided(config: TrainConfig, *, alone: bool = True) -> TrainConfig:
    """Return the config without `auto`: what was measured on this machine before, or is measured now.

    Args:
        config: the run's.
        alone: whether the run has one process. Several don't measure: all would have to find the same.
    """
    with lean_torchmetrics():
        import torch

    trainer = config.trainer
    accelerator = hardware.real_accelerator(trainer.accelerator)
    if trainer.threads == AUTO and accelerator == "cpu" and alone:
        config = _changed(config, threads=_share_of_cores(config) or torch.get_num_threads())
    if trainer.precision == AUTO and accelerator == "cpu" and alone and _trains_network(config):
        choice = _known(config) or _measure(config)
        return _changed(config, precision=choice.format.precision, channels_last=choice.format.channels_last)
    precision: int | str = trainer.precision
    if precision == AUTO:
        precision = config_precision(hardware.best_precision(accelerator))
    return _changed(config, precision=precision, channels_last=channels_last(config))


def decided_by_study(config: TrainConfig, stored: Mapping[str, Any]) -> TrainConfig:
    """Return the config as the process of a study stores it for a run, before it starts the run.

    Other launchers than local processes start it on other machines, where it decides itself, as it does on a GPU: of
    several kinds the study does not know which one the run gets.
    """
    config = with_recorded(config, stored)
    here = isinstance(config.launcher, LocalProcesses) and config.trainer.devices == 1
    return decided(config) if here and hardware.real_accelerator(config.trainer.accelerator) == "cpu" else config


def expected_precision(config: TrainConfig, accelerator: str) -> str:
    """Return the precision that a run would have here, as Lightning names it; `auto` where it is not yet measured."""
    if config.trainer.precision == AUTO and accelerator == "cpu" and _trains_network(config):
        known = _known(config)
        if known is not None:
            return hardware.real_precision(known.format.precision, accelerator)
        if hardware.cpu_has_bf16() and not hardware.cpu_has_amx():
            return AUTO
    return hardware.real_precision(config.trainer.precision, accelerator)


def expected_size(config: TrainConfig) -> "RunSize | None":
    """Return memory (on a GPU without its pixels) and operations of a run; None where they are unknown."""
    if not _trains_network(config):
        return None
    with lean_torchmetrics():
        from artculture.training.acceleration.measured_format import run_size

    try:
        return run_size(config)
    except Exception as error:  # layers of the user's own that need more than shapes
        log.debug("memory and operations of %s are unknown: %s", config.architecture.name, reason_of(error))
        return None


def channels_last(config: TrainConfig) -> bool:
    """Return whether a run is in channels_last; where nothing was measured, as its architecture asks."""
    chosen = config.trainer.channels_last
    return config.architecture.channels_last if chosen == AUTO else chosen


def config_precision(precision: str) -> int | str:
    """Return a precision of Lightning as `trainer.precision` names it."""
    return 32 if precision == "32-true" else precision


def known_choices(cache: Path) -> Iterator[tuple[str, "Choice"]]:
    """Yield what was measured on this machine, as a description and the choice."""
    for file in sorted((cache / KIND).glob(f"*/{FILE}")):
        values = _read(file)
        if values is not None and values[0].get("machine") == _machine():
            yield str(values[0]["shown"]), values[1]


def _trains_network(config: TrainConfig) -> bool:
    # A probe runs in float32; embeddings have no network; to compile a network for each format would take minutes.
    trains = not isinstance(config.method, Probe) and config.architecture.library != "embeddings"
    return trains and not config.trainer.compile


def _changed(config: TrainConfig, **values: Any) -> TrainConfig:
    if not values:
        return config
    return config.model_copy(update={"trainer": config.trainer.model_copy(update=values)})


def _measure(config: TrainConfig) -> "Choice":
    with lean_torchmetrics():
        from artculture.training.acceleration.measured_format import Choice, NumericFormat, measured_choice

    chosen = config.trainer.channels_last
    lasts = [chosen] if chosen != AUTO else sorted({False, config.architecture.channels_last})
    formats = [NumericFormat(32, last) for last in lasts]
    if hardware.cpu_has_bf16():
        formats.append(NumericFormat("bf16-mixed", lasts[-1]))
    try:
        # With AMX, ResNet-50 and VGG-16 are about twice as fast in bf16, and AlexNet is as fast: not worth comparing.
        choice = Choice(formats[-1], {}, 0) if hardware.cpu_has_amx() else measured_choice(config, formats)
    except Exception as error:  # too little memory, or steps of the user's own that need more than pixels
        log.warning("precision=32, because no step could be measured: %s", reason_of(error))
        return Choice(formats[0], {}, 0)
    key, file = _key(config), _file(config)
    if choice.seconds:
        log.info(
            "%s: precision %s is the fastest on this CPU (of %s)",
            key["shown"],
            choice.format,
            "; ".join(choice.seconds),
        )
    try:
        make_private(file.parent)
        write_json(file, {"key": key, "choice": choice.as_plain()})
    except OSError as error:  # the run records it in any case
        log.warning("what was measured could not be kept in %s (%s)", file.parent, error.strerror)
    return choice


def _known(config: TrainConfig) -> "Choice | None":
    values = _read(_file(config))
    return None if values is None or values[0] != _key(config) else values[1]


def _read(file: Path) -> tuple[dict[str, Any], "Choice"] | None:
    with lean_torchmetrics():
        from artculture.training.acceleration.measured_format import Choice

    try:
        values = read_json(file)
        return dict(values["key"]), Choice.from_plain(values["choice"])
    except (OSError, InputError, KeyError, TypeError, ValueError):
        return None


def _file(config: TrainConfig) -> Path:
    name = hashlib.sha256(json_text(_key(config), sort_keys=True).encode()).hexdigest()[:16]
    return cache_folder(config.data.cache) / KIND / name / FILE


def _share_of_cores(config: TrainConfig) -> int | None:
    """Return the threads of each of several local runs at a time; None where all cores are for one."""
    parallel = config.launcher.parallel if isinstance(config.launcher, LocalProcesses) else AUTO
    given = os.environ.get("OMP_NUM_THREADS", "")
    if parallel == AUTO or parallel == 1 or given.isdigit():
        return int(given) if given.isdigit() else None
    return max(1, hardware.cores() // parallel)


def _key(config: TrainConfig) -> dict[str, Any]:
    """Return all that the speed of a step depends on."""
    values = plain(config)
    data, trainer, frozen = config.data, config.trainer, config.method.name == "transfer"
    size = "its own size" if data.image_size is None else f"{data.image_size} px"
    architecture = {key: value for key, value in values["architecture"].items() if key not in ("recipe", "weights")}
    return {
        # Training from scratch has the steps of fine-tuning.
        "shown": f"{config.architecture.name} {'transfer' if frozen else 'finetuned'}, {size}, batch {data.batch_size}",
        "machine": _machine(),
        "architecture": architecture,
        "head": values["head"],
        "transfer": frozen,
        "method": {key: values["method"].get(key) for key in ("features", "lora")},
        "fit": data.fit,
        "channels_last": trainer.channels_last,
    }


def _machine() -> dict[str, str]:
    from importlib.metadata import version

    flags = sorted(hardware.cpu_flags())
    return {
        "cpu": hardware.cpu_name(),
        "flags": hashlib.sha256(" ".join(flags).encode()).hexdigest()[:16],
        "torch": version("torch"),
    }
