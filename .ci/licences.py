"""List the licences of the packages in a CycloneDX SBOM as a Markdown table: licences.py SBOM TABLE."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

# A text given as a licence's name; the first line says which it is.
LONGEST = 60


def licence(component: dict[str, Any]) -> str:
    """Return the licence that a package declares: an SPDX expression or id where there is one."""
    found = [entry.get("expression") or entry["license"].get("id") or entry["license"].get("name", "") for entry in
             component.get("licenses", [])]  # fmt: skip
    # Classifiers repeat the licence in other words, and authors paste whole texts.
    names = dict.fromkeys(text.strip().splitlines()[0][:LONGEST] for text in found if text.strip())
    spdx = [name for name in names if not name.startswith("License :: ")]
    return ", ".join(spdx or [name.rpartition(" :: ")[2] for name in names]) or "not stated"


def table(components: list[dict[str, Any]]) -> str:
    """Return the page: a count of each licence, then one row per package."""
    rows = sorted((c["name"], c.get("version", ""), licence(c)) for c in components if c["name"] != "artculture")
    counts = Counter(row[2] for row in rows)
    lines = ["# Licences of the dependencies", "", "By `make audit`, from the packages' own metadata.", ""]
    lines += [f"- {name}: {count}" for name, count in counts.most_common()]
    lines += ["", "| package | version | licence |", "|---|---|---|"]
    lines += [f"| {name} | {version} | {terms.replace('|', '/')} |" for name, version, terms in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sbom, target = map(Path, sys.argv[1:])
    target.write_text(table(json.loads(sbom.read_text(encoding="utf-8"))["components"]), encoding="utf-8")
