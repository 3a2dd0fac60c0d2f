"""The `split.csv` of a run, and its comparison with other data."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.data.label_columns import PREFIX, stored_columns
from artculture.data.manifest import SPLITS, Manifest
from artculture.utils.errors import InputError
from artculture.utils.spreadsheets import write_csv
from artculture.utils.tables import read_own_csv

COLUMNS = ["object_id", "source", "culture", "sha256", "artist"]
CHANGE_KINDS = ("added", "removed", "replaced", "renamed", "relabelled")
NAMED = 3


def write_split(manifest: Manifest, split: NDArray[np.str_], path: Path, disjoint: str | None = None) -> None:
    """Store which painting is in which split.

    Args:
        manifest: the paintings.
        split: their splits.
        path: the file: `object_id, source, culture, sha256` (of the file's bytes), `artist`, further labels as
            `label_<name>`, `split`.
        disjoint: column whose values are each in one split, stored too.
    """
    own = [] if disjoint is None or disjoint in COLUMNS else [disjoint]
    labels = {column: split_column(column) for column in stored_columns(manifest.table)}
    table = manifest.table[[*COLUMNS, *own, *labels]].rename(columns=labels)
    write_csv(table.assign(split=split), path)


def split_column(column: str) -> str:
    """Return the name that a label column of a manifest has in `split.csv`."""
    return f"label_{column.removeprefix(PREFIX)}" if column.startswith(PREFIX) else column


@dataclass(frozen=True)
class Match:
    """Comparison of a table's paintings with those of a run.

    Attributes:
        split: the run's split of each row, also for further copies of a painting; "" for other paintings.
        same: whether each row is one of the run's paintings (each counted once), its bytes unchanged as far as known.
        renamed, replaced, relabelled: rows of the run's paintings under another id, of other bytes under the same
            id, of another culture.
        names: id of each row.
        removed: ids of the run's paintings that the table no longer has.
    """

    split: NDArray[np.object_]
    same: NDArray[np.bool_]
    renamed: NDArray[np.bool_]
    replaced: NDArray[np.bool_]
    relabelled: NDArray[np.bool_]
    names: NDArray[np.object_]
    removed: tuple[str, ...]

    def changes(self, kinds: Collection[str] = CHANGE_KINDS) -> str:
        """Return the numbers of paintings added, removed etc., with the first ids of each; "" if nothing changed."""
        found: dict[str, Sequence[object]] = {
            "added": self.names[~self.same & ~self.replaced].tolist(),
            "removed": self.removed,
            "replaced": self.names[self.replaced].tolist(),
            "renamed": self.names[self.renamed].tolist(),
            "relabelled": self.names[self.relabelled].tolist(),
        }
        return "; ".join(f"{len(found[kind])} {kind} ({_name_some(found[kind])})" for kind in kinds if len(found[kind]))


def _name_some(names: Sequence[object]) -> str:
    return ", ".join(map(str, names[:NAMED])) + (", …" if len(names) > NAMED else "")


@dataclass(frozen=True)
class StoredSplit:
    """Paintings of a run with their splits.

    Attributes:
        table: `object_id`, `source`, `culture`, `sha256` ("" where it is not known) and `split`, one row per painting.
    """

    table: pd.DataFrame

    def matches(self, table: pd.DataFrame, split: NDArray[np.str_]) -> bool:
        """Return whether a table has these paintings in this order and split, unchanged as far as known."""
        if len(table) != len(self.table) or (_keys(table).to_numpy() != _keys(self.table).to_numpy()).any():
            return False
        return not self.match(table).changes() and bool((_texts(self.table, "split") == split).all())

    def match(self, table: pd.DataFrame) -> Match:
        """Find the run's paintings in a manifest's table, by id and by content.

        Equal bytes are the same painting, whatever its name. An id with other bytes is the same painting only where
        a museum gave it (`source` is not empty): an id of a folder is a file's name, which may hold another picture.
        """
        stored = self.table
        at = pd.Index(_keys(stored)).get_indexer(pd.Index(_keys(table)))
        here, there = _texts(table, "sha256"), np.where(at >= 0, _texts(stored, "sha256")[at], "")
        other_bytes = (at >= 0) & (here != "") & (there != "") & (here != there)
        by_content = self._with_content(here)
        moved = (by_content >= 0) & ((at < 0) | other_bytes)
        entry = np.where(moved, by_content, at)
        found = (entry >= 0) & (moved | ~other_bytes)
        same = found & _first_of_entry(entry, found, moved)
        replaced = other_bytes & ~same
        known = found | (replaced & (_texts(table, "source") != ""))
        gone = np.setdiff1d(np.arange(len(stored)), [*entry[same], *at[replaced]])
        return Match(
            split=np.where(known, _texts(stored, "split")[entry], ""),
            same=same,
            renamed=same & moved,
            replaced=replaced,
            relabelled=same & self._labels_differ(table, entry),
            names=_texts(table, "object_id"),
            removed=tuple(stored["object_id"].iloc[gone].astype(str)),
        )

    def _labels_differ(self, table: pd.DataFrame, entry: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether each row has another label than its stored entry, in any column that both have."""
        columns = [column for column in ["culture", *stored_columns(table)] if split_column(column) in self.table]
        pairs = [(_texts(table, column), _texts(self.table, split_column(column))[entry]) for column in columns]
        differ: NDArray[np.bool_] = np.any([own != stored for own, stored in pairs], axis=0)
        return differ

    def _with_content(self, contents: NDArray[np.object_]) -> NDArray[np.int64]:
        """Return the stored row with the same bytes, -1 if there is none; training paintings come first."""
        known = self.table[self.table["sha256"] != ""]
        order = known["split"].map({name: number for number, name in enumerate(SPLITS)})
        first = known.loc[order.sort_values(kind="stable").index].drop_duplicates("sha256")
        # get_indexer returns -1 for no match, which indexes the appended -1.
        rows = np.append(first.index.to_numpy(dtype=np.int64), -1)
        found: NDArray[np.int64] = rows[pd.Index(first["sha256"]).get_indexer(pd.Index(contents))]
        return found

    def __len__(self) -> int:
        return len(self.table)


def _first_of_entry(entry: NDArray[np.int64], found: NDArray[np.bool_], moved: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether a row is the first match of its stored entry; a match by id comes before one by content."""
    order = np.argsort(moved, kind="stable")
    order = order[found[order]]
    first = np.zeros(len(entry), dtype=np.bool_)
    first[order[~pd.Series(entry[order]).duplicated().to_numpy()]] = True
    return first


def _texts(table: pd.DataFrame, column: str) -> NDArray[np.object_]:
    return table[column].to_numpy(dtype=object)


def _keys(table: pd.DataFrame) -> pd.Series:
    keys: pd.Series = table["source"].astype(str) + "\0" + table["object_id"].astype(str)
    return keys


def read_split(path: Path, fix: str) -> StoredSplit:
    """Read a run's split.

    Args:
        path: the file.
        fix: what to do where it can't be read.

    Raises:
        InputError: the file is not a complete split.
    """
    table = read_own_csv(path, fix, dtype=str, keep_default_na=False)
    needed = {"source", "object_id", "culture", "split"}
    if not needed <= set(table) or not set(table["split"]) <= set(SPLITS) or table.empty:
        raise InputError(f"{path} is not a split; {fix}")
    if table.duplicated(["source", "object_id"]).any():
        raise InputError(f"{path} lists a painting twice; {fix}")
    return StoredSplit(table if "sha256" in table else table.assign(sha256=""))
