"""What a model card says, collected from a finished run: no paths, no secrets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artculture.analysis.loading import own_data, run_of, stored_split_of
from artculture.data.selection import whole_manifest
from artculture.data.stored_split import StoredSplit
from artculture.models.backbones import EMBEDDINGS
from artculture.models.checkpoint import is_ensemble, read_checkpoint
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError
from artculture.utils.label_words import CULTURE, LabelWords

NOT_STATED = "not stated"
# Other runs of the study that are listed.
MAX_OTHERS = 12


@dataclass(frozen=True)
class CardFacts:
    """Contents of a model card.

    Attributes:
        name: of the model.
        result: the run's result.json.
        checkpoint: what rebuilds the classifier: its hyperparameters and preprocessing.
        licences: number of training paintings by licence; None where the data are no longer there.
        sources: number of training paintings by museum.
        others: results of the study's other finished runs.
        license: of the model, as an SPDX id; None where it is not stated.
        repo: `name/model` on the Hub; None where it is not published there.
    """

    name: str
    result: dict[str, Any]
    checkpoint: dict[str, Any]
    licences: dict[str, int] | None
    sources: dict[str, int]
    others: Sequence[dict[str, Any]]
    license: str | None
    repo: str | None

    @property
    def words(self) -> LabelWords:
        """What a class is called."""
        return LabelWords(str(self.result.get("label_name", CULTURE)))


def card_facts(
    checkpoint: Path, license: str | None = None, repo: str | None = None, trust: Sequence[str] = ()
) -> CardFacts:
    """Collect the contents of a model card.

    Args:
        checkpoint: of a finished run.
        license: of the model.
        repo: `name/model` on the Hub.
        trust: packages other than this one that the run's data source may import.

    Raises:
        InputError: the checkpoint belongs to no finished run with an evaluated test split.
    """
    run = run_of(checkpoint)
    if run is None or not run.result.is_file():
        raise InputError(
            f"{checkpoint} belongs to no finished run, whose result.json makes the model card: give a run directory"
        )
    result = run.read_result()
    if "test_top1" not in result:
        raise InputError(f"{run.result} has no test scores: train with trainer.evaluate_test=true")
    stored = stored_split_of(run)
    content = read_checkpoint(checkpoint)
    if is_ensemble(content):
        raise InputError(f"{checkpoint} is an ensemble: make the card of one of its runs")
    if content["hyper_parameters"]["library"] == EMBEDDINGS:
        raise InputError(f"{checkpoint} classifies embeddings, and a model card describes a classifier of pictures")
    return CardFacts(
        (repo or f"{result['architecture']}-{result['data']}").rpartition("/")[2],
        result,
        {"hyper_parameters": content["hyper_parameters"], **content["artculture"]},
        None if stored is None else _licences(checkpoint, run, stored, trust),
        {} if stored is None else _counted(stored.table.loc[stored.table["split"] == "train", "source"].tolist()),
        _others(run),
        license,
        repo,
    )


def _licences(checkpoint: Path, run: RunDirectory, stored: StoredSplit, trust: Sequence[str]) -> dict[str, int] | None:
    """Return the number of training paintings by licence, from the run's data as they are now."""
    try:
        table = whole_manifest(own_data(checkpoint, run, trust)[0]).table
    except InputError:
        return None
    training = stored.table[stored.table["split"] == "train"]
    found = training.merge(table[["source", "object_id", "licence"]], on=["source", "object_id"], how="left")
    return _counted(found["licence"].fillna("").tolist())


def _counted(values: Sequence[object]) -> dict[str, int]:
    return dict(Counter(str(value).strip() or NOT_STATED for value in values).most_common())


def _others(run: RunDirectory) -> list[dict[str, Any]]:
    found = []
    for config in sorted(run.path.parent.glob("*/config.yaml")):
        other = RunDirectory(config.parent)
        if other.path.name != run.path.name and other.status()["state"] == "finished" and other.result.is_file():
            result = other.read_result()
            if "test_top1" in result:
                found.append(result)
    return sorted(found, key=lambda result: -result["val_top1"])[:MAX_OTHERS]
