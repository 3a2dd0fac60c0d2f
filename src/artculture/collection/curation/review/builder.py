"""Builder of the review page: one self-contained HTML file with data, thumbnails, style and script."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artculture.collection.curation.exclusions import Exclusion
from artculture.collection.curation.image_stats import ImageStats
from artculture.collection.curation.keyword_rules import Flag
from artculture.collection.curation.relabels import Relabel
from artculture.collection.curation.suggestions import AuditFindings
from artculture.collection.curation.table1 import PAPER, is_of_the_museum, words_of
from artculture.data.manifest import Manifest
from artculture.data.near_duplicates import DuplicatePair
from artculture.utils.html_page import render_page, template_environment
from artculture.utils.io import write_text

SCRIPTS = ("csv.js", "decisions.js", "grid.js", "filters.js", "details.js", "page.js", "wiring.js")
REASONS = ("not a painting", "poor photograph")


@dataclass(frozen=True)
class ReviewData:
    """Contents of the review page.

    Attributes:
        manifest: as fetched.
        records: title, medium, object name and classification of each painting, in the manifest's order.
        image_stats: in the manifest's order, as are `flags` and `groups`.
        groups: each painting's group.
        applied: exclusions of an earlier review, by position; the page starts with them.
        relabels: new labels of an earlier review, by position.
        audit: what an audit found.
    """

    manifest: Manifest
    records: Sequence[Mapping[str, str]]
    image_stats: Sequence[ImageStats | str]
    flags: Sequence[Sequence[Flag]]
    duplicates: Sequence[DuplicatePair]
    groups: Sequence[str]
    applied: Mapping[int, Exclusion]
    relabels: Mapping[int, Relabel] = field(default_factory=dict)
    audit: AuditFindings = field(default_factory=AuditFindings)


def write_page(collection: ReviewData, path: Path, title: str, small_culture: int) -> Path:
    """Write the page atomically."""
    thumbnails = [
        base64.b64encode(stats.thumbnail).decode() if isinstance(stats, ImageStats) else ""
        for stats in collection.image_stats
    ]
    write_text(path, page(page_data(collection, small_culture), thumbnails, title))
    return path


def page(data: Mapping[str, Any], thumbnails: Sequence[str], title: str) -> str:
    """Return the page as text.

    Args:
        data: the result of `page_data`.
        thumbnails: WebP files in base64, "" where there is none.
    """
    return render_page(
        template_environment(__package__),
        "page.html",
        style="page.css",
        scripts=SCRIPTS,
        images="data: file: 'self'",
        title=title,
        data=data,
        thumbnails=thumbnails,
    )


def page_data(collection: ReviewData, small_culture: int) -> dict[str, Any]:
    """Return the page's data without the thumbnails."""
    table = collection.manifest.table
    present = table["culture"].value_counts()
    cultures = [*(c for c in PAPER if c in present), *sorted(set(present.index) - set(PAPER))]
    paper = PAPER if is_of_the_museum(table["source"]) else {}
    words = words_of(collection.manifest)
    rules = dict.fromkeys(flag.rule for flags in collection.flags for flag in flags)
    return {
        "key": collection.manifest.fingerprint()[:16],
        "small": small_culture,
        "compared": bool(paper),
        "label": words.one,
        "labelTitle": words.title,
        "cultures": cultures,
        "rules": sorted(rules),
        "reasons": [*REASONS, f"not of this {words.one}", *sorted(rules)],
        "table": [
            {"culture": c, "initial": int(present.get(c, 0)), "paper": paper.get(c)}
            for c in dict.fromkeys([*paper, *cultures])
        ],
        "items": _items(collection),
        "start": _start(collection),
        "audited": collection.audit.orders(),
    }


def _start(collection: ReviewData) -> list[tuple[int, dict[str, str]]]:
    kept = {place: {"state": "kept", "label": r.new_label, "note": r.note} for place, r in collection.relabels.items()}
    excluded = {
        place: {"state": "excluded", "reason": e.reason, "note": e.note} for place, e in collection.applied.items()
    }
    return list({**kept, **excluded}.items())


def _items(collection: ReviewData) -> list[dict[str, Any]]:
    alike: list[list[int]] = [[] for _ in collection.flags]
    for pair in collection.duplicates:
        alike[pair.first].append(pair.second)
        alike[pair.second].append(pair.first)
    sizes = Counter(collection.groups)
    # The page numbers groups of two or more; -1 is a group of one.
    several = sorted(name for name, size in sizes.items() if size > 1)
    number = {name: place for place, name in enumerate(several)}
    rows = collection.manifest.table.to_dict("records")
    described_rows = zip(rows, collection.records, collection.image_stats, strict=True)
    return [
        {
            "id": row["object_id"],
            "source": row["source"],
            "culture": row["culture"],
            "title": row["title"],
            "artist": row["artist"],
            "date": row["date"],
            "medium": record.get("medium", ""),
            "object_name": record.get("object_name", ""),
            "classification": record.get("classification", ""),
            "number": row["accession_number"],
            "url": row["object_url"],
            "image": row["image"],
            "width": stats.width if isinstance(stats, ImageStats) else 0,
            "height": stats.height if isinstance(stats, ImageStats) else 0,
            "flags": [[flag.rule, flag.reason] for flag in collection.flags[place]],
            **_audited(collection.audit, place),
            "group": number.get(collection.groups[place], -1),
            "duplicates": alike[place],
        }
        for place, (row, record, stats) in enumerate(described_rows)
    ]


def _audited(audit: AuditFindings, place: int) -> dict[str, Any]:
    ranks, suggested = audit.ranks(place), audit.suggested(place)
    return {**({"ranks": ranks} if ranks else {}), **({"suggested": suggested} if suggested else {})}
