import errno
import os
from pathlib import Path

import pytest

from artculture.utils.uncached import BLOCK, CHUNK, UncachedFile

SIZES = [0, 1, BLOCK - 1, BLOCK, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + BLOCK + 7]
DIRECT = getattr(os, "O_DIRECT", 0)


def written(path: Path, parts: list[bytes]) -> bytes:
    with UncachedFile(path) as file:
        assert [file.write(part) for part in parts] == [len(part) for part in parts]
        file.flush()
    return path.read_bytes()


@pytest.mark.parametrize("size", SIZES)
def test_a_file_holds_what_was_written(tmp_path, size):
    data = os.urandom(size)
    parts = [data[:5], b"", data[5 : CHUNK // 2], data[CHUNK // 2 :]]
    assert written(tmp_path / "f", parts) == data


def test_a_longer_file_of_before_is_replaced(tmp_path):
    (tmp_path / "f").write_bytes(bytes(CHUNK))
    assert written(tmp_path / "f", [b"short"]) == b"short"


def test_bytes_of_any_kind_are_taken(tmp_path):
    numbers = memoryview(bytearray(range(8))).cast("I")
    with UncachedFile(tmp_path / "f") as file:
        assert file.write(numbers) == 8
    assert (tmp_path / "f").read_bytes() == bytes(range(8))


def test_it_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    written(tmp_path / "f", [b"x"])
    assert (tmp_path / "f").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.skipif(not DIRECT, reason="this system has no direct writes")
class TestWhereDirectWrites:
    """… are refused by the file system, or end early."""

    @pytest.fixture
    def data(self) -> bytes:
        return os.urandom(CHUNK + 3)

    def test_are_refused_at_once(self, tmp_path, monkeypatch, data):
        opened = os.open

        def refuse(path, flags, *mode):
            if flags & DIRECT:
                raise OSError(errno.EINVAL, "no")
            return opened(path, flags, *mode)

        monkeypatch.setattr(os, "open", refuse)
        assert written(tmp_path / "f", [data]) == data

    def test_are_refused_later(self, tmp_path, monkeypatch, data):
        import fcntl

        write = os.write

        def refuse(file, chunk):
            if fcntl.fcntl(file, fcntl.F_GETFL) & DIRECT:
                raise OSError(errno.EINVAL, "no")
            return write(file, chunk)

        monkeypatch.setattr(os, "write", refuse)
        assert written(tmp_path / "f", [data]) == data

    @pytest.mark.parametrize("step", [BLOCK, BLOCK + 5, CHUNK - 1])
    def test_end_early(self, tmp_path, monkeypatch, data, step):
        write = os.write
        monkeypatch.setattr(os, "write", lambda file, chunk: write(file, chunk[:step]))
        assert written(tmp_path / "f", [data]) == data


@pytest.mark.parametrize("size", [1, CHUNK])
def test_a_full_disk_is_reported_and_the_file_closed(tmp_path, monkeypatch, size):
    def full(file, chunk):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    closed = []
    close = os.close
    monkeypatch.setattr(os, "close", lambda file: closed.append(file) or close(file))
    with pytest.raises(OSError, match="No space"), UncachedFile(tmp_path / "f") as file:
        file.write(bytes(size))
    assert closed == [file._file]


def test_a_folder_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(FileNotFoundError):
        UncachedFile(tmp_path / "none" / "f")
