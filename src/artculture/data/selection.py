"""Selection of paintings by the `data` group: labels and split; no image is decoded for it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.data.cache.folder import cache_errors
from artculture.data.copies import group_exact_copies, hashes_of_same_size, log_exact_copies, merge_groups
from artculture.data.data_choice import DataChoice
from artculture.data.disjoint import check_disjoint, log_disjoint, with_disjoint_values
from artculture.data.label_columns import LabelColumn, check_not_ids, further_labels, indices, with_any_label
from artculture.data.labels import label_order, log_similar_labels
from artculture.data.manifest import SPLITS, Manifest
from artculture.data.similar_pictures import (
    COLUMN,
    SMALL_COLLECTION,
    are_wanted,
    similar_in_files,
)
from artculture.data.sources import load_manifest
from artculture.data.splits import DISJOINT, assign_splits, assign_splits_of_fold, small_cultures
from artculture.utils.errors import InputError
from artculture.utils.label_words import CULTURE_WORDS, LabelWords, words_of_column

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Selection:
    """Paintings of a run with label and split; no pixels are read for it.

    Attributes:
        manifest: only the selected rows.
        classes: names in label order.
        labels: class index per row, int64.
        split: `train`, `val` or `test` per row.
        whole: manifest with all rows, in whose order the cache holds the pixels.
        rows: position of each row in `whole`, int64.
        name: of the column of the classes.
        words: what a class is called.
        ordinal: whether the order of the classes has a meaning.
        further: the other labels of `data.labels`.
    """

    manifest: Manifest
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    split: NDArray[np.str_]
    whole: Manifest
    rows: NDArray[np.int64]
    name: str = "culture"
    ordinal: bool = False
    further: tuple[LabelColumn, ...] = ()
    words: LabelWords = CULTURE_WORDS

    @property
    def columns(self) -> tuple[LabelColumn, ...]:
        """All labels, the primary one first."""
        return LabelColumn(self.name, self.classes, self.labels, self.ordinal), *self.further

    @property
    def targets(self) -> NDArray[np.int64]:
        """What the network learns: int64 N for one label, N x labels for several, -1 where one is missing."""
        return np.column_stack([column.labels for column in self.columns]) if self.further else self.labels

    def of_label(self, name: str) -> tuple["Selection", NDArray[np.int64]]:
        """Return the paintings that have a label, with it as the only one, and their positions, int64."""
        every = np.arange(len(self.labels), dtype=np.int64)
        if not self.further:
            return self, every
        column = next(column for column in self.columns if column.name == name)
        kept = np.flatnonzero(column.known).astype(np.int64)
        names = np.array(column.classes, dtype=object)[column.labels[kept]]
        table = self.manifest.table.iloc[kept]
        one = Selection(
            self.manifest.part(table.assign(culture=names)),
            column.classes,
            column.labels[kept],
            self.split[kept],
            self.whole,
            self.rows[kept],
            name,
            column.ordinal,
            words=self.words if name == self.name else words_of_column(name),
        )
        return one, kept

    @property
    def synthetic(self) -> bool:
        return bool((self.manifest.table["source"] == "synthetic").any())

    def members(self, split: str) -> NDArray[np.int64]:
        """Return the rows of a split, ascending."""
        return np.flatnonzero(self.split == split).astype(np.int64)

    def class_counts(self, split: str) -> list[int]:
        """Return the number of a split's paintings of each class."""
        return self.columns[0].counts(self.members(split))


# Selects from a manifest: (choice, whole manifest, usable rows, whether hashes and bad images are known).
Selector = Callable[[DataChoice, Manifest, pd.DataFrame, bool], Selection]


def select(choice: DataChoice, find_copies: bool | None = None, *, similar_files: bool = False) -> Selection:
    """Read the manifest and determine classes and split; no image is decoded.

    Args:
        choice: choices of the `data` group.
        find_copies: keep exact copies in one split, as a training does: files of one size are read for it. None: in
            small collections.
        similar_files: keep near-duplicates in one split too, if the choice asks for it: all files are decoded for it.

    Raises:
        InputError: no such data, mistakes in it, or cultures too small for three splits.
    """
    whole = whole_manifest(choice)
    table = whole.table
    if similar_files and are_wanted(choice.near_duplicates, len(whole)):
        table = table.assign(**{COLUMN: similar_in_files(whole).column(len(whole))})
    if whole.has_files:
        # Hashing all files would read all data; only files of equal size can be copies.
        find_copies = len(whole) <= SMALL_COLLECTION if find_copies is None else find_copies
        table = table.assign(sha256=hashes_of_same_size(whole) if find_copies else "")
    selection = fresh_selection(choice, whole, table, final=True)
    kept = whole.part(whole.table.loc[selection.rows].assign(group=selection.manifest.table["group"].to_numpy()))
    return replace(selection, manifest=kept)


def whole_manifest(choice: DataChoice) -> Manifest:
    """Return the manifest of a choice with all rows."""
    cache = choice.cache_folder
    with cache_errors(cache):
        return load_manifest(
            choice.name,
            choice.root,
            columns=choice.columns,
            source=choice.source,
            dataset=choice.dataset,
            embeddings=choice.embeddings,
            per_culture=choice.per_culture,
            seed=0,
            cache=cache,
        )


