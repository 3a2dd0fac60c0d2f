"""One network with the mean of the weights of several."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import Tensor

from artculture.config.schema.data import Data
from artculture.data.data_choice import DataChoice
from artculture.data.known_selection import selection_of_run
from artculture.data.paintings import Paintings, load_paintings
from artculture.data.stored_split import StoredSplit
from artculture.evaluation.calibration import softmax
from artculture.evaluation.ensembling import Score, Scorer, greedy_soup
from artculture.evaluation.forward import forward_on
from artculture.models.batchnorm_statistics import has_batchnorm, settle_statistics
from artculture.models.checkpoint import check_trusted, classifier_of, read_checkpoint
from artculture.models.classifier import CultureClassifier
from artculture.models.full_precision import full_precision
from artculture.models.lora import merged
from artculture.models.uncertainty import Typicality
from artculture.studies.ensembles.members import Member
from artculture.studies.predictions import ID
from artculture.training.predicting import image_batches, predict_logits
from artculture.training.uncertainty_fit import fit_typicality
from artculture.utils import hardware
from artculture.utils.errors import InputError
from artculture.utils.progress import Progress

log = logging.getLogger(__name__)

# Training pictures that BatchNorm's statistics of averaged weights are measured on.
SETTLING_PICTURES, SETTLING_BATCH = 1024, 64
State = dict[str, Tensor]


@dataclass(frozen=True)
class AveragedNetwork:
    """A classifier that takes the mean of the weights of any runs of a group, and the paintings of the group.

    Attributes:
        members: runs of one architecture and one split, the best by validation first.
        contents: their checkpoints.
        classifier: of the mean that was asked for last.
        paintings: of the group.
        batch_size: images per forward pass.
        device: `auto`, `cpu` or `gpu`.
    """

    members: Sequence[Member]
    contents: Sequence[dict[str, Any]]
    classifier: CultureClassifier
    paintings: Paintings
    batch_size: int
    device: str

    def average(self, chosen: Sequence[int]) -> None:
        """Give the classifier the mean of the weights of some members."""
        states: list[State] = [merged(self.contents[number]["state_dict"]) for number in chosen]
        self.classifier.load_state_dict(mean_state(states))
        if len(states) > 1 and has_batchnorm(self.classifier.network) and _statistics_differ(states):
            self._settle()

    def _settle(self) -> None:
        rows = self.paintings.selection.members("train")
        rows = rows[:: max(1, len(rows) // SETTLING_PICTURES)][:SETTLING_PICTURES]
        batches = image_batches(self.paintings, self.classifier.preprocessing, rows, SETTLING_BATCH)
        with forward_on(self.classifier, self.device), full_precision(device := self.classifier.device):
            prepared = (self.classifier.prepared(images.to(device)) for images, _, _ in batches)
            settle_statistics(self.classifier.network, prepared)

    def logits(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the logits of the classifier as it is, float64 N x classes."""
        best = self.members[0].directory.best
        return predict_logits(self.classifier, self.paintings, rows, self.batch_size, best, accelerator=self.device)

    def typicality(self) -> Typicality:
        """Return the class means of its features of training paintings."""
        val = self.paintings.selection.members("val")
        accelerator = hardware.checked_accelerator(self.device)
        return fit_typicality(self.classifier, self.paintings, val, self.batch_size, accelerator)

    def rows_of(self, paintings: pd.DataFrame) -> NDArray[np.int64]:
        """Return the position of paintings (`source`, `object_id`) in the selection.

        Raises:
            InputError: one of them is no longer there.
        """
        keys = [pd.MultiIndex.from_frame(table[ID]) for table in (self.paintings.selection.manifest.table, paintings)]
        rows: NDArray[np.int64] = keys[0].get_indexer(keys[1]).astype(np.int64)
        if (rows < 0).any():
            raise InputError(
                f"{int((rows < 0).sum())} of the paintings of {self.members[0].directory.path} are gone or changed, "
                "and a soup predicts them: restore them, or take kind=mean"
            )
        return rows

    def content(self) -> dict[str, Any]:
        """Return a checkpoint of the classifier as it is: that of the best member with other weights."""
        kept = {key: value for key, value in self.contents[0].items() if key != "optimizer_states"}
        return {**kept, "state_dict": self.classifier.state_dict()}


def mean_state(states: Sequence[State]) -> State:
    """Return the mean of state dicts; what is not floating-point is the first one's."""
    return {
        key: torch.stack([state[key].double() for state in states]).mean(dim=0).to(value.dtype)
        if value.is_floating_point()
        else value
        for key, value in states[0].items()
    }


def _statistics_differ(states: Sequence[State]) -> bool:
    names = [key for key in states[0] if key.endswith(("running_mean", "running_var"))]
    return any(not torch.equal(states[0][key], state[key]) for state in states[1:] for key in names)


def averaged_network(
    members: Sequence[Member], device: str, trust: Sequence[str], on_progress: Progress | None = None
) -> AveragedNetwork:
    """Load the checkpoints of a group and its paintings.

    Raises:
        InputError: networks of different shape, or code that is not trusted.
    """
    contents = [read_checkpoint(member.directory.best) for member in members]
    shapes = [{key: value.shape for key, value in content["state_dict"].items()} for content in contents]
    for member, shape in zip(members, shapes, strict=True):
        if shape != shapes[0]:
            raise InputError(f"the weights of {member.name} and of {members[0].name} differ in shape: no soup of them")
    first = members[0]
    check_trusted(first.config.get("data"), first.directory.config, trust)
    data = TypeAdapter[Data](Data).validate_python(first.config.get("data"))
    classifier = classifier_of(contents[0], first.directory.best, trust)
    choose = selection_of_run(StoredSplit(first.split), first.classes, first.directory.path)
    expected = classifier.preprocessing
    paintings = load_paintings(
        DataChoice.of(data), expected.resize, expected.interpolation, on_progress, choose, expected.fit
    )
    batch_size = data.batch_size * int(first.config["trainer"]["eval_batches"])
    return AveragedNetwork(members, contents, classifier, paintings, batch_size, device)


def choose_soup(network: AveragedNetwork, score: Scorer) -> list[int]:
    """Choose members greedily by validation, give the network the mean of their weights, and return them."""
    selection = network.paintings.selection
    rows = selection.members("val")

    def score_of(chosen: Sequence[int]) -> Score:
        network.average(chosen)
        found = score(softmax(network.logits(rows)), selection.labels[rows])
        names = ", ".join(network.members[number].name for number in chosen)
        log.info("mean of the weights of %d: %.4f on the validation split (%s)", len(chosen), found[0], names)
        return found

    chosen = greedy_soup(score_of, range(len(network.members)))
    network.average(chosen)
    return chosen
