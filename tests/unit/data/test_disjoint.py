import numpy as np
import pandas as pd
import pytest

from artculture.data.disjoint import compared_name
from artculture.data.paintings import load_paintings
from artculture.data.selection import select
from artculture.data.stored_split import read_split, write_split
from artculture.utils.errors import InputError


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "Unknown",
        "Unidentified artist",
        "Anonymous (Dutch)",
        "Artist unknown, Chinese",
        "n/a",
        "-",
        "佚名",
        "Anonyme",
    ],
)
def test_names_of_nobody(name):
    assert compared_name(name) == ""


def test_one_name_in_several_spellings():
    spellings = ["Titian (Tiziano Vecellio)", "TITIAN", " Titian, ", "Titían"]
    assert {compared_name(name) for name in spellings} == {"titian"}
    assert compared_name("Master of the Female Half-Lengths") == "master of the female half lengths"


@pytest.fixture
def listed(gallery):
    """The gallery with a table: in each class three artists of two pictures, one in both classes, and unknown ones."""

    def write(column="artist", **more):
        images = sorted(path.relative_to(gallery).as_posix() for path in gallery.glob("*/*.png"))
        rows = []
        for place, image in enumerate(images):
            label, number = image.split("/")[0], place % 10
            artist = ["Unknown", "", "both"][number % 3] if number < 4 else f"{label} {number // 2}"
            group = "album" if image in ("calm/4.png", "wild/4.png") else ""
            rows.append({"file_name": image, "label": label, column: artist, "group": group})
        pd.DataFrame(rows).assign(**more).to_csv(gallery / "metadata.csv", index=False)

    return write


@pytest.mark.parametrize("split", ["stratified", "random"])
@pytest.mark.parametrize("column", ["artist", "school"])
def test_no_artist_is_in_two_splits_and_unknown_ones_are_no_group(choose, listed, split, column, tmp_path):
    listed(column)
    unknown_in = set()
    for seed in range(8):
        choice = choose(split=split, split_seed=seed, disjoint=column, fractions=[0.5, 0.25, 0.25])
        selection = select(choice)
        table = selection.manifest.table
        names = table[column].to_numpy()
        named = ~np.isin(names, ["", "Unknown"])
        parts = pd.Series(selection.split[named]).groupby(names[named])
        assert parts.nunique().max() == 1
        assert len(parts) == 7
        unknown_in |= set(selection.split[names == "Unknown"])
        if split == "stratified":  # the album joins two artists
            album = table["image"].isin(["calm/4.png", "calm/5.png", "wild/4.png", "wild/5.png"]).to_numpy()
            assert len(set(selection.split[album])) == 1
            assert {*selection.split} == {"train", "val", "test"}
    assert len(unknown_in) > 1
    write_split(selection.manifest, selection.split, tmp_path / "split.csv", column)
    assert read_split(tmp_path / "split.csv", "").table[column].tolist() == names.tolist()


def test_a_training_has_the_split_of_the_selection(choose, listed):
    listed()
    choice = choose(disjoint="artist")
    planned, loaded = select(choice), load_paintings(choice, 32, "bilinear").selection
    assert planned.manifest.fingerprint() != select(choose()).manifest.fingerprint()
    assert (planned.split == loaded.split).all()


def test_too_few_artists_are_named(choose, listed):
    listed(artist=["one", "two"] * 5 + [f"artist {n}" for n in range(10)])
    with pytest.raises(InputError, match=r"\(or values of artist, each in one split\).*calm \(2\)"):
        select(choose(disjoint="artist"))
    kept = select(choose(disjoint="artist", small_cultures="train"))
    assert set(kept.split[kept.labels == 0]) == {"train"}


@pytest.mark.parametrize(
    ("changes", "more", "message"),
    [
        ({"disjoint": "artist"}, {"artist": "unknown"}, "none of the 20 paintings names one"),
        ({"disjoint": "painter"}, {}, "has no column `painter`.*artist"),
        ({"disjoint": "artist", "split": "stored"}, {"split": ["train", "test"] * 10}, "stored split has . of 7"),
    ],
)
def test_what_can_t_be_disjoint_is_refused(choose, listed, changes, more, message):
    listed(**more)
    with pytest.raises(InputError, match=message):
        select(choose(**changes))


def of_two_artists(folder):
    images = sorted(str(path) for path in folder.glob("*/*.png"))
    rows = [{"object_id": image, "image": image, "culture": image.split("/")[-2]} for image in images]
    return pd.DataFrame(rows).assign(school=[f"school {n // 2}" for n in range(len(rows))])


def test_a_source_of_the_user_s_own_may_have_the_column(choose, gallery):
    source = {"_target_": f"{__name__}.of_two_artists", "folder": gallery}
    selection = select(choose(name="custom", root=None, source=source, disjoint="school"))
    assert pd.Series(selection.split).groupby(selection.manifest.table["school"].to_numpy()).nunique().max() == 1
