"""Which paintings an evaluation is of: by default those that the run has not seen."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artculture.analysis.model_under_study import ModelUnderStudy
from artculture.data.manifest import SPLITS
from artculture.utils.errors import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluatedPaintings:
    """The paintings to evaluate.

    Attributes:
        rows: positions in the selection, int64.
        split: `train`, `val`, `test`, or `all` for a mixture.
        trained_on: how many of them are training paintings of the run; None if unknown.
        left_out: number of excluded training and validation paintings of the run, by split.
    """

    rows: NDArray[np.int64]
    split: str
    trained_on: int | None
    left_out: dict[str, int]


def select_rows(model: ModelUnderStudy, split: str | None, include_trained: bool = False) -> EvaluatedPaintings:
    """Select the paintings to evaluate.

    Args:
        model: classifier and paintings.
        split: `train`, `val`, `test` or `all`; None for paintings that the run used neither for training nor for
            choosing the checkpoint: its test split and paintings that it did not have.
        include_trained: keep the training paintings of the run, and its validation paintings if `split` is None. A
            requested split of the run's own paintings is always complete.

    Raises:
        InputError: no painting is left.
    """
    selection = model.paintings.selection
    every = np.arange(len(selection.manifest), dtype=np.int64)
    rows = selection.members(split) if split in SPLITS else every
    known = model.run_split
    # Without split.csv it is unknown which paintings were trained on.
    if known is None:
        name = split or "all"
        if model.own and split is None and not include_trained:
            rows, name = selection.members("test"), "test"
        return EvaluatedPaintings(_require_rows(rows, name, {}), name, None, {})
    asked = rows
    if not include_trained and not (model.own and split):
        # Without a requested split the validation paintings are excluded too: the checkpoint was chosen by them.
        seen = ["train"] if split else ["train", "val"]
        rows = rows[~np.isin(known[rows], seen)]
    left_out = {name: int((known[asked] == name).sum() - (known[rows] == name).sum()) for name in ("train", "val")}
    left_out = {} if model.own else {name: count for name, count in left_out.items() if count}
    name = split or ("test" if (known[rows] == "test").all() else "all")
    return EvaluatedPaintings(_require_rows(rows, name, left_out), name, int((known[rows] == "train").sum()), left_out)


def _require_rows(rows: NDArray[np.int64], split: str, left_out: dict[str, int]) -> NDArray[np.int64]:
    if len(rows) == 0 and left_out:
        raise InputError(
            f"no painting is left to evaluate: {sum(left_out.values())} are of the run's training or validation split; "
            "include_trained=true evaluates them anyway"
        )
    if len(rows) == 0:
        raise InputError(f"no painting is in the split `{split}`: choose another one, for example split=all")
    return rows


def warn_of_seen(evaluated: EvaluatedPaintings) -> None:
    """Warn of paintings that the run has seen, and of those that are left out for it."""
    if evaluated.trained_on is None:
        log.warning(
            "which paintings the checkpoint was trained on is unknown (its run has no split.csv): the numbers "
            "may be too good"
        )
    elif evaluated.trained_on and evaluated.split != "train":
        log.warning(
            "%d of these %d paintings were trained on: the numbers are too good",
            evaluated.trained_on,
            len(evaluated.rows),
        )
    if evaluated.left_out:
        counts = " and ".join(f"{count} of its {name} split" for name, count in evaluated.left_out.items())
        log.warning("left out paintings that the run has seen, %s: include_trained=true keeps them", counts)
