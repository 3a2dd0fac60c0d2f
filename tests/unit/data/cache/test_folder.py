import errno
import os

import pytest

from artculture.data.cache.folder import cache_errors, cache_folder, make_private
from artculture.utils.errors import InputError, WorkError

FIX = r"data\.cache=… or the environment variable ARTCULTURE_CACHE"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EEXIST])
def test_an_error_in_the_cache_names_its_key(tmp_path, number):
    with pytest.raises(InputError, match=f"can't write to the cache {tmp_path} .*{FIX}"), cache_errors(tmp_path):
        raise OSError(number, os.strerror(number), str(tmp_path / "pixels" / "x"))


def test_a_file_of_another_user_is_named_with_its_owner(tmp_path, monkeypatch):
    (tmp_path / ".lock").touch()
    owner = (tmp_path / ".lock").owner()
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    with pytest.raises(InputError, match=rf"\.lock belongs to {owner}\): .*{FIX}"), cache_errors(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / ".lock"))


@pytest.mark.parametrize(("mode", "made"), [(0o755, 0o700), (0o1777, 0o700), (0o2775, 0o775)])
def test_a_new_folder_is_private_unless_it_is_made_in_a_shared_one(tmp_path, mode, made):
    above = tmp_path / "above"
    above.mkdir()
    above.chmod(mode)
    before = os.umask(0o002)
    try:
        make_private(above / "cache" / "pixels")
    finally:
        os.umask(before)
    assert (above / "cache").stat().st_mode & 0o777 == (above / "cache" / "pixels").stat().st_mode & 0o777 == made


def test_an_error_in_a_folder_above_the_cache_names_its_key(tmp_path):
    cache = tmp_path / ".cache" / "artculture"
    with pytest.raises(InputError, match=f"can't write to the cache {cache} .*{FIX}"), cache_errors(cache):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(cache.parent))


@pytest.mark.parametrize("names_a_file", [False, True])
def test_a_full_cache_names_its_key(tmp_path, names_a_file):
    with pytest.raises(WorkError, match=f"{tmp_path} is full .*{FIX}"), cache_errors(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *([str(tmp_path / "x")] if names_a_file else []))


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "no", "/data/manifest.csv"), OSError("bad file"), KeyError()])
def test_errors_of_other_places_pass(tmp_path, error):
    with pytest.raises(type(error)) as caught, cache_errors(tmp_path):
        raise error
    assert caught.value is error


def test_a_user_without_a_home_learns_what_to_set(monkeypatch):
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
