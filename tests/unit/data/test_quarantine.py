import json

import pandas as pd
import pytest

from artculture import cli
from artculture.data.image_files import find_pictures
from artculture.data.paintings import load_paintings
from artculture.utils.errors import InputError
from tests.unit.data.image_fixtures import BAD, READ


@pytest.fixture
def spoiled(gallery):
    """The gallery with two of its twenty pictures damaged."""
    (gallery / "calm" / "4.png").write_bytes(b"")
    (gallery / "wild" / "7.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return gallery


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_within_the_share_they_are_left_out(choose, spoiled, share):
    paintings = load_paintings(choose(on_bad_image="skip", bad_image_share=share), 32, "bilinear")
    assert sorted(paintings.quarantine["image"]) == ["calm/4.png", "wild/7.png"]


def test_above_the_share_they_are_an_error_with_the_whole_list(choose, spoiled, tmp_path):
    with pytest.raises(InputError) as caught:
        load_paintings(choose(on_bad_image="skip", bad_image_share=0.09), 32, "bilinear")
    assert "10.0 % of 20, more than data.bad_image_share=0.09 allows" in str(caught.value)
    (listed,) = (tmp_path / "cache").rglob("quarantine.csv")
    assert str(listed) in str(caught.value)
    assert sorted(pd.read_csv(listed)["image"]) == ["calm/4.png", "wild/7.png"]


def test_pipes_and_dead_links_are_among_a_folder_s_pictures(tmp_path):
    for name in ("a named pipe", "a link to nothing", "a link to itself", "a socket"):
        (tmp_path / name).mkdir()
        BAD[name].write(tmp_path / name / BAD[name].file)
    assert len(find_pictures(tmp_path).pictures) == 4


def test_a_name_that_is_no_text_is_reported(gallery, choose):
    (gallery / "calm" / "0.png").rename(gallery / "calm" / "\udcff.png")
    with pytest.raises(InputError, match="its name is not valid UTF-8"):
        load_paintings(choose(), 32, "bilinear")


@pytest.mark.parametrize("name", ["a named pipe", "a link to nothing", "a device", "an SVG drawing"])
def test_predict_tells_of_a_bad_picture_named_alone(run, tmp_path, capsys, name):
    kind = BAD[name]
    kind.write(tmp_path / kind.file)
    assert cli.main(["predict", f"checkpoint={run.best}", f"images={tmp_path / kind.file}", "format=jsonl"]) == 1
    captured = capsys.readouterr()
    assert kind.reason in json.loads(captured.out)["error"]
    assert kind.reason in captured.err


@pytest.mark.parametrize("name", ["the longest name", "a name in many scripts"])
def test_predict_takes_any_name_and_lays_its_map_over(run, tmp_path, capsys, name):
    kind = READ[name]
    (tmp_path / "odd").mkdir()
    kind.write(tmp_path / "odd" / kind.file)
    typed = [f"images={tmp_path / 'odd'}", "format=jsonl", "overlay=maps"]
    assert cli.main(["predict", f"checkpoint={run.best}", *typed]) == 0
    assert len(json.loads(capsys.readouterr().out)["predictions"]) == 3
    assert len(list((tmp_path / "maps").iterdir())) == 1


@pytest.mark.parametrize("name", ["x" * 300 + ".jpg", "~nobody-of-this-name/a.jpg"])
def test_predict_says_of_impossible_names_that_they_lead_nowhere(name, capsys):
    assert cli.main(["predict", "checkpoint=a", f"images={name}"]) == 2
    assert "no such file or folder" in capsys.readouterr().err
