from pathlib import Path

import pytest

from artculture.training import checkpoint_source
from artculture.training.checkpoint_source import checkpoint_file, checkpoint_label
from artculture.utils.errors import InputError


def test_a_file_is_itself_and_a_run_directory_its_best(tmp_path):
    assert checkpoint_file(tmp_path / "a.ckpt") == tmp_path / "a.ckpt"
    assert checkpoint_file(str(tmp_path)) == tmp_path / "checkpoints" / "best.ckpt"


def test_a_published_folder_is_its_weights(tmp_path):
    weights = tmp_path / "published" / "model.safetensors"
    weights.parent.mkdir()
    weights.touch()
    assert checkpoint_file(weights.parent) == weights
    assert checkpoint_label(weights) == "published"
    assert checkpoint_label(tmp_path / "a.ckpt") == "a"


def test_an_address_goes_to_its_scheme_unless_such_a_file_exists(tmp_path, monkeypatch):
    monkeypatch.setitem(checkpoint_source.SCHEMES, "hf", lambda rest: Path("/downloaded") / rest)
    assert checkpoint_file("hf:name/model@v1") == Path("/downloaded/name/model@v1")
    (tmp_path / "hf:here").touch()
    assert checkpoint_file("hf:here") == Path("hf:here")
    assert checkpoint_file("C:\\a.ckpt") == Path("C:\\a.ckpt")


@pytest.mark.parametrize(
    ("text", "says"),
    [("hff:name/model", "did you mean `hf`?"), ("hf:model", "give hf:name/model or"), ("hf:a/b@c d", "hf:name/model@")],
)
def test_mistakes_in_an_address(text, says):
    with pytest.raises(InputError) as caught:
        checkpoint_file(text)
    assert says in str(caught.value)
