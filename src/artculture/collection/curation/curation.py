"""Curation: flags and review page of a fetched manifest, and the curated manifest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from artculture.collection.curation.config import MANIFEST, CurateConfig
from artculture.collection.curation.croissant import write_croissant
from artculture.collection.curation.dataset_card import Card, fetch_date, write_card
from artculture.collection.curation.exclusions import (
    D,
    Matched,
    MatchedExclusions,
    match_decisions,
    read_exclusions,
    write_exclusions,
)
from artculture.collection.curation.fetched_manifest import (
    CURATION,
    FetchedManifest,
    keep_fetched,
    read_fetched_manifest,
    record_curation,
)
from artculture.collection.curation.flags import describe_paintings, flag_paintings, read_records, write_flags
from artculture.collection.curation.image_stats import ImageStats
from artculture.collection.curation.image_stats_cache import measure_images
from artculture.collection.curation.keyword_rules import Flag
from artculture.collection.curation.relabels import Relabel, read_relabels, relabelled, write_relabels
from artculture.collection.curation.review.builder import ReviewData, write_page
from artculture.collection.curation.suggestions import AuditFindings, read_findings
from artculture.collection.curation.table1 import Row, is_of_the_museum, table1, words_of, write_table1
from artculture.collection.grouping.groups import Groups, group_paintings
from artculture.collection.grouping.leakage import Leakage, measure_leakage
from artculture.data.manifest import Manifest, validate_table
from artculture.data.near_duplicates import DuplicatePair
from artculture.utils.errors import InputError
from artculture.utils.io import replacing
from artculture.utils.label_words import LabelWords
from artculture.utils.progress import Progress
from artculture.utils.spreadsheets import csv_text, write_csv

CACHE = Path(".curate") / "image_stats.sqlite3"
APPLIED, APPLIED_RELABELS = "exclusions.applied.csv", "relabels.applied.csv"


@dataclass(frozen=True)
class MeasuredCollection:
    """A fetched collection with its flags and groups; all lists are in the manifest's order."""

    base: FetchedManifest
    records: pd.DataFrame | None
    image_stats: list[ImageStats | str]
    flags: list[list[Flag]]
    duplicates: list[DuplicatePair]
    groups: Groups
    audit: AuditFindings = field(default_factory=AuditFindings)


@dataclass(frozen=True)
class CurationResult:
    """Result of a curation.

    Attributes:
        table: the rows of Table 1.
        words: what a class is called.
        leakage: of a random split that ignores groups.
        flagged: number of paintings with a flag.
        matched: exclusions found in the manifest.
        relabels: relabels found in it.
        applied: whether a manifest was written.
        files: all files written, most important first.
    """

    table: list[Row]
    words: LabelWords
    leakage: Leakage
    flagged: int
    matched: MatchedExclusions
    relabels: Matched[Relabel]
    applied: bool
    files: list[Path] = field(default_factory=list)


def measure_collection(config: CurateConfig, on_progress: Progress = lambda *_: None) -> MeasuredCollection:
    """Measure, flag and group all fetched paintings.

    Args:
        on_progress: called with the number of measured images and their total.
    """
    root = Path(config.root)
    base = read_fetched_manifest(root)
    records = read_records(root / "records.csv")
    audit = AuditFindings() if config.audit is None else read_findings(Path(config.audit), base.manifest.table)
    paths = base.manifest.paths()
    image_stats = measure_images(paths, root / CACHE, config.thumbnail, config.workers, on_progress)
    flags, duplicates = flag_paintings(base.manifest, records, image_stats, config.rules, config.image_stats)
    flags = [[*own, *audit.flags(place)] for place, own in enumerate(flags)]
    groups = group_paintings(base.manifest.table, duplicates, config.grouping)
    return MeasuredCollection(base, records, image_stats, flags, duplicates, groups, audit)


