"""Dataset card: source, licence, counts, curation and hashes of a collection."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from artculture import __version__
from artculture.collection.curation.config import CurateConfig
from artculture.collection.curation.exclusions import Matched, MatchedExclusions
from artculture.collection.curation.fetched_manifest import FetchedManifest
from artculture.collection.curation.keyword_rules import Flag
from artculture.collection.curation.relabels import Relabel
from artculture.collection.curation.table1 import OWN_COLUMNS, Row, columns, markdown, words_of
from artculture.collection.grouping.leakage import Leakage
from artculture.data.manifest import Manifest
from artculture.utils.io import file_sha256, json_text, read_json, write_text
from artculture.utils.visible_text import markdown_block, markdown_code, markdown_text


@dataclass(frozen=True)
class Card:
    """Contents of the dataset card.

    Attributes:
        table: the paintings that are kept, with their groups.
        rows: Table 1.
        applied: whether `table` was written as a manifest.
    """

    config: CurateConfig
    base: FetchedManifest
    table: pd.DataFrame
    rows: Sequence[Row]
    leakage: Leakage
    flags: Sequence[Sequence[Flag]]
    matched: MatchedExclusions
    relabels: Matched[Relabel]
    applied: bool


def write_card(card: Card, path: Path) -> Path:
    """Write the card atomically; return its path."""
    record = path.with_name("fetch.json")
    fetched = read_json(record) if record.is_file() else {}
    write_text(path, "\n".join(_lines(card, fetched, path.parent.resolve().name)) + "\n")
    return path


def fetch_date(root: Path) -> str | None:
    """Return the date on which the paintings in a folder were fetched; None if it is not recorded."""
    record = root / "fetch.json"
    return str(read_json(record).get("date") or "") or None if record.is_file() else None


def _lines(card: Card, fetched: Mapping[str, Any], name: str) -> Iterator[str]:
    table, words = card.table, words_of(card.base.manifest)
    yield from _front_matter(table)
    yield f"# {markdown_text(name)}: {len(table):,} paintings in {table['culture'].nunique()} {words.many}\n"
    yield f"Created by {'`artculture fetch` and ' if fetched else ''}`artculture curate`.\n"
    yield "## Source\n"
    yield from _source(table, fetched)
    yield "\n## Licence\n"
    yield from _licence(table)
    yield "\n## Counts\n"
    compared = ", compared with Table 1 of the paper" if columns(card.rows) > OWN_COLUMNS else ""
    yield f"Paintings per {words.one} as fetched (initial) and after curation (final){compared}.\n"
    yield markdown(card.rows, card.config.small_culture, words)
    yield "## Curation\n"
    yield from _curation(card)
    yield "\n## Groups against leakage\n"
    yield (
        "Parts of one object, leaves of one album, parts of one series, one artist's paintings of one title, and "
        "near-duplicate images share a `group`, which no split of artculture divides. "
        f"Here {card.leakage}."
    )
    yield "\n## Hashes\n"
    yield from _hashes(card)


def _front_matter(table: pd.DataFrame) -> Iterator[str]:
    licences = {str(value).strip().casefold() for value in table["licence"]}
    licence = "cc0-1.0" if licences <= {"cc0", "cc0-1.0", "cc0 1.0"} else "other"
    # The size categories of dataset cards on the Hugging Face Hub.
    bounds = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
    size = next((label for bound, label in bounds if len(table) < bound), "n>100K")
    yield f"---\nlicense: {licence}\ntask_categories:\n- image-classification\nsize_categories:\n- {size}\n---"


def _source(table: pd.DataFrame, fetched: Mapping[str, Any]) -> Iterator[str]:
    for source, count in table["source"].value_counts().items():
        yield f"- {markdown_code(source or '(none named)')}: {count:,} paintings"
    date = fetched.get("date", "not recorded (no fetch.json next to the manifest)")
    yield f"- Fetched: {markdown_text(date)}"
    for key in ("sources", "source", "parameters"):
        if key in fetched:
            value = json_text(fetched[key], sort_keys=True, indent=2)
            yield f"\n<details><summary>{key}</summary>\n\n{markdown_block(value, 'json')}\n</details>"


def _licence(table: pd.DataFrame) -> Iterator[str]:
    counts = Counter(str(value).strip() or "not stated" for value in table["licence"])
    for licence, count in counts.most_common():
        yield f"- {markdown_text(licence)}: {count:,} paintings"
    if set(counts) == {"CC0"}:
        yield "\nThe museums have dedicated these images to the public domain (CC0 1.0)."


def _curation(card: Card) -> Iterator[str]:
    count = len(card.matched.by_row)
    reasons = Counter(e.reason or "no reason given" for e in card.matched.by_row.values())
    if not card.applied and not count and not card.relabels.by_row:
        yield "No exclusions are applied: these are the paintings as fetched."
    else:
        yield f"{count:,} paintings are excluded by hand" + (":\n" if count else ".")
    for reason, number in sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0])):
        yield f"- {markdown_text(reason)}: {number:,}"
    if card.relabels.by_row:
        yield f"\nThe label of {len(card.relabels.by_row):,} paintings is corrected by hand."
    raised = Counter(flag.rule for flags in card.flags for flag in flags)
    yield "\nFlags mark paintings to review and exclude nothing; number of flags by rule:\n"
    for rule, number in sorted(raised.items(), key=lambda pair: (-pair[1], pair[0])):
        yield f"- {markdown_text(rule)}: {number:,}"
    rules = json_text(card.config.model_dump(include={"rules", "image_stats", "grouping"}), indent=1)
    yield f"\n<details><summary>The rules</summary>\n\n{markdown_block(rules, 'json')}\n</details>"


def _hashes(card: Card) -> Iterator[str]:
    path = card.base.path.parent / card.config.output
    if card.applied:
        yield f"- {markdown_code(path.name)} (curated): SHA-256 `{file_sha256(path)}`"
        fingerprint = Manifest(path.parent, card.table).fingerprint()
        yield f"- ids, images, labels and groups (the fingerprint used by training runs): `{fingerprint}`"
    yield f"- manifest as fetched: SHA-256 `{card.base.sha256}`"
    yield "- each image: the column `sha256`"
    yield f"- artculture {__version__}"
