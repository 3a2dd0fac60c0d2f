"""Everything a training reads, made from the choices of `data`: pixels, labels and split."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.config import Data
from artculture.data.cache import Pixels, open_cache
from artculture.data.manifest import Manifest
from artculture.data.sources import label_order, load_manifest
from artculture.data.splits import assign_splits, small_cultures
from artculture.errors import InputError
from artculture.files import replacing

log = logging.getLogger(__name__)

QUARANTINE = "quarantine.csv"


@dataclass(frozen=True)
class DataChoice:
    """What the `data` group says about which paintings, in which split (see conf/data for each value)."""

    name: str
    root: str | None
    split: str
    split_seed: int
    fractions: list[float]
    small_cultures: str
    on_bad_image: str
    cultures: list[str] | None
    cache: str
    per_culture: int | None = None
    bad_image_share: float = 1.0
    cache_gb: float | None = None
    shuffle_shards: int | None = None

    @classmethod
    def of(cls, data: Data) -> "DataChoice":
        """What a config's `data` says."""
        return cls(**{field.name: getattr(data, field.name) for field in fields(cls) if hasattr(data, field.name)})

    @property
    def cache_folder(self) -> Path:
        return Path(self.cache).expanduser()


@dataclass(frozen=True)
class Selection:
    """The paintings that take part, with label and split; no pixel has been read for it.

    Attributes:
        manifest: only the rows that take part.
        classes: names in label order.
        labels: class index a row, int64.
        split: `train`, `val` or `test` a row.
        whole: the manifest before any row was left out, whose pictures the cache holds.
        rows: where each row stands in `whole`, int64.
    """

    manifest: Manifest
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    split: NDArray[np.str_]
    whole: Manifest
    rows: NDArray[np.int64]

    @property
    def synthetic(self) -> bool:
        return bool((self.manifest.table["source"] == "synthetic").any())

    def members(self, split: str) -> NDArray[np.int64]:
        """Rows of a split, ascending."""
        return np.flatnonzero(self.split == split).astype(np.int64)


def select(choice: DataChoice, leave_out: dict[int, str] | None = None) -> Selection:
    """Read the manifest, decide classes and split.

    Args:
        choice: what the user chose.
        leave_out: rows of the whole manifest whose pictures can't be read.

    Raises:
        InputError: no such data, mistakes in it, or cultures too small for three splits.
    """
    whole = load_manifest(choice.name, choice.root, per_culture=choice.per_culture, seed=0, cache=choice.cache_folder)
    table = whole.table.drop(index=list(leave_out)) if leave_out else whole.table
    classes = label_order(table, choice.cultures)
    table = _of_cultures(table, classes)
    table, classes = _without_small(table, classes, choice)
    split = assign_splits(table, choice.split, choice.fractions, choice.split_seed)
    _log_missing_cultures(table, split)
    return Selection(
        whole.part(table),
        classes,
        _labels(table, classes),
        split.to_numpy(dtype=np.str_),
        whole,
        table.index.to_numpy(dtype=np.int64),
    )


def select_for(classes: Sequence[str], choice: DataChoice, leave_out: dict[int, str] | None = None) -> Selection:
    """The paintings of any manifest for a classifier that is trained already.

    Labels are found by name, so a classifier's cultures may lack paintings here. A culture too small for three
    splits is no mistake, for nothing is trained.

    Args:
        classes: the classifier's, in label order.
        choice: what the user chose.
        leave_out: rows of the whole manifest whose pictures can't be read.

    Raises:
        InputError: no such data, mistakes in it, or cultures that the classifier does not know.
    """
    whole = load_manifest(choice.name, choice.root, per_culture=choice.per_culture, seed=0, cache=choice.cache_folder)
    table = whole.table.drop(index=list(leave_out)) if leave_out else whole.table
    if choice.cultures is not None:
        label_order(table, choice.cultures)
        table = _of_cultures(table, choice.cultures)
    unknown = sorted(set(table["culture"]) - set(classes))
    if unknown:
        known = [name for name in classes if name in set(table["culture"])]
        mend = f"leave them out with data.cultures=[{','.join(known)}]" if known else "give data of its own cultures"
        raise InputError(f"the classifier does not know {', '.join(unknown)} (it knows {', '.join(classes)}): {mend}")
    return Selection(
        whole.part(table),
        tuple(classes),
        _labels(table, classes),
        assign_splits(table, choice.split, choice.fractions, choice.split_seed).to_numpy(dtype=np.str_),
        whole,
        table.index.to_numpy(dtype=np.int64),
    )


def _of_cultures(table: pd.DataFrame, cultures: Sequence[str]) -> pd.DataFrame:
    kept = table["culture"].isin(cultures)
    # Millions of rows are not copied for nothing.
    return table if kept.all() else table[kept]


def _labels(table: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.int64]:
    labels: NDArray[np.int64] = pd.Index(classes).get_indexer(pd.Index(table["culture"].astype(str))).astype(np.int64)
    return labels


