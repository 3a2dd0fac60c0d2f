"""Exact copies: images of identical bytes belong to one group, so that a split keeps them together."""

import logging
import os
from collections import Counter

import numpy as np
import pandas as pd

from artculture.data.manifest import Manifest
from artculture.utils.io import file_sha256

log = logging.getLogger(__name__)

SHA256_LENGTH = 64
NAMED = 10


def is_exact_copy(table: pd.DataFrame) -> pd.Series:
    """Return whether another row has the same `sha256`; values that are not a full hash count as unknown."""
    known = table["sha256"].str.len() == SHA256_LENGTH
    found: pd.Series = known & table["sha256"].duplicated(keep=False)
    return found


def group_exact_copies(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the groups of exact copies merged, each under the first of their names."""
    return merge_groups(table, table["sha256"].where(is_exact_copy(table), ""))


def merge_groups(table: pd.DataFrame, alike: pd.Series) -> pd.DataFrame:
    """Return the table with the groups merged of rows that have the same value, not "", in `alike`."""
    known = alike != ""
    if not known.any():
        return table
    part = pd.DataFrame({"group": table.loc[known, "group"], "alike": alike[known]})
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    # Groups and contents are nodes, rows are edges: a group merges with all that share a content with it.
    group, groups = pd.factorize(part["group"], sort=True)
    content, contents = pd.factorize(part["alike"])
    count = len(groups) + len(contents)
    graph = coo_matrix((np.ones(len(part)), (group, len(groups) + content)), shape=(count, count))
    component = connected_components(graph, directed=False)[1][: len(groups)]
    _, first, number = np.unique(component, return_index=True, return_inverse=True)
    names = dict(zip(groups.tolist(), groups[first[number]].tolist(), strict=True))
    own = table["group"]
    return table.assign(group=own.where(~own.isin(list(names)), own.map(names)))


def log_exact_copies(table: pd.DataFrame, split: pd.Series) -> None:
    """Log how many images are exact copies, which of them have two labels, and which are in two splits."""
    part = table[is_exact_copy(table)]
    if part.empty:
        return
    part = part.assign(split=split)
    extra = len(part) - part["sha256"].nunique()
    by_content = part.groupby("sha256", sort=False)
    parted = by_content["split"].nunique() > 1
    stay = "" if parted.any() else "; copies stay in one split"
    log.info("%d of %d pictures are exact copies of another one (identical bytes)%s", extra, len(table), stay)
    conflicting = by_content["culture"].nunique() > 1
    if conflicting.any():
        log.warning(
            "%d picture(s) are there under two labels or more (identical bytes), so one label is wrong: %s",
            conflicting.sum(),
            _listed(part, conflicting, "culture"),
        )
    if parted.any():
        log.warning(
            "%d picture(s) are in two splits or more as exact copies, as the stored split says: %s",
            parted.sum(),
            _listed(part, parted, "split"),
        )


def _listed(part: pd.DataFrame, chosen: pd.Series, column: str) -> str:
    contents = chosen.index[chosen]
    shown = []
    for content in contents[:NAMED]:
        rows = part[part["sha256"] == content]
        shown.append(" = ".join(f"{image} ({value})" for image, value in zip(rows["image"], rows[column], strict=True)))
    more = f" and {len(contents) - NAMED} more" if len(contents) > NAMED else ""
    return "; ".join(shown) + more


def hashes_of_same_size(manifest: Manifest) -> list[str]:
    """Return the SHA-256 of files that share their size with another file; "" for the rest, which are not read."""
    sizes = [path.stat().st_size if path.is_file() else 0 for path in manifest.paths()]
    count = Counter(sizes)
    return [
        file_sha256(path) if size and count[size] > 1 and os.access(path, os.R_OK) else ""
        for path, size in zip(manifest.paths(), sizes, strict=True)
    ]
