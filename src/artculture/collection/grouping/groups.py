"""Groups against leakage: paintings that belong together and must not be split_groups between splits."""

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
from artculture.collection.grouping.duplicates import DuplicatePair
from artculture.collection.grouping.text import fold_text

RULES = ("given", "one object", "album or series", "artist and title", "near-duplicate")


@dataclass(frozen=True)
class Link:
    """Two paintings (positions in the manifest) that belong together, and why."""

    first: int
    second: int
    rule: str


@dataclass(frozen=True)
class Groups:
    """One name a painting, and the rules that put it beside another (empty for a painting of its own)."""

    names: list[str]
    reasons: list[tuple[str, ...]]


def group_paintings(table: pd.DataFrame, duplicates: Sequence[DuplicatePair], grouping: GroupingConfig) -> Groups:
    """Group a manifest's paintings.

    All rules draw links, and links chain: if A is a folio of B's album and B looks like C, all three are one
    group. A group is called after its first member in order of source and object_id, so that the same
    paintings give the same names.

    Args:
        table: a checked manifest's.
        duplicates: near-duplicates, by position in the table.
    """
    links = [*_links(table, grouping), *(Link(t.first, t.second, "near-duplicate") for t in duplicates)]
    labels = _components(len(table), links)
    own = (table["source"] + ":" + table["object_id"]).tolist()
    first: dict[int, str] = {}
    for label, name in sorted(zip(labels, own, strict=True), key=lambda pair: _natural(pair[1])):
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


def _natural(name: str) -> list[tuple[int, str]]:
    # Numbers by their value: met:9 comes before met:10.
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _links(table: pd.DataFrame, grouping: GroupingConfig) -> Iterator[Link]:
    keys: dict[tuple[str, Hashable], list[int]] = defaultdict(list)
    unknown = {fold_text(name) for name in grouping.unknown_artists}
    for place, row in enumerate(table.to_dict("records")):
        for rule, key in _keys({str(k): str(v) for k, v in row.items()}, unknown, grouping.copied_works):
            keys[rule, key].append(place)
    for (rule, _), places in keys.items():
        for a, b in pairwise(places):
            yield Link(a, b, rule)


def _keys(row: dict[str, str], unknown: set[str], copied_works: Sequence[str]) -> Iterable[tuple[str, Hashable]]:
    """What a painting is filed under: two paintings with a key in common belong together."""
    source, title, number = row["source"], _plain(row["title"]), row["accession_number"]
    artist = _plain(re.sub(r"\([^)]*\)", " ", row["artist"]))
    artist = "" if artist in unknown else artist
    gift = lot(number)

    if row["group"] not in ("", f"{source}:{row['object_id']}"):
        yield "given", row["group"]
    for stem in object_stems(number):
        yield "one object", (source, stem)

    album = album_of(row["title"], copied_works)
    if album:
        hand = artist if album.single_artist else ""
        if hand or (album.named and not album.single_artist):
            yield "album or series", (source, album.name, hand)
        if gift:
            yield "album or series", (source, album.name, hand, "lot", gift)
        # "18th century" is no evidence; "ca. 1590-95" is.
        if re.search(r"\d{4}", row["date"]) and not album.single_artist:
            yield "album or series", (source, album.name, row["culture"], "date", fold_text(row["date"]))

    if title and artist:
        yield "artist and title", (source, artist, title)
    elif title and gift:
        yield "artist and title", (source, title, "lot", gift)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", fold_text(text)))
