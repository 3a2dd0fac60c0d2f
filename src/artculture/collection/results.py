"""What a fetch leaves behind: manifest.csv, records.csv, conflicts.csv, failures.csv and fetch.json."""

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
from artculture.collection.cultures import Decision
from artculture.collection.fetch import Harvest, in_order
from artculture.collection.ledger import Ledger
from artculture.collection.records import FIELDS_FOR_CURATION, Record
from artculture.data.manifest import Manifest, write_manifest
from artculture.errors import WorkError
from artculture.files import write_json, write_text

CONFLICT_COLUMNS = ("source", "object_id", "title", "claims", "culture", "rule")
FAILURE_COLUMNS = ("source", "object_id", "title", "url", "reason", "tries", "last_try")


@dataclass
class Outcome:
    """The counts of a fetch, by source where they are a Counter."""

    kept: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    claimed: Counter[str] = field(default_factory=Counter)
    not_public_domain: Counter[str] = field(default_factory=Counter)
    no_picture: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0
    silent_locations: list[str] = field(default_factory=list)

    @property
    def paintings(self) -> int:
        return sum(sum(counter.values()) for counter in self.kept.values())


def write_results(
    root: Path, ledger: Ledger, harvests: Sequence[Harvest], limit: int | None, parameters: Mapping[str, Any]
) -> Outcome:
    """Write every file of a fetch, from the ledger alone: two runs of one command leave the same manifest.

    Raises:
        WorkError: nothing was kept.
    """
    outcome = Outcome()
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    conflicts, records = [], []
    for harvest in harvests:
        for object_id, record, decision in _kept(harvest, limit, outcome):
            if (record.source, object_id) in rows:  # two routes to one museum: the first named one has it
                continue
            rows[record.source, object_id] = _manifest_row(harvest, record, decision)
            records.append(record)
            outcome.kept[harvest.museum.route][decision.culture] += 1
            if len({claim.culture for claim in harvest.claims[object_id]}) > 1:
                conflicts.append(_conflict_row(harvest, record, decision))
    outcome.conflicts = len(conflicts)
    failures = _failures(ledger, harvests, outcome)
    write_table(root / "failures.csv", FAILURE_COLUMNS, failures)
    if not rows:
        raise WorkError(
            f"no painting was kept of {outcome.claimed.total()} that were claimed; failures.csv in {root} "
            "and the locations in conf/cultures tell why"
        )
    write_manifest(Manifest(root, pd.DataFrame(sorted(rows.values(), key=_order))))
    write_table(root / "records.csv", FIELDS_FOR_CURATION, sorted((r.for_curation() for r in records), key=_order))
    write_table(root / "conflicts.csv", CONFLICT_COLUMNS, sorted(conflicts, key=_order))
    write_json(root / "fetch.json", _summary(ledger, harvests, outcome, parameters))
    return outcome


def _kept(harvest: Harvest, limit: int | None, outcome: Outcome) -> Iterable[tuple[str, Record, Decision]]:
    museum = harvest.museum
    route = museum.route
    outcome.claimed[route] = len(harvest.claims)
    outcome.requests[route] = museum.client.requests if museum.client else 0
    named = {claim.word for claims in harvest.claims.values() for claim in claims if claim.field == "geoLocation"}
    if named:
        places = (place for names in museum.visit.cultures.locations.values() for place in names)
        outcome.silent_locations += [place for place in places if place not in named]
    taken: Counter[str] = Counter()
    for object_id in in_order(harvest):
        record = museum.known_record(object_id)
        if record is None:
            continue
        if not record.is_public_domain:
            outcome.not_public_domain[route] += 1
        elif not record.image(museum.variant):
            outcome.no_picture[route] += 1
        elif museum.visit.store.has(museum.source, object_id):
            decision = harvest.decision(object_id, record)
            taken[decision.culture] += 1
            if limit is None or taken[decision.culture] <= limit:
                yield object_id, record, decision


def _manifest_row(harvest: Harvest, record: Record, decision: Decision) -> dict[str, Any]:
    museum = harvest.museum
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
        "object_url": record.object_url,
        "image_url": picture["url"],
        "licence": record.licence,
        "sha256": picture["sha256"],
        "width": picture["width"],
        "height": picture["height"],
    }


def _conflict_row(harvest: Harvest, record: Record, decision: Decision) -> dict[str, str]:
    claims = sorted(harvest.claims[record.object_id], key=lambda claim: (claim.culture, claim.word))
    return {
        "source": record.source,
        "object_id": record.object_id,
        "title": record.title,
        "claims": "; ".join(f"{claim.culture} by {claim.field} {claim.word}" for claim in claims),
        "culture": decision.culture,
        "rule": decision.rule,
    }


def _failures(ledger: Ledger, harvests: Sequence[Harvest], outcome: Outcome) -> list[dict[str, Any]]:
    routes = {(h.museum.source, object_id): h.museum.route for h in reversed(harvests) for object_id in h.claims}
    rows = []
    for row in ledger.failures():
        route = routes.get((row["source"], row["object_id"]))
        if route is not None:
            outcome.failed[route] += 1
            rows.append({**{key: row[key] for key in FAILURE_COLUMNS[:-1]}, "last_try": row["at"]})
    return rows


def _summary(
    ledger: Ledger, harvests: Sequence[Harvest], outcome: Outcome, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    sources = {
        route: {
            "surveyed": ledger.surveyed_at(route),
            "claimed": outcome.claimed[route],
            "not_public_domain": outcome.not_public_domain[route],
            "no_picture": outcome.no_picture[route],
            "failed": outcome.failed[route],
            "kept": dict(sorted(outcome.kept[route].items())),
        }
        for route in (harvest.museum.route for harvest in harvests)
    }
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "artculture": __version__,
        "paintings": outcome.paintings,
        "conflicts_resolved": outcome.conflicts,
        "locations_that_found_nothing": outcome.silent_locations,
        "sources": sources,
        "parameters": dict(parameters),
    }


def _order(row: Any) -> tuple[str, int, int | str, str]:
    """By source, then by object id: numbers by their size, before the other ids."""
    object_id = str(row["object_id"])
    number = int(object_id) if object_id.isdecimal() else 0
    return str(row["source"]), 0 if object_id.isdecimal() else 1, number, object_id


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
