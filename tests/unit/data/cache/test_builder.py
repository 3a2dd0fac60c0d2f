import numpy as np
import pytest

from artculture.data.cache import builder
from artculture.data.cache.builder import PartialCache


def test_an_error_of_the_disk_while_images_are_decoded_ends_the_build(tmp_path, monkeypatch):
    errors = iter([OSError(5, "Input/output error")])

    def fsync(_):
        if (error := next(errors, None)) is not None:
            raise error

    monkeypatch.setattr(builder.os, "fsync", fsync)
    monkeypatch.setattr(builder, "FLUSHED_BYTES", 1)
    with PartialCache(tmp_path) as partial:
        partial.append(np.zeros((2, 2, 3), np.uint8), "a")
        with pytest.raises(OSError, match="Input/output error"):
            partial.finish()
    assert not (tmp_path / "index.json").exists()
