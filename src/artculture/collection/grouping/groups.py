"""Groups of related paintings, which must be in the same split to avoid leakage."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from artculture.collection.grouping.accession import lot, object_stems
from artculture.collection.grouping.albums import album_of
from artculture.collection.grouping.config import GroupingConfig
from artculture.data.disjoint import compared_name
from artculture.data.near_duplicates import DuplicatePair
from artculture.utils.text import fold_text, natural_key

RULES = ("given", "one object", "album or series", "artist and title", "near-duplicate")


@dataclass(frozen=True)
class Link:
    """Two related paintings (positions in the manifest) and the rule that relates them."""

    first: int
    second: int
    rule: str


@dataclass(frozen=True)
class Groups:
    """The group name of each painting, and the rules that link it to others (empty for a group of one)."""

    names: list[str]
    reasons: list[tuple[str, ...]]


def group_paintings(table: pd.DataFrame, duplicates: Sequence[DuplicatePair], grouping: GroupingConfig) -> Groups:
    """Group a manifest's paintings.

    Groups are the connected components of all links: if A is a folio of B's album and B a near-duplicate of C,
    all three are one group. A group is named after its first member in order of source and object_id, so that the
    same paintings give the same names.

    Args:
        table: of a validated manifest.
        duplicates: near-duplicates, by position in the table.
    """
    links = [*_links(table, grouping), *(Link(t.first, t.second, "near-duplicate") for t in duplicates)]
    labels = _components(len(table), links)
    own = (table["source"] + ":" + table["object_id"]).tolist()
    first: dict[int, str] = {}
    for label, name in sorted(zip(labels, own, strict=True), key=lambda pair: natural_key(pair[1])):
        first.setdefault(label, name)
    why: list[set[str]] = [set() for _ in own]
    for link in links:
        why[link.first].add(link.rule)
        why[link.second].add(link.rule)
    return Groups([first[label] for label in labels], [tuple(r for r in RULES if r in rules) for rules in why])


def _components(count: int, links: Sequence[Link]) -> list[int]:
    ends = np.array([(link.first, link.second) for link in links], dtype=np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    labels: list[int] = connected_components(graph, directed=False)[1].tolist()
    return labels


def _links(table: pd.DataFrame, grouping: GroupingConfig) -> Iterator[Link]:
    keys: dict[tuple[str, Hashable], list[int]] = defaultdict(list)
    unknown = {fold_text(name) for name in grouping.unknown_artists}
    for place, row in enumerate(table.to_dict("records")):
        for rule, key in _keys({str(k): str(v) for k, v in row.items()}, unknown, grouping.copied_works):
            keys[rule, key].append(place)
    for (rule, _), places in keys.items():
        # A chain of links is enough for one connected component.
        for a, b in pairwise(places):
            yield Link(a, b, rule)


def _keys(row: dict[str, str], unknown: set[str], copied_works: Sequence[str]) -> Iterable[tuple[str, Hashable]]:
    """Yield (rule, key) pairs of a painting; two paintings with a common pair are related."""
    source, title, number = row["source"], _plain(row["title"]), row["accession_number"]
    artist = compared_name(row["artist"])
    artist = "" if artist in unknown else artist
    gift = lot(number)

    # A painting's own name is the default of an earlier curation, not a given group.
    if row["group"] not in ("", f"{source}:{row['object_id']}"):
        yield "given", row["group"]
    for stem in object_stems(number):
        yield "one object", (source, stem)

    album = album_of(row["title"], copied_works)
    if album:
        maker = artist if album.single_artist else ""
        if maker or (album.named and not album.single_artist):
            yield "album or series", (source, album.name, maker)
        if gift:
            yield "album or series", (source, album.name, maker, "lot", gift)
        # "18th century" is too vague to be evidence; "ca. 1590-95" is not.
        if re.search(r"\d{4}", row["date"]) and not album.single_artist:
            yield "album or series", (source, album.name, row["culture"], "date", fold_text(row["date"]))

    if title and artist:
        yield "artist and title", (source, artist, title)
    elif title and gift:
        yield "artist and title", (source, title, "lot", gift)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", fold_text(text)))
