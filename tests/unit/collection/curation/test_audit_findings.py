from artculture.collection.curation.suggestions import read_findings
from tests.unit.collection.curation.samples import table

LABELS = "object_id,source,label,suggested,p_label,p_suggested,likely_error\n0,met,French,Dutch,0.1,0.8,True\n"
OUTLIERS = (
    "object_id,source,label,distance,nearest_object_id,nearest_label\n2,met,French,0.4,0,French\n"
    "1,met,Dutch,0.1,0,French\n"
)
CONFLICTS = (
    "object_id,source,label,other_object_id,other_source,other_label,distance\n0,met,French,1,met,Italian,2\n"
    "1,met,Italian,2,met,French,4\n"
)


def test_each_list_ranks_flags_and_suggests(tmp_path):
    for name, text in (("label_errors", LABELS), ("outliers", OUTLIERS), ("conflicts", CONFLICTS)):
        (tmp_path / f"{name}.csv").write_text(text)
    manifest = table(*({"object_id": str(n), "source": "met"} for n in range(3)))
    found = read_findings(tmp_path, manifest)
    assert found.orders() == ["suspicious", "outliers", "conflicts"]
    assert found.ranks(0) == {"suspicious": 0, "conflicts": 0}
    assert found.ranks(2) == {"outliers": 0, "conflicts": 1}
    # The audit's own suggestion comes before the label of a copy, and the most similar copy before others.
    assert [found.suggested(place) for place in range(3)] == ["Dutch", "French", "Italian"]
    assert [[flag.rule for flag in found.flags(place)] for place in range(3)] == [
        ["label error", "two labels"],
        ["two labels"],
        ["outlier", "two labels"],
    ]
    alone = read_findings(tmp_path / "label_errors.csv", manifest)
    assert alone == found
    (tmp_path / "outliers.csv").unlink()
    (tmp_path / "conflicts.csv").unlink()
    assert read_findings(tmp_path, manifest).orders() == ["suspicious"]
