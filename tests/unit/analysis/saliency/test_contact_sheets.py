from pathlib import Path

import numpy as np
import pytest
import torch

from artculture.analysis.figure import write_findings
from artculture.analysis.model_under_study import Embeddings, ModelUnderStudy
from artculture.analysis.saliency import contact_sheets as module
from artculture.analysis.saliency.contact_sheets import contact_sheets, most_confident
from artculture.data.data_choice import DataChoice
from artculture.data.paintings import load_paintings
from artculture.models.classifier import CultureClassifier

CLASSES = ("blue", "green", "red")


@pytest.fixture
def model(pictures, tmp_path) -> ModelUnderStudy:
    torch.manual_seed(0)
    classifier = CultureClassifier("test_resnet", "timm", list(CLASSES), image_size=64).eval()
    choice = DataChoice(
        "folder", str(pictures), "stratified", 0, [0.4, 0.2, 0.4], "error", "error", None, str(tmp_path / "cache")
    )
    expected = classifier.preprocessing
    return ModelUnderStudy(
        Path("best.ckpt"), classifier, load_paintings(choice, expected.resize, expected.interpolation), None
    )


@pytest.fixture
def embeddings(model) -> Embeddings:
    """All of blue right, all of green predicted as red, of red one half each; confidence grows with the position."""
    selection = model.paintings.selection
    n = len(selection.labels)
    logits = np.zeros((n, 3), np.float32)
    for i, label in enumerate(selection.labels):
        said = {0: 0, 1: 2, 2: 2 if i % 2 else 1}[int(label)]
        logits[i, said] = 1 + i / n
    ids = selection.manifest.table["object_id"].to_numpy(dtype=str)
    return Embeddings(CLASSES, ids, selection.labels, selection.split, np.zeros((n, 2), np.float32), logits)


def test_the_most_confident_come_first(embeddings):
    right, wrong = most_confident(embeddings, 2, 2)
    test = [i for i in embeddings.members("test") if embeddings.labels[i] == 2]
    assert right.tolist() == [i for i in test if i % 2][::-1][:2]
    assert wrong.tolist() == [i for i in test if not i % 2][::-1][:2]


def test_ties_are_ordered_by_object_id(embeddings):
    embeddings.logits[:] = np.array([9.0, 0.0, 0.0])
    right, _ = most_confident(embeddings, 0, 9)
    assert embeddings.object_id[right].tolist() == sorted(embeddings.object_id[right].tolist())


def test_an_overview_and_one_sheet_per_culture(model, embeddings):
    findings = {finding.name: finding for finding in contact_sheets(model, embeddings, per_culture=2)}
    assert list(findings) == ["feature_maps", "feature_maps_blue", "feature_maps_green", "feature_maps_red"]
    assert "No blue test painting was predicted wrong." in findings["feature_maps_blue"].caption
    assert "No green test painting was predicted right." in findings["feature_maps_green"].caption
    assert findings["feature_maps_red"].numbers == {"right": 2, "wrong": 2}
    table = findings["feature_maps_red"].tables["feature_maps_red"]
    assert table["right"].tolist() == [True, True, False, False]
    assert table["predicted"].tolist() == ["red", "red", "green", "green"]
    assert table["grad_cam_peak_x"].dropna().between(0, 1).all()
    assert findings["feature_maps"].tables["feature_maps"]["culture"].tolist() == list(CLASSES)


@pytest.mark.parametrize(
    ("smooth", "said"), [(True, "between which these pictures interpolate"), (False, "as they are")]
)
def test_captions_state_the_cells_of_the_maps_and_how_they_are_drawn(model, embeddings, smooth, said):
    overview, *sheets = contact_sheets(model, embeddings, per_culture=1, smooth=smooth)
    rows, columns = overview.numbers["map_rows"], overview.numbers["map_columns"]
    assert all(f"{rows} × {columns} cells, " in one.caption and said in one.caption for one in (overview, *sheets))
    # The overview has no Grad-CAM.
    assert ["Grad-CAM" in one.caption for one in (overview, *sheets)] == [False, True, True, True]
    assert sheets[1].alt == "1 taken for red (1)."


def test_only_shown_paintings_are_processed_in_small_batches(model, embeddings, monkeypatch):
    seen = []
    whole = module.last_feature_maps
    monkeypatch.setattr(module, "last_feature_maps", lambda classifier, x: seen.append(len(x)) or whole(classifier, x))
    findings = list(contact_sheets(model, embeddings, per_culture=3))
    assert sum(seen) == sum(finding.numbers["right"] + finding.numbers["wrong"] for finding in findings[1:])
    assert max(seen) <= 8 < sum(seen) < len(embeddings.members("test"))


def test_a_picture_is_the_crop_that_the_network_receives(model, embeddings):
    (shown,) = module._compute_entries(model, embeddings, [5])
    whole = model.paintings.cache.image(int(model.paintings.selection.rows[5]))
    top, left = (round((side - 64) / 2) for side in whole.shape[:2])
    assert np.array_equal(shown.picture, whole[top : top + 64, left : left + 64])


def test_a_culture_without_test_paintings_has_only_a_caption(model, embeddings, tmp_path):
    embeddings.split[embeddings.labels == 1] = "train"
    findings = {finding.name: finding for finding in contact_sheets(model, embeddings, per_culture=1)}
    assert findings["feature_maps_green"].caption == "No green painting is in the test set."
    assert findings["feature_maps_green"].figure is None
    assert len(findings["feature_maps"].tables["feature_maps"]) == 2
    write_findings(tmp_path / "analysis", list(findings.values()), {})
    assert not (tmp_path / "analysis" / "feature_maps_green.png").exists()


def test_glyphs_missing_in_the_font_are_left_out(model, embeddings, tmp_path):
    # matplotlib warns of each missing glyph, and of a formula that it can't read
    model.paintings.selection.manifest.table["title"] = "竹石圖 $Bamboo_{"
    folder = tmp_path / "analysis"
    write_findings(folder, contact_sheets(model, embeddings, per_culture=1), {})
    assert (folder / "feature_maps_red.png").stat().st_size > 1000
    assert "竹石圖" in (folder / "feature_maps_red.csv").read_text()


def test_stems_are_ascii_and_unique():
    assert list(module._slugs(("Old Master", "日本", "old-master")).values()) == [
        "feature_maps_old_master_0",
        "feature_maps_1",
        "feature_maps_old_master_2",
    ]
