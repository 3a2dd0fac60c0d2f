import errno
import os

import pytest

from artculture.data.cache.folder import cache_errors, cache_folder
from artculture.utils.errors import InputError, WorkError

FIX = r"data\.cache=… or the environment variable ARTCULTURE_CACHE"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EEXIST])
def test_an_error_in_the_cache_names_its_key(tmp_path, number):
    with pytest.raises(InputError, match=f"can't write to the cache {tmp_path} .*{FIX}"), cache_errors(tmp_path):
        raise OSError(number, os.strerror(number), str(tmp_path / "pixels" / "x"))


@pytest.mark.parametrize("names_a_file", [False, True])
def test_a_full_cache_names_its_key(tmp_path, names_a_file):
    with pytest.raises(WorkError, match=f"{tmp_path} is full .*{FIX}"), cache_errors(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *([str(tmp_path / "x")] if names_a_file else []))


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "no", "/data/manifest.csv"), OSError("bad file"), KeyError()])
def test_errors_of_other_places_pass(tmp_path, error):
    with pytest.raises(type(error)) as caught, cache_errors(tmp_path):
        raise error
    assert caught.value is error


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for a user id that has no account
    with pytest.raises(InputError, match=f"data.cache=~/x: this user has no home folder; .*{FIX}"):
        cache_folder("~/x")


@pytest.mark.parametrize("data", ["sample", "folder"])
def test_a_cache_that_is_a_file_is_one_message(train, monkeypatch, tmp_path, capsys, data):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ARTCULTURE_CACHE", str(tmp_path / "file" / "cache"))
    source = () if data == "folder" else ("data=sample", "data.root=null")
    assert train(*source) == 2
    assert "can't write to the cache" in capsys.readouterr().err
