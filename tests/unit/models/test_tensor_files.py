import errno
import os

import pytest
import torch

from artculture.models.tensor_files import save_whole

CONTENT = {"weights": torch.arange(5_000_000, dtype=torch.float32), "name": "a"}


def test_what_is_saved_is_read_back(tmp_path):
    save_whole(CONTENT, tmp_path / "a.ckpt")
    read = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert torch.equal(read["weights"], CONTENT["weights"])
    assert read["name"] == "a"


def test_the_file_before_is_kept_where_it_is_asked_for(tmp_path):
    save_whole({"n": 1}, tmp_path / "a.ckpt", keep=tmp_path / "before.ckpt")
    assert not (tmp_path / "before.ckpt").exists()
    save_whole({"n": 2}, tmp_path / "a.ckpt", keep=tmp_path / "before.ckpt")
    assert torch.load(tmp_path / "before.ckpt", weights_only=True) == {"n": 1}
    assert torch.load(tmp_path / "a.ckpt", weights_only=True) == {"n": 2}


@pytest.mark.parametrize("room", [0, 10_000_000])
def test_a_full_disk_names_the_file_and_leaves_the_one_before(tmp_path, monkeypatch, room):
    save_whole({"n": 1}, tmp_path / "a.ckpt")
    write, left = os.write, [room]

    def fill(file, chunk):
        left[0] -= len(chunk)
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, chunk)

    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(OSError, match="No space left") as found:
        save_whole(CONTENT, tmp_path / "a.ckpt")
    monkeypatch.undo()
    assert found.value.errno == errno.ENOSPC
    assert found.value.filename == str(tmp_path / "a.ckpt")
    assert torch.load(tmp_path / "a.ckpt", weights_only=True) == {"n": 1}
    assert list(tmp_path.iterdir()) == [tmp_path / "a.ckpt"]
