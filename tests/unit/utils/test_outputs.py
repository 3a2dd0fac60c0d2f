import os
import re

import pytest

from artculture.utils.errors import InputError
from artculture.utils.io import write_text
from artculture.utils.outputs import output_file, output_folder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "taken.csv").write_text("precious")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.csv").symlink_to("taken.csv")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    run = tmp_path / "run"
    run.mkdir()
    for name in ("config.yaml", "status.json"):
        (run / name).write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "overwrite", "said"),
    [
        ("taken.csv", False, "exists"),
        ("link.csv", False, "exists"),
        ("sub", True, "is a folder"),
        ("pipe", True, "a device, a pipe or a socket"),
        ("loop", True, "can't be resolved"),
        ("taken.csv/a.csv", True, "can't be made"),
    ],
)
def test_what_can_t_or_must_not_be_written_is_refused_before_the_work(folder, name, overwrite, said):
    with pytest.raises(InputError, match=re.escape(said)):
        output_file(str(folder / name), overwrite=overwrite)
    assert (folder / "taken.csv").read_text() == "precious"


def test_replacing_keeps_link_and_mode(folder):
    (folder / "taken.csv").chmod(0o640)
    write_text(output_file(str(folder / "link.csv"), overwrite=True), "new")
    assert (folder / "link.csv").is_symlink()
    assert (folder / "taken.csv").read_text() == "new"
    assert (folder / "taken.csv").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("taken.csv", {"overwrite": True}, "is not a folder"),
        ("run", {"overwrite": True}, "is a run directory"),
        (".", {"overwrite": False}, "holds link.csv"),
        (".", {"overwrite": False, "replaces": ("taken.csv",)}, "holds taken.csv"),
        ("taken.csv/a", {"overwrite": True}, "can't be made"),
    ],
)
def test_a_folder_with_other_files_is_refused(folder, name, options, said):
    with pytest.raises(InputError, match=re.escape(said)):
        output_folder(str(folder / name), **options)


def test_an_empty_folder_and_one_without_the_same_names_are_taken(folder):
    assert output_folder(str(folder / "new" / "er"), overwrite=False).is_dir()
    assert output_folder(str(folder), overwrite=False, replaces=["other.csv"]) == folder