def _without_small(
    table: pd.DataFrame, classes: tuple[str, ...], choice: DataChoice
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    if choice.split != "stratified":
        return table, classes
    small = small_cultures(table)
    if not small:
        return table, classes
    named = ", ".join(f"{culture} ({n})" for culture, n in sorted(small.items()))
    if choice.small_cultures == "error":
        raise InputError(
            f"too few paintings (or groups of them) to be in train, validation and test: {named}; at least 3 are "
            "needed. Add some, or set data.small_cultures=drop (leave these cultures out) or =train (training only)"
        )
    log.warning("too few groups for three splits, so %s: %s", choice.small_cultures, named)
    if choice.small_cultures == "train":
        return table, classes
    kept = tuple(culture for culture in classes if culture not in small)
    if len(kept) < 2:
        raise InputError(f"data.small_cultures=drop leaves fewer than two cultures (dropped: {named})")
    return table[table["culture"].isin(kept)], kept


def _log_missing_cultures(table: pd.DataFrame, split: pd.Series) -> None:
    for name in ("val", "test"):
        absent = sorted(set(table["culture"]) - set(table["culture"][split == name]))
        if absent:
            log.warning("no painting of %s is in the %s split", ", ".join(absent), name)


@dataclass(frozen=True)
class Paintings:
    """A selection with its pixels."""

    selection: Selection
    cache: Pixels
    quarantine: pd.DataFrame


def load_paintings(
    choice: DataChoice,
    shorter_side: int,
    interpolation: str,
    on_progress: Callable[[int, int], None] | None = None,
    classes: Sequence[str] | None = None,
) -> Paintings:
    """Select the paintings and decode what was not decoded before.

    Args:
        choice: what the user chose.
        shorter_side: pixels.
        interpolation: `bilinear` or `bicubic`.
        on_progress: called with (done, all) while decoding.
        classes: of a classifier that is trained already (see `select_for`); None finds them in the data.

    Raises:
        InputError: as `select`, and pictures that can't be read where `on_bad_image` is `error` or where they are
            more than the share allowed.
    """
    choose = select if classes is None else partial(select_for, classes)
    selection = choose(choice)
    cache = _open_pixels(selection.whole, choice, shorter_side, interpolation, on_progress)
    bad = {row: cache.bad[row] for row in np.intersect1d(list(cache.bad), selection.rows).astype(int).tolist()}
    images = selection.whole.table["image"]
    quarantine = pd.DataFrame(
        [{"image": images[row], "reason": why} for row, why in bad.items()], columns=["image", "reason"]
    )
    if bad:
        first = "; ".join(f"{selection.whole.root / images[row]} ({why})" for row, why in list(bad.items())[:5])
        shown = f"{first} and {len(bad) - 5} more" if len(bad) > 5 else first
        _refuse_bad(choice, quarantine, len(selection.rows), shown, cache.key)
        log.warning("left out %d picture(s) that can't be read: %s", len(bad), shown)
        selection = choose(choice, leave_out=bad)
    return Paintings(selection, cache, quarantine)


def _refuse_bad(choice: DataChoice, quarantine: pd.DataFrame, pictures: int, shown: str, key: str) -> None:
    share = len(quarantine) / pictures
    if choice.on_bad_image == "skip" and share <= choice.bad_image_share:
        return
    # No run has begun that could keep the list.
    file = choice.cache_folder / "pixels" / key / QUARANTINE
    write_quarantine(quarantine, file)
    mend = "Mend or remove them, or leave them out with data.on_bad_image=skip"
    if choice.on_bad_image == "skip":
        mend = too_many_bad(len(quarantine), pictures, choice.bad_image_share)
    raise InputError(f"{len(quarantine)} picture(s) can't be read: {shown}. {mend}. The whole list: {file}")


def too_many_bad(bad: int, pictures: int, allowed: float) -> str:
    """What is said where more pictures are bad than the share that may be left out, and the mend."""
    return (
        f"That is {100 * bad / pictures:.1f} % of {pictures}, more than data.bad_image_share={allowed:g} allows: mend "
        "or remove them, or allow more"
    )


def write_quarantine(quarantine: pd.DataFrame, path: Path) -> None:
    """Store which pictures were left out, and why: `image, reason`."""
    with replacing(path) as temporary:
        quarantine.to_csv(temporary, index=False, lineterminator="\n")


def _open_pixels(
    whole: Manifest,
    choice: DataChoice,
    shorter_side: int,
    interpolation: str,
    on_progress: Callable[[int, int], None] | None,
) -> Pixels:
    if choice.name != "shards":
        return open_cache(whole, choice.cache_folder, shorter_side, interpolation, on_progress)
    from artculture.data.shards.pixels import open_shards

    assert choice.cache_gb is not None
    assert choice.shuffle_shards is not None
    limit = int(choice.cache_gb * 1e9)
    return open_shards(whole, choice.cache_folder, limit, shorter_side, interpolation, choice.shuffle_shards)


def write_split(selection: Selection, path: Path) -> None:
    """Store which painting is in which split: `object_id, source, culture, split`."""
    table = selection.manifest.table[["object_id", "source", "culture"]].assign(split=selection.split)
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
