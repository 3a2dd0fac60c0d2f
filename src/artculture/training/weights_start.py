"""The start of a training from weights, and whether those were trained on paintings that are held out now."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from artculture.config.schema.model import Pretrained, Scratch
from artculture.config.schema.train import TrainConfig
from artculture.data.selection import Selection
from artculture.data.stored_split import read_split
from artculture.models.checkpoint import read_checkpoint, take_head
from artculture.models.classifier import CultureClassifier
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError

log = logging.getLogger(__name__)

# Key of result.json and of a checkpoint's provenance.
KNOWN = "weights_trained_on"


def start_training(config: TrainConfig, module: CultureClassifier, selection: Selection) -> None:
    """Load the weights that a config asks for, and warn where they know paintings that are held out.

    Raises:
        InputError: weights, or a head, that can't be had or do not fit.
    """
    weights, method = config.architecture.weights, config.method
    module.start_from(weights)
    path = Path(weights).expanduser()
    if isinstance(method, Scratch) or not path.is_file():
        return
    if isinstance(method, Pretrained) and method.head == "checkpoint":
        take_head(module, path)
    known = _known_paintings(path, selection)
    if known is None:
        return
    module.provenance[KNOWN] = known
    _warn(module, known, {name: int((selection.split == name).sum()) for name in ("val", "test")})


def _known_paintings(path: Path, selection: Selection) -> dict[str, Any] | None:
    """Return how many paintings of each held-out split a checkpoint was trained on; None for a file of another program.

    Of a checkpoint that lies outside of its run directory that is not known, so the numbers are None.
    """
    try:
        read_checkpoint(path)
    except InputError:
        return None
    directory = RunDirectory(path.parent.parent)
    counts: dict[str, int | None] = dict.fromkeys(("val", "test"))
    if directory.split.is_file():
        match = read_split(directory.split, "restore it").match(selection.manifest.table)
        counts = {name: int(((match.split == "train") & (selection.split == name)).sum()) for name in counts}
    return {"path": str(path.resolve()), **counts}


def _warn(module: CultureClassifier, known: dict[str, Any], held_out: dict[str, int]) -> None:
    path, val, test = known["path"], known["val"], known["test"]
    if test is None:
        log.warning(
            "%s is not in its run directory, so it is not known whether it was trained on paintings that are held out "
            "now; if so, this run's scores are too high",
            path,
        )
        module.start = replace(module.start, label=f"{module.start.label}, perhaps trained on held-out paintings")
    elif val or test:
        log.warning(
            "%s was trained on %d of the %d validation and %d of the %d test paintings of this run, so its scores are "
            "TOO HIGH: take the seed and split of that run, or other weights",
            *(path, val, held_out["val"], test, held_out["test"]),
        )
        label = f"{module.start.label}, trained on {test} of {held_out['test']} test paintings"
        module.start = replace(module.start, label=label)