def fresh_selection(choice: DataChoice, whole: Manifest, table: pd.DataFrame, final: bool) -> Selection:
    """Return the selection for training.

    Args:
        choice: choices of the `data` group.
        whole: manifest with all rows.
        table: its usable rows.
        final: whether file hashes are known; copies and missing cultures are then logged.

    Raises:
        InputError: cultures that do not exist or are too small for three splits.
    """
    table = with_any_label(table, final=final)
    if choice.label or choice.labels:
        check_not_ids(table["culture"], f"data.{'labels' if choice.labels else 'label'}={choice.label_column}")
    classes = label_order(table, choice.cultures)
    table = group_exact_copies(of_cultures(table, classes, choice))
    if COLUMN in table:
        table = merge_groups(table, table[COLUMN])
    table = with_disjoint_values(table, choice.disjoint)
    how = choice.split_of(whole)
    if how == "stratified":
        table, classes = _without_small(table, classes, choice, final)
    split = drawn_split(table, how, choice)
    check_disjoint(table, split, choice.disjoint)
    if final:
        log_disjoint(table, choice.disjoint)
        log_similar_labels({str(name): int(n) for name, n in table["culture"].value_counts().items() if name != ""})
        log_stored_split(whole, how)
        log_exact_copies(table, split)
        _log_missing_cultures(table, split)
    further = further_labels(table, split, choice.ordinal or (), choice.small_cultures, final=final)
    return make_selection(
        choice, whole, table.drop(columns=[COLUMN, DISJOINT], errors="ignore"), classes, split, further
    )


def drawn_split(table: pd.DataFrame, how: str, choice: DataChoice, *, complete: bool = True) -> pd.Series:
    """Return the split of each row, as a choice asks for; arguments as of `assign_splits`."""
    if choice.folds is None or choice.fold is None:
        return assign_splits(table, how, choice.fractions, choice.split_seed, complete=complete)
    return assign_splits_of_fold(table, choice.folds, choice.fold, choice.fractions, choice.split_seed)


def make_selection(
    choice: DataChoice,
    whole: Manifest,
    table: pd.DataFrame,
    classes: Sequence[str],
    split: pd.Series,
    further: tuple[LabelColumn, ...] = (),
) -> Selection:
    """Return the selection of a table's rows.

    Args:
        choice: choices of the `data` group.
        whole: manifest with all rows.
        table: the selected ones.
        classes: names in label order.
        split: of each row.
        further: other labels of each row.
    """
    rows = table.index.to_numpy(dtype=np.int64)
    names, labels = split.to_numpy(dtype=np.str_), indices(table["culture"], classes)
    ordinal = choice.label_column in (choice.ordinal or ())
    name, words = choice.label_column, choice.words(whole, classes)
    return Selection(whole.part(table), tuple(classes), labels, names, whole, rows, name, ordinal, further, words)


def of_cultures(table: pd.DataFrame, cultures: Sequence[str], choice: DataChoice) -> pd.DataFrame:
    """Return the rows of some cultures, and those without one, unless the choice names the cultures."""
    kept = table["culture"].isin(cultures if choice.cultures is not None else [*cultures, ""])
    # Avoid a copy of millions of rows.
    return table if kept.all() else table[kept]


def _without_small(
    table: pd.DataFrame, classes: tuple[str, ...], choice: DataChoice, final: bool
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    small = small_cultures(table)
    if not small:
        return table, classes
    named = ", ".join(f"{culture} ({n})" for culture, n in sorted(small.items()))
    groups = "groups of them" if choice.disjoint is None else f"values of {choice.disjoint}, each in one split"
    if choice.small_cultures == "error":
        raise InputError(
            f"too few paintings (or {groups}) to be in train, validation and test: {named}; at least 3 are "
            "needed. Add some, or set data.small_cultures=drop (leave these classes out) or =train (training only)"
        )
    if final:
        log.warning("too few groups for three splits, so %s: %s", choice.small_cultures, named)
    if choice.small_cultures == "train":
        return table, classes
    kept = tuple(culture for culture in classes if culture not in small)
    if len(kept) < 2:
        raise InputError(f"data.small_cultures=drop leaves fewer than two classes (dropped: {named})")
    return of_cultures(table, kept, choice), kept


def log_stored_split(whole: Manifest, how: str) -> None:
    """Log where the splits come from, if the data store them."""
    if "split" not in whole.table or not set(whole.table["split"]) & set(SPLITS):
        return
    counts = whole.table["split"].value_counts()
    stored = ", ".join(f"{name} {counts.get(name, 0)}" for name in SPLITS)
    if how != "stored":
        log.info("the data store a split (%s), which data.split=%s does not use; data.split=stored does", stored, how)
    elif whole.split_folders:
        log.info("the %s the splits: %s", "folders are" if whole.has_files else "dataset has", stored)


def _log_missing_cultures(table: pd.DataFrame, split: pd.Series) -> None:
    for name in SPLITS:
        absent = sorted(set(table["culture"]) - {""} - set(table["culture"][split == name]))
        if absent:
            learned = ", so the classifier can't learn it" if name == "train" else ""
            log.warning("no painting of %s is in the %s split%s", ", ".join(absent), name, learned)
