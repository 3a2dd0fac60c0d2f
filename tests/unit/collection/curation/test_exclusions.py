from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artculture.collection.curation.exclusions import Exclusion, match_decisions, read_exclusions, write_exclusions
from artculture.utils.errors import InputError
from tests.unit.collection.curation.samples import table


def test_a_list_comes_back_as_it_was_written(tmp_path):
    made = [Exclusion("7", "met", "book", 'a "note", with\nlines'), Exclusion("10", "artic")]
    write_exclusions(made, tmp_path / "e.csv")
    assert set(read_exclusions(tmp_path / "e.csv")) == set(made)


def test_the_order_of_decisions_leaves_no_trace(tmp_path):
    made = [Exclusion(f"{n}", "met", "book") for n in range(5)]
    write_exclusions(made, tmp_path / "a.csv")
    write_exclusions(made[::-1], tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_only_the_object_id_is_needed(tmp_path):
    (tmp_path / "e.csv").write_text("\ufeffobject_id,why\n5,x\n", encoding="utf-8")
    assert read_exclusions(tmp_path / "e.csv") == [Exclusion("5")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable CSV"),
        (b"id,reason\n1,x\n", "lacks the column `object_id`"),
        (b'object_id\n1\n""\n', "line 3: `object_id` is empty"),
        (b'object_id,note\n1,"two\nlines"\n\n"",x\n', "line 5: `object_id` is empty"),
        (b"object_id\n\xff\xfe\n", "not a readable CSV"),
        (b'object_id,note\n1,"open\n', "not a readable CSV"),
    ],
)
def test_a_broken_list_is_named(tmp_path, content, message):
    (tmp_path / "e.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_exclusions(tmp_path / "e.csv")


def test_no_list_says_where_one_comes_from(tmp_path):
    with pytest.raises(InputError, match="review page exports one"):
        read_exclusions(tmp_path / "e.csv")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "e.csv"
    path.write_bytes(b"object_id,source\n" + content)
    with suppress(InputError):
        assert all(exclusion.object_id for exclusion in read_exclusions(path))


def test_exclusions_find_their_paintings():
    paintings = table({}, {}, {"object_id": "1", "source": "artic"})
    found = match_decisions(
        paintings,
        [
            Exclusion("2", reason="book"),
            Exclusion("1", "artic"),
            Exclusion("1"),
            Exclusion("9"),
            Exclusion("2", "artic"),
            Exclusion("2", "met", "again"),
        ],
    )
    assert {place: e.reason for place, e in found.by_row.items()} == {1: "book", 2: ""}
    assert found.unknown == [Exclusion("9"), Exclusion("2", "artic")]
    assert found.ambiguous == [Exclusion("1")]
