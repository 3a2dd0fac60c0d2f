import pandas as pd
import pytest

from artculture.data.manifest import COLUMNS, Manifest, read_manifest, validate_table, write_manifest
from artculture.utils.errors import InputError

HEAD = "object_id,source,image,culture,title,group\n"


@pytest.fixture
def write(tmp_path):
    def text(content: str, encoding: str = "utf-8"):
        (tmp_path / "manifest.csv").write_bytes(content.encode(encoding))
        return tmp_path / "manifest.csv"

    return text


def test_reads_text_as_text(write):
    path = write(HEAD + "007,met,images/007.jpg,Dutch,NA,\n008,met,images/008.jpg,Chinese,山水,album\n")
    table = read_manifest(path).table
    assert list(table["object_id"]) == ["007", "008"]
    assert list(table["title"]) == ["NA", "山水"]
    assert list(table["group"]) == ["met:007", "album"]
    assert tuple(table.columns) == COLUMNS


def test_reads_a_folder_and_gives_paths_in_it(write, tmp_path):
    write(HEAD + "1,met,images/1.jpg,Dutch,,\n")
    manifest = read_manifest(tmp_path)
    assert manifest.paths() == [tmp_path / "images" / "1.jpg"]
    assert len(manifest) == 1


def test_reads_what_a_spreadsheet_saved(write):
    path = write("object_id,image,culture,width\n 1 ,a.jpg, Dutch ,12.0\n2,b.jpg,Dutch,wide\n", "utf-8-sig")
    table = read_manifest(path).table
    assert list(table["object_id"]) == ["1", "2"]
    assert list(table["culture"]) == ["Dutch", "Dutch"]
    assert list(table["width"]) == [12, 0]


def test_written_and_read_again_is_the_same(write, tmp_path):
    first = read_manifest(write(HEAD + '1,met,a.jpg,Dutch,"A, ""b""\nc",g\n2,met,b.jpg,Indian,,\n'))
    write_manifest(first, tmp_path / "again.csv")
    again = read_manifest(tmp_path / "again.csv")
    pd.testing.assert_frame_equal(first.table, again.table)
    assert first.fingerprint() == again.fingerprint()


def test_no_temporary_file_stays(tmp_path, rows):
    write_manifest(Manifest(tmp_path, rows(Dutch=[1])))
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.csv"]


def test_a_table_with_mistakes_is_not_written(tmp_path, rows):
    table = rows(Dutch=[1, 1]).assign(object_id="same")
    with pytest.raises(InputError, match="`same` appears twice"):
        write_manifest(Manifest(tmp_path, table))
    assert not (tmp_path / "manifest.csv").exists()


MISTAKES = {
    "object_id,image\n1,a.jpg\n": ["no column of labels", "data.label="],
    "object_id,image,Cultur\n1,a.jpg,Dutch\n": ["no column of labels", "did you mean `Cultur`?"],
    "filename,style\na.jpg,Dutch\n": ["no column of labels", "data.image=", "data.label=style"],
    "motif,style\na.jpg,Dutch\n": ["pictures (`image`, `file_name` or `filename`) and none of labels", "motif, style"],
    "object_id,image,culture\n": ["lists no paintings"],
    "": ["is not a readable CSV file"],
    HEAD + "1,met,a.jpg,Dutch,,,,,surplus\n1,met,a.jpg\n2,3,4,5,6,7,8,9,10,11,12,13\n": ["not a readable CSV"],
    HEAD + "1,met,a.jpg,Dutch,,\n1,met,b.jpg,Dutch,,\n": ["line 3: object_id `1` appears twice"],
    HEAD + "1,met,,Dutch,,\n2,met,b.jpg,,,\n": ["2 mistake", "line 2: `image` is empty", "line 3: `culture` is empty"],
    HEAD + "1,met,../a.jpg,Dutch,,\n": ["line 2: image `../a.jpg` leaves the manifest's folder"],
    HEAD + "1,met,x/../../a.jpg,Dutch,,\n": ["leaves the manifest's folder"],
    HEAD + "1,met,/etc/passwd,Dutch,,\n": ["leaves the manifest's folder"],
    HEAD + "1,met,..\\a.jpg,Dutch,,\n": ["leaves the manifest's folder"],
    HEAD + "1,met,C:\\a.jpg,Dutch,,\n": ["leaves the manifest's folder"],
    'object_id,image,culture,title\n1,a.jpg,Dutch,"two\nlines"\n\n2,b.jpg,,\n': ["line 5: `culture` is empty"],
    "object_id,image,culture\n1,a.jpg,Dutch\n2,./a.jpg,French\n": [
        "line 2 and line 3: image `a.jpg` has two labels, Dutch and French"
    ],
    "object_id;image;culture\n1;a.jpg;Dutch\n\n2;../b.jpg;Dutch\n": ["line 4: image `../b.jpg` leaves"],
    HEAD + "1,met,a\x07.jpg,Dutch,,\n": ["line 2: image 'a\\x07.jpg': its name holds the control character U+0007"],
}


@pytest.mark.parametrize(("content", "says"), MISTAKES.items())
def test_mistakes_are_named(write, content, says):
    path = write(content)
    with pytest.raises(InputError) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)
    for part in says:
        assert part in str(caught.value)


def test_one_file_under_two_ids_and_one_label_is_a_copy_of_itself(write):
    assert len(read_manifest(write(HEAD + "1,met,a.jpg,Dutch,,\n2,met,a.jpg,Dutch,,\n")).table) == 2


def test_many_mistakes_are_counted(write):
    with pytest.raises(InputError, match=r"14 mistake(?s:.*)and 4 more"):
        read_manifest(write(HEAD + "".join(f"{n},met,,Dutch,,\n" for n in range(14))))


def test_latin_1_is_refused(write):
    with pytest.raises(InputError, match=r"line 3 is not UTF-8(?s:.*)CSV UTF-8"):
        read_manifest(write(HEAD + "1,met,a.jpg,Dutch,,\n2,met,b.jpg,Dutch,Père,\n", "latin-1"))


def test_no_file_is_said(tmp_path):
    with pytest.raises(InputError, match=r"no manifest at .*manifest\.csv"):
        read_manifest(tmp_path)


def test_the_same_id_of_two_sources_is_two_paintings(write):
    path = write(HEAD + "1,met,a.jpg,Dutch,,\n1,rijks,b.jpg,Dutch,,\n")
    assert read_manifest(path).table["group"].nunique() == 2


@pytest.mark.parametrize("column", ["object_id", "image", "culture", "group", "sha256", "source"])
def test_the_fingerprint_sees_what_decides_a_training(tmp_path, rows, column):
    table = rows(Dutch=[1, 1, 1])
    changed = table.copy()
    changed.loc[1, column] = "other"
    assert Manifest(tmp_path, table).fingerprint() != Manifest(tmp_path, changed).fingerprint()


def test_the_fingerprint_does_not_see_titles(tmp_path, rows):
    table = rows(Dutch=[1, 1])
    assert Manifest(tmp_path, table).fingerprint() == Manifest(tmp_path, table.assign(title="new")).fingerprint()


def test_checking_twice_changes_nothing(rows):
    table = rows(Dutch=[2, 1])
    pd.testing.assert_frame_equal(table, validate_table(table, "again"))
