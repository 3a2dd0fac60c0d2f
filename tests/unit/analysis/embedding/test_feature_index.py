import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artculture import cli
from artculture.analysis.embedding.feature_index import FACTS, VECTORS, open_index
from artculture.analysis.embedding.features import compute_embeddings
from artculture.analysis.loading import load_model_under_study
from artculture.serving.loading import load_model
from artculture.utils.errors import InputError
from artculture.utils.io import file_sha256


@pytest.mark.parametrize("approximate", [False, True])
def test_an_index_finds_the_training_painting_itself(run, pictures, capsys, approximate):
    if approximate:
        pytest.importorskip("faiss")
    typed = ["index", f"checkpoint={run.path}", "output=index", f"approximate={str(approximate).lower()}"]
    assert cli.main(typed) == 0
    index = open_index(run.path.parents[2] / "index", file_sha256(run.best))
    stored = pd.read_csv(run.split, dtype=str)
    assert len(index) == (stored["split"] == "train").sum()
    assert set(index.paintings["split"]) == {"train"}

    model = load_model(run.best, "cpu")
    painting = index.paintings.iloc[3]
    image = model.prepare(pictures / f"{painting['object_id']}.png")
    found = index.search(model.features_and_logits(image[None])[0].numpy(), 5)
    assert found.positions[0, 0] == 3
    assert found.similarities[0, 0] == pytest.approx(1, abs=1e-5)
    assert (np.diff(found.similarities[0]) <= 0).all()
    assert Image.open(io.BytesIO(index.thumbnail(3))).format == "JPEG"
    assert index.search(np.zeros((2, index.facts["features"]), dtype=np.float32), 1000).positions.shape == (
        2,
        len(index),
    )


def test_an_index_that_does_not_fit_is_refused(run, tmp_path):
    assert cli.main(["index", f"checkpoint={run.path}", "split=all"]) == 0
    folder = run.path / "index"
    assert len(open_index(folder)) == len(compute_embeddings(load_model_under_study(run.path)).labels)
    with pytest.raises(InputError, match="another checkpoint"):
        open_index(folder, "0" * 64)
    np.save(folder / VECTORS, np.zeros((2, 3), dtype=np.float32))
    with pytest.raises(InputError, match="do not belong together"):
        open_index(folder)
    (folder / VECTORS).write_bytes(b"")
    with pytest.raises(InputError, match="is damaged"):
        open_index(folder)
    (folder / FACTS).unlink()
    with pytest.raises(InputError, match="no feature index in"):
        open_index(folder)
