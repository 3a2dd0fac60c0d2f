import os
import shutil

import pytest

from artculture.data.data_choice import DataChoice
from artculture.data.paintings import load_paintings
from artculture.data.stored_split import write_split
from artculture.training.fit import _same_data
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError
from tests.conftest import AS_KEPT


def test_a_picture_replaced_since_a_run_finished_is_noticed(run, train, pictures, caplog, capsys):
    os.utime(pictures / "red" / "3.png", (0, 0))
    assert train(*AS_KEPT) == 0
    assert "was finished before: skipped" in caplog.text
    with (pictures / "red" / "3.png").open("ab") as file:
        file.write(b" ")
    assert train(*AS_KEPT) == 2
    assert "was started (1 replaced (red/3)): restore it" in capsys.readouterr().err


@pytest.fixture
def unfinished(pictures, tmp_path):
    """A run that was stopped, and a function that reads its paintings as they are now."""
    directory = RunDirectory(tmp_path / "outputs" / "run")
    directory.make()
    directory.last.touch()
    choice = DataChoice(
        name="folder", root=str(pictures), split="stratified", split_seed=0, fractions=[0.4, 0.3, 0.3],
        small_cultures="error", on_bad_image="error", cultures=None, cache=str(tmp_path / "cache"),
    )  # fmt: skip

    def read():
        return load_paintings(choice, 32, "bilinear").selection

    selection = read()
    _same_data(directory, selection)
    write_split(selection.manifest, selection.split, directory.split)
    return directory, read


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda root: (root / "red" / "3.png").unlink(), "1 removed (red/3)"),
        (lambda root: (root / "red" / "3.png").rename(root / "red" / "x.png"), "1 renamed (red/x)"),
        (lambda root: shutil.copy(root / "green" / "3.png", root / "red" / "3.png"), "1 replaced (red/3)"),
    ],
)
def test_an_unfinished_run_does_not_continue_on_changed_pictures(unfinished, pictures, change, says):
    directory, read = unfinished
    change(pictures)
    with pytest.raises(InputError, match=r"the data changed since .*run was started") as caught:
        _same_data(directory, read())
    assert says in str(caught.value)


def test_an_unfinished_run_continues_on_the_same_pictures(unfinished, pictures):
    directory, read = unfinished
    os.utime(pictures / "red" / "3.png", (0, 0))
    _same_data(directory, read())
    # as a launch before hashes were stored left it
    directory.set_status("running", manifest="of before")
    _same_data(directory, read())
