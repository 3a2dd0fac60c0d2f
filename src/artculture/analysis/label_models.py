"""A model of several labels as one model for each."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from artculture.analysis.model_under_study import ModelUnderStudy
from artculture.models import label_view
from artculture.models.classifier import CultureClassifier
from artculture.utils.errors import InputError, choices_hint


@dataclass(frozen=True)
class LabelModel:
    """A label of a model.

    Attributes:
        name: of the label.
        model: with the head of this label and the paintings that have it.
        kept: positions of those among all paintings of the model, int64.
        outputs: place of the label's logits among those of all labels.
    """

    name: str
    model: ModelUnderStudy
    kept: NDArray[np.int64]
    outputs: slice


def models_by_label(model: ModelUnderStudy) -> Iterator[LabelModel]:
    """Yield each label that both the paintings and the classifier have, the primary one first."""
    for column in model.paintings.selection.columns:
        yield _label_model(model, column.name)


def of_label(model: ModelUnderStudy, name: str | None) -> ModelUnderStudy:
    """Return the model of one label; of the primary one if `name` is None.

    Raises:
        InputError: the paintings have no such label.
    """
    names = [column.name for column in model.paintings.selection.columns]
    if name is not None and name not in names:
        raise InputError(f"label={name}: {choices_hint(name, names)}")
    return _label_model(model, name or names[0]).model


def head_of(classifier: CultureClassifier, name: str) -> int:
    """Return the number of the head for a label; the first one for a name that the classifier does not know.

    A classifier of one label may be tested on a column of another name.
    """
    names = [task.name for task in classifier.tasks]
    return names.index(name) if name in names else 0


def _label_model(model: ModelUnderStudy, name: str) -> LabelModel:
    classifier, paintings = model.classifier, model.paintings
    sizes = [len(task.classes) for task in classifier.tasks]
    place, ends = head_of(classifier, name), list(accumulate(sizes))
    outputs = slice(ends[place] - sizes[place], ends[place])
    selection, kept = paintings.selection.of_label(name)
    known = model.run_split
    one = replace(
        model,
        classifier=label_view.of_label(classifier, classifier.tasks[place].name),
        paintings=replace(paintings, selection=selection),
        run_split=None if known is None else known[kept],
        label=classifier.tasks[place].name if place else None,
    )
    return LabelModel(name, one, kept, outputs)
