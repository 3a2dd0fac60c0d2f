"""Everything a training reads, made from the choices of `data`: pixels, labels and split."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.config.schema.train import Data
from artculture.data.cache.pixel_cache import PixelCache, Pixels, open_cache
from artculture.data.copies import group_exact_copies, hashes_of_same_size, log_exact_copies
from artculture.data.manifest import SPLITS, Manifest
from artculture.data.sources import label_order, load_manifest
from artculture.data.splits import assign_splits, small_cultures
from artculture.data.stored_split import StoredSplit
from artculture.utils.errors import InputError
from artculture.utils.io import replacing

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


# Chooses from a whole manifest: the rows that can take part, and whether this is the last word on them.
Selector = Callable[[DataChoice, Manifest, pd.DataFrame, bool], Selection]


def select(choice: DataChoice, find_copies: bool = False) -> Selection:
    """Read the manifest, decide classes and split; no picture is decoded.

    Args:
        choice: what the user chose.
        find_copies: keep exact copies in one split, as a training does: files of one size are read for it.

    Raises:
        InputError: no such data, mistakes in it, or cultures too small for three splits.
    """
    whole = whole_manifest(choice)
    table = whole.table
    if choice.name != "shards":
        # Hashes of all files would be a pass over all data; no two files of different sizes are copies.
        table = table.assign(sha256=hashes_of_same_size(whole) if find_copies else "")
    selection = fresh_selection(choice, whole, table, final=True)
    kept = whole.part(whole.table.loc[selection.rows].assign(group=selection.manifest.table["group"].to_numpy()))
    return replace(selection, manifest=kept)


def whole_manifest(choice: DataChoice) -> Manifest:
    """The manifest that a choice names, no row left out."""
    return load_manifest(choice.name, choice.root, per_culture=choice.per_culture, seed=0, cache=choice.cache_folder)


def fresh_selection(choice: DataChoice, whole: Manifest, table: pd.DataFrame, final: bool) -> Selection:
    """Classes and a split for a training.

    Args:
        choice: what the user chose.
        whole: the manifest before any row was left out.
        table: its rows that can take part.
        final: the hashes of the files are known, and what is odd about the data is to be logged.

    Raises:
        InputError: cultures that are not there or too small for three splits.
    """
    classes = label_order(table, choice.cultures)
    table = group_exact_copies(_of_cultures(table, classes))
    table, classes = _without_small(table, classes, choice, final)
    split = assign_splits(table, choice.split, choice.fractions, choice.split_seed)
    if final:
        log_exact_copies(table, split)
        _log_missing_cultures(table, split)
    return _selection(whole, table, classes, split)


def selection_for(classes: Sequence[str]) -> Selector:
    """Chooses the paintings of any manifest for a classifier that is trained already.

    Labels are found by name, so a classifier's cultures may lack paintings here. A culture too small for three
    splits is no mistake, for nothing is trained. Cultures that the classifier does not know are an InputError.

    Args:
        classes: the classifier's, in label order.
    """

    def choose(choice: DataChoice, whole: Manifest, table: pd.DataFrame, _final: bool) -> Selection:
        if choice.cultures is not None:
            label_order(table, choice.cultures)
            table = _of_cultures(table, choice.cultures)
        unknown = sorted(set(table["culture"]) - set(classes))
        if unknown:
            known = [name for name in classes if name in set(table["culture"])]
            mend = (
                f"leave them out with data.cultures=[{','.join(known)}]" if known else "give data of its own cultures"
            )
            raise InputError(
                f"the classifier does not know {', '.join(unknown)} (it knows {', '.join(classes)}): {mend}"
            )
        table = group_exact_copies(table)
        split = assign_splits(table, choice.split, choice.fractions, choice.split_seed)
        return _selection(whole, table, classes, split)

    return choose


def selection_of_run(stored: StoredSplit, classes: Sequence[str], where: Path) -> Selector:
    """Chooses the paintings of a run that are still there, in the run's split, and warns of what changed since.

    None left is an InputError.

    Args:
        stored: the run's.
        classes: the run's, in label order.
        where: what messages call the run.
    """

    def choose(choice: DataChoice, whole: Manifest, table: pd.DataFrame, final: bool) -> Selection:
        table = table if choice.cultures is None else _of_cultures(table, choice.cultures)
        # What a training drops by itself was not added since.
        table = _of_cultures(table, classes) if choice.small_cultures == "drop" else table
        match = stored.match(table)
        if final and (changes := match.changes()):
            log.warning("the data changed since %s was trained, so only its own paintings count: %s", where, changes)
        own = match.same & table["culture"].isin(classes).to_numpy()
        if final and not own.any():
            raise InputError(
                f"none of the paintings of {where} is left ({match.changes()}): restore them, or name others with "
                "data=…"
            )
        return _selection(whole, table[own], tuple(classes), pd.Series(match.split[own]))

    return choose


def _selection(whole: Manifest, table: pd.DataFrame, classes: Sequence[str], split: pd.Series) -> Selection:
    rows = table.index.to_numpy(dtype=np.int64)
    names = split.to_numpy(dtype=np.str_)
    return Selection(whole.part(table), tuple(classes), _labels(table, classes), names, whole, rows)


def _of_cultures(table: pd.DataFrame, cultures: Sequence[str]) -> pd.DataFrame:
    kept = table["culture"].isin(cultures)
    # Millions of rows are not copied for nothing.
    return table if kept.all() else table[kept]


def _labels(table: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.int64]:
    labels: NDArray[np.int64] = pd.Index(classes).get_indexer(pd.Index(table["culture"].astype(str))).astype(np.int64)
    return labels


def _without_small(
    table: pd.DataFrame, classes: tuple[str, ...], choice: DataChoice, final: bool
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
    if final:
        log.warning("too few groups for three splits, so %s: %s", choice.small_cultures, named)
    if choice.small_cultures == "train":
        return table, classes
    kept = tuple(culture for culture in classes if culture not in small)
    if len(kept) < 2:
        raise InputError(f"data.small_cultures=drop leaves fewer than two cultures (dropped: {named})")
    return table[table["culture"].isin(kept)], kept


def _log_missing_cultures(table: pd.DataFrame, split: pd.Series) -> None:
    for name in SPLITS:
        absent = sorted(set(table["culture"]) - set(table["culture"][split == name]))
        if absent:
            learned = ", so the classifier can't learn it" if name == "train" else ""
            log.warning("no painting of %s is in the %s split%s", ", ".join(absent), name, learned)


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
    choose: Selector = fresh_selection,
) -> Paintings:
    """Select the paintings and decode what was not decoded before.

    The selection's column `sha256` is of the files' bytes as they are, whatever a manifest says of them.

    Args:
        choice: what the user chose.
        shorter_side: pixels.
        interpolation: `bilinear` or `bicubic`.
        on_progress: called with (done, all) while decoding.
        choose: for a training, for a classifier (`selection_for`), or a run's own paintings (`selection_of_run`).

    Raises:
        InputError: as `choose`, and pictures that can't be read where `on_bad_image` is `error` or where they are
            more than the share allowed.
    """
    whole = whole_manifest(choice)
    # Mistakes are said before the pictures are decoded, which may take hours; hashes and bad pictures come with that.
    first = choose(choice, whole, whole.table.assign(sha256="") if choice.name != "shards" else whole.table, False)
    cache = _open_pixels(whole, choice, shorter_side, interpolation, on_progress)
    bad = {row: cache.bad[row] for row in np.intersect1d(list(cache.bad), first.rows).astype(int).tolist()}
    images = whole.table["image"]
    quarantine = pd.DataFrame(
        [{"image": images[row], "reason": why} for row, why in bad.items()], columns=["image", "reason"]
    )
    if bad:
        named = "; ".join(f"{whole.root / images[row]} ({why})" for row, why in list(bad.items())[:5])
        shown = f"{named} and {len(bad) - 5} more" if len(bad) > 5 else named
        _refuse_bad(choice, quarantine, len(first.rows), shown, cache.key)
        log.warning("left out %d picture(s) that can't be read: %s", len(bad), shown)
    table = whole.table.assign(sha256=list(cache.sha256)) if isinstance(cache, PixelCache) else whole.table
    return Paintings(choose(choice, whole, table.drop(index=list(bad)) if bad else table, True), cache, quarantine)


def _refuse_bad(choice: DataChoice, quarantine: pd.DataFrame, pictures: int, shown: str, key: str) -> None:
    share = len(quarantine) / pictures
    if choice.on_bad_image == "skip" and share <= choice.bad_image_share:
        return
    # No run has begun that could keep the list.
    file = choice.cache_folder / "pixels" / key / QUARANTINE
    write_quarantine(quarantine, file)
    mend = "Mend or remove them, or leave them out with data.on_bad_image=skip"
    if choice.on_bad_image == "skip":
        mend = too_many_bad_message(len(quarantine), pictures, choice.bad_image_share)
    raise InputError(f"{len(quarantine)} picture(s) can't be read: {shown}. {mend}. The whole list: {file}")


def too_many_bad_message(bad: int, pictures: int, allowed: float) -> str:
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
