import pandas as pd
import pytest

from artculture.data.manifest import Manifest
from artculture.data.stored_split import StoredSplit, read_split, write_split
from artculture.utils.errors import InputError


def table(*rows, source=""):
    """Rows of (id, content) or (id, content, culture)."""
    full = [(*row, "Dutch")[:3] for row in rows]
    return pd.DataFrame(full, columns=["object_id", "sha256", "culture"]).assign(source=source)


def stored(*rows, source="", splits=("train", "val", "test")):
    return StoredSplit(table(*rows, source=source).assign(split=splits))


RUN = (("a", "A"), ("b", "B"), ("c", "C"))


@pytest.mark.parametrize(
    ("now", "split", "changes"),
    [
        (RUN, ["train", "val", "test"], ""),
        ((*RUN, ("d", "D")), ["train", "val", "test", ""], "1 added (d)"),
        (RUN[1:], ["val", "test"], "1 removed (a)"),
        ((("a", "X"), *RUN[1:]), ["", "val", "test"], "1 replaced (a)"),
        ((("a", "B"), *RUN[1:]), ["val", "val", "test"], "1 replaced (a)"),
        ((("z", "A"), *RUN[1:]), ["train", "val", "test"], "1 renamed (z)"),
        ((("a", "C"), ("b", "B"), ("c", "A")), ["test", "val", "train"], "2 renamed (a, c)"),
        ((("a", "A", "French"), *RUN[1:]), ["train", "val", "test"], "1 relabelled (a)"),
        # a second copy of a training painting is known as one, but it is no painting of the run
        ((*RUN, ("d", "A")), ["train", "val", "test", "train"], "1 added (d)"),
        ((("a", ""), *RUN[1:]), ["train", "val", "test"], ""),
        ((("e", "E"), ("f", "")), ["", ""], "2 added (e, f); 3 removed (a, b, c)"),
    ],
)
def test_paintings_are_found_by_id_and_by_content(now, split, changes):
    match = stored(*RUN).match(table(*now))
    assert match.split.tolist() == split
    assert match.changes() == changes
    assert match.same.sum() == len(now) - changes.count("added") * int(changes[:1] if "added" in changes else 0) - (
        "replaced" in changes
    )


def test_a_museum_s_id_is_its_painting_whatever_the_bytes():
    match = stored(*RUN, source="met").match(table(("a", "X"), source="met"))
    assert (match.split.tolist(), match.same.tolist(), match.replaced.tolist()) == (["train"], [False], [True])


def test_the_id_of_another_source_is_another_painting():
    assert stored(*RUN, source="met").match(table(("a", "X"), source="rijks")).split.tolist() == [""]


def test_of_several_paintings_with_these_bytes_one_that_was_trained_on_is_meant():
    run = stored(("a", "A"), ("b", "A"), splits=("test", "train"))
    assert run.match(table(("z", "A"))).split.tolist() == ["train"]
    assert run.match(table(("a", "A"))).split.tolist() == ["test"]


def test_order_and_split_belong_to_a_run_s_data():
    run, now = stored(*RUN), table(*RUN)
    assert run.matches(now, ["train", "val", "test"])
    assert not run.matches(now, ["test", "val", "train"])
    assert not run.matches(now.iloc[::-1], ["test", "val", "train"])
    assert not run.matches(table(("a", "X"), *RUN[1:]), ["train", "val", "test"])


def test_a_split_from_before_hashes_were_stored_is_read(tmp_path):
    (tmp_path / "split.csv").write_text("object_id,source,culture,split\na,,Dutch,train\n")
    assert read_split(tmp_path / "split.csv", "").match(table(("a", "A"))).split.tolist() == ["train"]


def test_written_and_read_again_is_the_same(tmp_path, rows):
    manifest = Manifest(tmp_path, rows(Dutch=[1, 2]).assign(sha256=["x", "y", ""]))
    write_split(manifest, ["train", "val", "test"], tmp_path / "split.csv")
    assert read_split(tmp_path / "split.csv", "").matches(manifest.table, ["train", "val", "test"])


@pytest.mark.parametrize(
    "content",
    ["a,b\n1,2\n", "object_id,source,culture,split\na,,Dutch,dev\n", "object_id,source,culture,split\n",
     "object_id,source,culture,split\na,,Dutch,val\na,,Dutch,train\n"],
)  # fmt: skip
def test_what_is_no_split_is_refused(tmp_path, content):
    (tmp_path / "split.csv").write_text(content)
    with pytest.raises(InputError, match=r"split\.csv .*delete it"):
        read_split(tmp_path / "split.csv", "delete it")
