"""Files written by a fetch: manifest.csv, records.csv, conflicts.csv, failures.csv and fetch.json."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from artculture import __version__
from artculture.collection.fetching.cultures import Decision
from artculture.collection.fetching.fetch import MuseumResult, in_order
from artculture.collection.fetching.ledger import Ledger
from artculture.collection.fetching.records import FIELDS_FOR_CURATION, Record
from artculture.data.manifest import Manifest, write_manifest
from artculture.utils.addresses import stored_address
from artculture.utils.errors import WorkError
from artculture.utils.io import write_json, write_text
from artculture.utils.spreadsheets import protected

CONFLICT_COLUMNS = ("source", "object_id", "title", "claims", "culture", "rule")
FAILURE_COLUMNS = ("source", "object_id", "title", "url", "reason", "tries", "last_try")


@dataclass
class FetchSummary:
    """Counts of a fetch; Counters are keyed by source."""

    kept: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    claimed: Counter[str] = field(default_factory=Counter)
    not_public_domain: Counter[str] = field(default_factory=Counter)
    no_picture: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0
    empty_locations: list[str] = field(default_factory=list)

    @property
    def paintings(self) -> int:
        """Number of kept paintings."""
        return sum(sum(counter.values()) for counter in self.kept.values())


def write_results(
    root: Path, ledger: Ledger, results: Sequence[MuseumResult], limit: int | None, parameters: Mapping[str, Any]
) -> FetchSummary:
    """Write all files of a fetch from the ledger alone, so that repeated runs give the same bytes.

    Raises:
        WorkError: no painting was kept.
    """
    summary = FetchSummary()
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    conflicts, records = [], []
    for result in results:
        for object_id, record, decision in _kept(result, limit, summary):
            if (record.source, object_id) in rows:  # two sources share a museum: the first one named has priority
                continue
            rows[record.source, object_id] = _manifest_row(result, record, decision)
            records.append(record)
            summary.kept[result.museum.name][decision.culture] += 1
            if len({claim.culture for claim in result.claims[object_id]}) > 1:
                conflicts.append(_conflict_row(result, record, decision))
    summary.conflicts = len(conflicts)
    failures = _failures(ledger, results, summary)
    # Before the check below: the failures explain why nothing was kept.
    write_table(root / "failures.csv", FAILURE_COLUMNS, failures)
    if not rows:
        raise WorkError(
            f"no painting was kept of {summary.claimed.total()} found; see failures.csv in {root} "
            "and the locations in conf/cultures"
        )
    write_manifest(Manifest(root, pd.DataFrame(sorted(rows.values(), key=_order))))
    write_table(root / "records.csv", FIELDS_FOR_CURATION, sorted((r.for_curation() for r in records), key=_order))
    write_table(root / "conflicts.csv", CONFLICT_COLUMNS, sorted(conflicts, key=_order))
    write_json(root / "fetch.json", _fetch_report(ledger, results, summary, parameters))
    return summary


def _kept(result: MuseumResult, limit: int | None, summary: FetchSummary) -> Iterable[tuple[str, Record, Decision]]:
    museum = result.museum
    name = museum.name
    summary.claimed[name] = len(result.claims)
    summary.requests[name] = museum.client.requests if museum.client else 0
    named = {claim.word for claims in result.claims.values() for claim in claims if claim.field == "geoLocation"}
    if named:
        places = (place for names in museum.context.cultures.locations.values() for place in names)
        summary.empty_locations += [place for place in places if place not in named]
    taken: Counter[str] = Counter()
    for object_id in in_order(result):
        record = museum.known_record(object_id)
        if record is None:
            continue
        if not record.is_public_domain:
            summary.not_public_domain[name] += 1
        elif not record.image(museum.variant):
            summary.no_picture[name] += 1
        elif museum.context.store.has(museum.source, object_id):
            decision = result.decision(object_id, record)
            # An earlier run with a higher limit may have left more images in the ledger.
            taken[decision.culture] += 1
            if limit is None or taken[decision.culture] <= limit:
                yield object_id, record, decision


def _manifest_row(result: MuseumResult, record: Record, decision: Decision) -> dict[str, Any]:
    museum = result.museum
    picture = museum.ledger.picture(record.source, record.object_id, museum.variant)
    assert picture is not None
    return {
        "object_id": record.object_id,
        "source": record.source,
        "image": picture["image"],
        "culture": decision.culture,
        "title": record.title,
        "artist": record.artist,
        "date": record.date,
        "medium": record.medium,
        "accession_number": record.accession_number,
        "object_url": stored_address(record.object_url),
        "image_url": picture["url"],
        "licence": record.licence,
        "sha256": picture["sha256"],
        "width": picture["width"],
        "height": picture["height"],
    }


def _conflict_row(result: MuseumResult, record: Record, decision: Decision) -> dict[str, str]:
    claims = sorted(result.claims[record.object_id], key=lambda claim: (claim.culture, claim.word))
    return {
        "source": record.source,
        "object_id": record.object_id,
        "title": record.title,
        "claims": "; ".join(f"{claim.culture} by {claim.field} {claim.word}" for claim in claims),
        "culture": decision.culture,
        "rule": decision.rule,
    }


def _failures(ledger: Ledger, results: Sequence[MuseumResult], summary: FetchSummary) -> list[dict[str, Any]]:
    # Reversed, because the first named of two sources with one museum has priority.
    names = {
        (h.museum.source, object_id): h.museum.name
        for h in reversed(results)
        for object_id in (*h.claims, *h.museum.rejected)
    }
    rows = []
    for row in ledger.failures():
        name = names.get((row["source"], row["object_id"]))
        if name is not None:
            summary.failed[name] += 1
            rows.append({**{key: row[key] for key in FAILURE_COLUMNS[:-1]}, "last_try": row["at"]})
    return rows


def _fetch_report(
    ledger: Ledger, results: Sequence[MuseumResult], summary: FetchSummary, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    sources = {
        name: {
            "surveyed": ledger.surveyed_at(name),
            "claimed": summary.claimed[name],
            "not_public_domain": summary.not_public_domain[name],
            "no_picture": summary.no_picture[name],
            "failed": summary.failed[name],
            "kept": dict(sorted(summary.kept[name].items())),
        }
        for name in (result.museum.name for result in results)
    }
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "artculture": __version__,
        "paintings": summary.paintings,
        "conflicts_resolved": summary.conflicts,
        "locations_that_found_nothing": summary.empty_locations,
        "sources": sources,
        "parameters": dict(parameters),
    }


def _order(row: Any) -> tuple[str, int, int | str, str]:
    """Return the sort key: source, then object id, numeric ids first and by value."""
    object_id = str(row["object_id"])
    number = int(object_id) if object_id.isdecimal() else 0
    return str(row["source"]), 0 if object_id.isdecimal() else 1, number, object_id


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file atomically."""
    text = io.StringIO()
    # The same bytes on every platform.
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: protected(cell) for name, cell in row.items()} for row in rows)
    write_text(path, text.getvalue())
