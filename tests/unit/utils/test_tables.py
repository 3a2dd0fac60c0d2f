import pytest

from artculture.utils.errors import InputError
from artculture.utils.tables import FileLines, read_csv

QUOTED = 'object_id,title\n1,"two\nlines"\n\n2,"a ""b"""\n\n\n3,plain\n'


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (QUOTED, [2, 5, 8]),
        (QUOTED.replace("\n", "\r\n"), [2, 5, 8]),
        ("\ufeff" + QUOTED, [2, 5, 8]),
        ('"object\nid",title\n1,a\n', [3]),
    ],
)
def test_a_record_is_named_by_its_line_in_the_file(tmp_path, content, lines):
    (tmp_path / "a.csv").write_bytes(content.encode())
    assert len(read_csv(tmp_path / "a.csv")) == len(lines)
    name = FileLines(tmp_path / "a.csv")
    assert [name(record) for record in range(len(lines))] == [f"line {line}" for line in lines]


def test_a_record_of_no_file_is_named_by_its_number():
    assert FileLines()(4) == "record 5"


@pytest.mark.parametrize(
    ("last", "says"),
    [("4,5,6\n", "Expected 2 fields in line 6, saw 3"), ('4,"open\n', "EOF inside string starting at line 6")],
)
def test_the_parser_s_complaint_names_the_line_of_the_file(tmp_path, last, says):
    (tmp_path / "a.csv").write_text('a,b\n1,"two\nlines"\n\n2,3\n' + last)
    with pytest.raises(InputError, match=says):
        read_csv(tmp_path / "a.csv")
