import numpy as np
import pandas as pd
import pytest

from artculture.data.decoding import read_pixels
from artculture.data.paintings import load_paintings
from artculture.data.selection import select
from artculture.data.stored_split import write_split
from artculture.utils.errors import InputError


@pytest.fixture
def unbalanced(gallery):
    """The gallery, and two pictures of a third class."""
    (gallery / "rare").mkdir()
    for index in range(2):
        (gallery / "calm" / f"{index}.png").rename(gallery / "rare" / f"{index}.png")
    return gallery


def test_a_selection_holds_labels_and_split(choose):
    selection = select(choose())
    assert selection.classes == ("calm", "wild")
    assert selection.labels.tolist() == [0] * 10 + [1] * 10
    assert [len(selection.members(split)) for split in ("train", "val", "test")] == [16, 2, 2]
    assert not selection.synthetic


def test_a_new_split_seed_is_a_new_split(choose):
    assert (select(choose()).split != select(choose(split_seed=1)).split).any()


def test_pixels_belong_to_their_rows_when_cultures_are_left_out(choose, gallery):
    (gallery / "aside").mkdir()
    (gallery / "calm" / "0.png").rename(gallery / "aside" / "0.png")
    paintings = load_paintings(choose(cultures=["wild", "calm"]), 32, "bilinear")
    selection = paintings.selection
    assert selection.classes == ("wild", "calm")
    assert selection.labels.tolist() == [1] * 9 + [0] * 10
    for row, path in enumerate(selection.manifest.paths()):
        direct = read_pixels(path, 32, "bilinear")
        np.testing.assert_array_equal(paintings.cache.image(int(selection.rows[row])), direct)


def test_a_culture_with_too_few_is_named(choose, unbalanced):
    with pytest.raises(InputError, match=r"rare \(2\)(?s:.*)at least 3(?s:.*)data\.small_cultures=drop"):
        select(choose())


def test_too_few_can_be_left_out(choose, unbalanced, caplog):
    selection = select(choose(small_cultures="drop"))
    assert selection.classes == ("calm", "wild")
    assert len(selection.manifest) == 18
    assert "rare (2)" in caplog.text


def test_too_few_can_serve_training_alone(choose, unbalanced, caplog):
    selection = select(choose(small_cultures="train"))
    assert selection.classes == ("calm", "rare", "wild")
    assert set(selection.split[selection.labels == 1]) == {"train"}
    assert "no painting of rare is in the test split" in caplog.text


def test_leaving_out_must_leave_two(choose, gallery):
    for path in (gallery / "wild").glob("[2-9].png"):
        path.unlink()
    with pytest.raises(InputError, match="fewer than two classes"):
        select(choose(small_cultures="drop"))


def test_a_bad_picture_stops_with_its_name_and_the_fix(choose, gallery):
    (gallery / "calm" / "4.png").write_bytes(b"")
    (gallery / "wild" / "7.png").write_text("not found")
    with pytest.raises(InputError) as caught:
        load_paintings(choose(), 32, "bilinear")
    message = str(caught.value)
    assert "2 picture(s) can't be read" in message
    assert f"{gallery / 'calm' / '4.png'} (zero bytes)" in message
    assert f"{gallery / 'wild' / '7.png'} (not a picture of a kind that can be read)" in message
    assert "data.on_bad_image=skip" in message


def test_a_bad_picture_can_be_left_out(choose, gallery, caplog):
    (gallery / "calm" / "4.png").write_bytes(b"")
    paintings = load_paintings(choose(on_bad_image="skip"), 32, "bilinear")
    images = list(paintings.selection.manifest.table["image"])
    assert len(images) == 19
    assert "calm/4.png" not in images
    assert paintings.quarantine.to_dict("list") == {"image": ["calm/4.png"], "reason": ["zero bytes"]}
    assert "calm/4.png (zero bytes)" in caplog.text
    for row, path in enumerate(paintings.selection.manifest.paths()):
        held = paintings.cache.image(int(paintings.selection.rows[row]))
        np.testing.assert_array_equal(held, read_pixels(path, 32, "bilinear"))


def test_a_bad_picture_of_a_culture_that_is_not_wanted_does_not_matter(choose, gallery, caplog):
    (gallery / "other").mkdir()
    (gallery / "other" / "0.png").write_bytes(b"")
    paintings = load_paintings(choose(cultures=["calm", "wild"]), 32, "bilinear")
    assert paintings.quarantine.empty
    assert not caplog.records


def test_too_few_after_leaving_out_is_named(choose, gallery):
    for index in range(8):
        (gallery / "calm" / f"{index}.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"calm \(2\)"):
        load_paintings(choose(on_bad_image="skip"), 32, "bilinear")


def test_all_bad_is_an_error_not_a_crash(choose, gallery):
    for path in gallery.glob("*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="not one painting is left"):
        load_paintings(choose(on_bad_image="skip"), 32, "bilinear")


def test_a_manifest_that_lists_a_file_that_is_not_there(choose, gallery):
    lines = [f"{path.stem}-{path.parent.name},{path.relative_to(gallery)},{path.parent.name}\n"
             for path in gallery.glob("*/*.png")]  # fmt: skip
    first, last = '\n"two\nlines",calm/0.png,calm\n', "99,calm/99.png,calm\n"
    (gallery / "manifest.csv").write_text("object_id,image,culture\n" + first + "".join(lines) + last)
    says = r"line 25 of .*calm/99\.png, but there is no such file: put it back or take its row out"
    with pytest.raises(InputError, match=says):
        load_paintings(choose(), 32, "bilinear")


def test_a_split_is_stored_and_taken_up_again(choose, gallery, tmp_path):
    selection = select(choose(split="random", split_seed=9))
    write_split(selection.manifest, selection.split, tmp_path / "split.csv")
    stored = pd.read_csv(tmp_path / "split.csv")
    assert list(stored.columns) == ["object_id", "source", "culture", "sha256", "artist", "split"]
    manifest = selection.manifest.table.assign(split=stored["split"])
    manifest.to_csv(gallery / "manifest.csv", index=False)
    again = select(choose(split="stored"))
    assert again.split.tolist() == selection.split.tolist()
