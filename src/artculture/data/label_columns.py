"""The label columns of `data.labels`: the first is the manifest's `culture`, the others are kept next to it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.utils.errors import InputError, choices_hint
from artculture.utils.text import natural_key, normal_label

log = logging.getLogger(__name__)

# Begins the names of further label columns in a manifest; no column of a file has spaces around its name.
PREFIX = " label "
# A label with more values than these, and than this share of the paintings, names paintings and not classes.
MANY, SHARE_OF_ROWS = 20, 0.5
# Fewest paintings of a class that can be in all splits.
SMALLEST = 3
NAMED = 8


@dataclass(frozen=True)
class LabelColumn:
    """One label of each painting of a selection.

    Attributes:
        name: of the column.
        classes: names in label order.
        labels: class index, -1 where a painting has no such label, int64 N.
        ordinal: whether the order of the classes has a meaning.
    """

    name: str
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    ordinal: bool = False

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether each painting has this label."""
        return self.labels >= 0

    def counts(self, rows: NDArray[np.int64]) -> list[int]:
        """Return the number of some paintings of each class."""
        labels = self.labels[rows]
        counts: list[int] = np.bincount(labels[labels >= 0], minlength=len(self.classes)).tolist()
        return counts


def stored_name(name: str) -> str:
    """Return the name of a further label's column in a manifest."""
    return PREFIX + name


def stored_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns of further labels that a manifest has."""
    return [column for column in table.columns if str(column).startswith(PREFIX)]


def with_further_labels(
    table: pd.DataFrame, labels: Sequence[str], where: object, *, source: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return a manifest's table with the columns of all labels but the first.

    Args:
        table: the table.
        labels: names of label columns, as in `data.labels`.
        where: name of the table in messages.
        source: the table that has the columns; None for the same one.

    Raises:
        InputError: there is no such column.
    """
    source = table if source is None else source
    for name in labels:
        if name not in source.columns:
            raise InputError(f"data.labels={name}: {where} has no such column; {choices_hint(name, source.columns)}")
    return table.assign(**{stored_name(name): normal_labels(source[name]) for name in labels[1:]})


def with_first_label(table: pd.DataFrame, labels: Sequence[str], where: object) -> pd.DataFrame:
    """Return a table that has the manifest's columns, with the first label as `culture` and the others kept."""
    if not labels:
        return table
    kept = with_further_labels(table, labels, where)
    return kept.assign(culture=normal_labels(table[labels[0]]))


def normal_labels(values: pd.Series) -> pd.Series:
    """Return labels in their normal form; "" where there is none."""
    texts = values.astype(str)
    normal: pd.Series = texts.map({label: normal_label(label) for label in texts.unique()})
    return normal


def with_any_label(table: pd.DataFrame, *, final: bool) -> pd.DataFrame:
    """Return the rows that have one label at least, and log how many have none."""
    further = stored_columns(table)
    if not further:
        return table
    labelled = (table[["culture", *further]] != "").any(axis=1)
    if final and not labelled.all():
        log.warning("left out %d of %d paintings that have none of the labels", (~labelled).sum(), len(table))
    return table if labelled.all() else table[labelled]


def check_not_ids(values: pd.Series, key: str) -> None:
    """Raise an InputError if a column has nearly one value for each painting.

    Args:
        values: of the paintings.
        key: the config key and the column, as in `data.labels=medium`.
    """
    counts = values[values != ""].value_counts()
    counts = counts[counts > 0]  # a category may not occur
    number = int(counts.sum())
    if len(counts) > MANY and len(counts) > SHARE_OF_ROWS * number:
        raise InputError(
            f"{key}: the column has {len(counts)} different values in {number} paintings, so it names paintings and "
            "not classes: give another column, or group its values in the table"
        )


def further_labels(
    table: pd.DataFrame, split: pd.Series, ordinal: Sequence[str], small: str, *, final: bool
) -> tuple[LabelColumn, ...]:
    """Return the labels of the further columns, for a training.

    Args:
        table: the selected rows.
        split: their splits.
        ordinal: columns whose classes have an order.
        small: what happens to classes of fewer than three paintings: `error`, `drop` (they count as missing) or
            `train`.
        final: whether to log what is left out and missing.

    Raises:
        InputError: a column without two classes, with small classes, or without labels in a split.
    """
    found = []
    for column in stored_columns(table):
        name = column.removeprefix(PREFIX)
        check_not_ids(table[column], f"data.labels={name}")
        values = _without_small(table[column], name, small, final=final)
        classes = tuple(sorted(set(values) - {""}, key=natural_key))
        if len(classes) < 2:
            only = f"one value ({classes[0]})" if classes else "no value"
            raise InputError(f"data.labels={name}: the column has {only}; a label needs two classes at least")
        _check_splits(values, split, name)
        if final:
            log.info("%s: %d classes, %d of %d paintings have it", name, len(classes), (values != "").sum(), len(table))
            _log_unlearnable(values[split == "train"], classes, name)
        found.append(LabelColumn(name, classes, indices(values, classes), name in ordinal))
    return tuple(found)


def known_labels(
    table: pd.DataFrame, classes: Mapping[str, Sequence[str]], ordinal: Sequence[str], *, final: bool
) -> tuple[LabelColumn, ...]:
    """Return the labels of the further columns, for a classifier that knows some classes; others count as missing.

    Args:
        table: the selected rows.
        classes: of the classifier, in label order, by column; columns that it does not know are left out.
        ordinal: columns whose classes have an order.
        final: whether to log what is left out.
    """
    found = []
    for column in stored_columns(table):
        name = column.removeprefix(PREFIX)
        if name not in classes:
            continue
        labels = indices(table[column], classes[name])
        unknown = sorted(set(table[column][labels < 0]) - {""})
        if final and unknown:
            log.warning("%s: the classifier does not know %s: such labels count as missing", name, _listed(unknown))
        found.append(LabelColumn(name, tuple(classes[name]), labels, name in ordinal))
    return tuple(found)


def indices(values: pd.Series, classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the class index of each value, -1 for others, int64."""
    return np.asarray(pd.Index(classes).get_indexer(pd.Index(values.astype(str))), dtype=np.int64)


def _without_small(values: pd.Series, name: str, small: str, *, final: bool) -> pd.Series:
    counts = values[values != ""].value_counts()
    rare = {str(label): int(n) for label, n in counts.items() if 0 < n < SMALLEST}
    if small == "train" or not rare:
        return values
    named = _listed([f"{label} ({n})" for label, n in sorted(rare.items())])
    if small == "error":
        raise InputError(
            f"data.labels={name}: too few paintings to be in train, validation and test: {named}; at least {SMALLEST} "
            "are needed. Add some, or set data.small_cultures=drop (these labels count as missing) or =train"
        )
    if final:
        log.warning("%s: labels of fewer than %d paintings count as missing: %s", name, SMALLEST, named)
    return values.where(~values.isin(list(rare)), "")


def _check_splits(values: pd.Series, split: pd.Series, name: str) -> None:
    absent = sorted(set(split) - set(split[values != ""]))
    if absent:
        raise InputError(
            f"data.labels={name}: no painting of the {' and the '.join(absent)} split has this label "
            f"({(values != '').sum()} of {len(values)} have it): label more, try another data.split_seed=…, or "
            "leave the column out"
        )


def _log_unlearnable(training: pd.Series, classes: Sequence[str], name: str) -> None:
    if absent := sorted(set(classes) - set(training)):
        log.warning("%s: no training painting is labelled %s, so it can't be learned", name, _listed(absent))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