def curate(config: CurateConfig, found: MeasuredCollection) -> CurationResult:
    """Write review page, tables and dataset card and, with exclusions or relabels, the curated manifest.

    Raises:
        InputError: a list is broken, or none of its paintings is in the manifest.
    """
    root, table = Path(config.root), found.base.manifest.table
    # An empty list applies too: it writes the groups.
    applying = config.exclusions is not None or config.relabels is not None
    matched = _matched(table, config.exclusions, root / APPLIED, read_exclusions)
    relabels = _matched(table, config.relabels, root / APPLIED_RELABELS, read_relabels)
    kept = [place for place in range(len(table)) if place not in matched.by_row]
    if applying and not kept:
        raise InputError("these exclusions leave no painting")

    final = _curated_table(relabelled(table, relabels), found.groups, kept)
    files = [_write_page(config, found, matched, relabels), root / "flags.csv", root / "groups.csv"]
    flagged = write_flags(found.base.manifest, found.flags, files[1])
    _write_groups(table, found.groups, files[2])
    rows = table1(table["culture"].tolist(), final["culture"].tolist(), paper=is_of_the_museum(table["source"]))
    split = measure_leakage(final["group"].tolist(), config.split_seed)
    words = words_of(found.base.manifest)
    files += write_table1(rows, config.small_culture, root, words)
    if applying:
        files.insert(0, _apply(config, found.base, Manifest(root, final), matched, relabels))
    card = Card(config, found.base, final, rows, split, found.flags, matched, relabels, applying)
    files.append(write_card(card, root / "dataset_card.md"))
    # The file that the card describes.
    described = root / config.output if applying else found.base.path
    if described.is_file():  # class folders have none until exclusions are applied
        files.append(write_croissant(described, final if applying else table, fetch_date(root), words))
    return CurationResult(rows, words, split, flagged, matched, relabels, applying, files)


def _matched(
    table: pd.DataFrame, given: Sequence[str] | None, earlier: Path, read: Callable[[Path], list[D]]
) -> Matched[D]:
    """Return the decisions in the given lists, or else those of an earlier curation, found in the manifest."""
    if given is None:
        known = earlier.is_file() and earlier.with_name(CURATION).is_file()
        return match_decisions(table, read(earlier) if known else [])
    matched = match_decisions(table, [decision for path in given for decision in read(Path(path))])
    if matched.ambiguous:
        names = ", ".join(d.object_id for d in matched.ambiguous[:10])
        raise InputError(f"several sources have an object {names}: give the `source` column in {', '.join(given)}")
    if matched.unknown and not matched.by_row:
        names = ", ".join(d.object_id for d in matched.unknown[:5])
        raise InputError(
            f"none of the {len(matched.unknown)} rows of {', '.join(given)} names a painting of this "
            f"manifest ({names} …): is it the list of another collection?"
        )
    return matched


def _curated_table(table: pd.DataFrame, groups: Groups, kept: Sequence[int]) -> pd.DataFrame:
    grouped_table = table.assign(group=groups.names)
    return grouped_table.iloc[list(kept)].reset_index(drop=True)


def _apply(
    config: CurateConfig,
    base: FetchedManifest,
    final: Manifest,
    matched: MatchedExclusions,
    relabels: Matched[Relabel],
) -> Path:
    root = final.root
    path = root / config.output
    content = csv_text(validate_table(final.table, path)).encode()
    if config.output == MANIFEST:
        # In this order, a run that is killed leaves a state that `read_fetched_manifest` recognizes by the hashes.
        keep_fetched(base, root)
        write_exclusions(matched.by_row.values(), root / APPLIED)
        write_relabels(relabels.by_row.values(), root / APPLIED_RELABELS)
        facts: dict[str, object] = {
            "fetched": len(base.manifest),
            "kept": len(final),
            "relabelled": len(relabels.by_row),
        }
        record_curation(root, base, content, facts)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def _write_page(
    config: CurateConfig, found: MeasuredCollection, matched: MatchedExclusions, relabels: Matched[Relabel]
) -> Path:
    manifest = found.base.manifest
    collection = ReviewData(
        manifest=manifest,
        records=describe_paintings(manifest, found.records),
        image_stats=found.image_stats,
        flags=found.flags,
        duplicates=found.duplicates,
        groups=found.groups.names,
        applied=matched.by_row,
        relabels=relabels.by_row,
        audit=found.audit,
    )
    root = Path(config.root)
    return write_page(collection, root / "review.html", root.resolve().name, config.small_culture)


def _write_groups(table: pd.DataFrame, groups: Groups, path: Path) -> None:
    """Write the groups of two or more paintings with the rules that formed them, for a visual check."""
    columns = table[["source", "object_id", "culture", "title", "artist", "accession_number"]]
    full = columns.assign(group=groups.names, rules=["; ".join(rules) for rules in groups.reasons])
    several = full[full.duplicated("group", keep=False)].sort_values("group", kind="stable")
    write_csv(several, path)
