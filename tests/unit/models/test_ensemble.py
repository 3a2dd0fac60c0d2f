from dataclasses import replace

import numpy as np
import pytest
import torch

from artculture.evaluation.calibration import softmax
from artculture.evaluation.inference import inference_model
from artculture.models.checkpoint import load_classifier
from artculture.models.ensemble import MemberCheckpoint, ensemble_content, geometry, load_model
from artculture.models.published import read_published, write_published
from artculture.models.tensor_files import save_whole
from artculture.utils.errors import InputError

WEIGHTS = (3.0, 1.0)


def checkpoint(module):
    content = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hyper)}
    module.on_save_checkpoint(content)
    return content


@pytest.fixture
def members(make):
    """Two networks of different image sizes and temperatures."""
    built = [make(), make(image_size=40)]
    built[0].temperature = 2.0
    return [module.eval() for module in built]


@pytest.fixture
def saved(members, tmp_path):
    parts = [
        MemberCheckpoint(f"run{number}", weight, tmp_path / "a.ckpt", checkpoint(module))
        for number, (module, weight) in enumerate(zip(members, WEIGHTS, strict=True))
    ]
    content = ensemble_content(parts)
    content["artculture"]["temperature"] = 0.5
    save_whole(content, tmp_path / "ensemble.ckpt")
    return tmp_path / "ensemble.ckpt"


def mean_of(members, images):
    pairs = zip(members, images, strict=True)
    chances = [softmax(one(given).detach().numpy(), one.temperature) for one, given in pairs]
    return np.average(chances, axis=0, weights=WEIGHTS)


def test_one_file_predicts_the_mean_of_its_members(members, saved):
    ensemble = load_model(saved)
    images = [torch.randint(0, 256, (5, 3, size, size), dtype=torch.uint8) for size in (32, 40)]
    with torch.no_grad():
        given = ensemble(images)
    assert given.softmax(dim=1).numpy() == pytest.approx(mean_of(members, images), abs=1e-5)
    assert (ensemble.temperature, ensemble.names, ensemble.weights) == (0.5, ("run0", "run1"), [0.75, 0.25])


def test_each_member_sees_the_picture_in_its_own_size(members, saved):
    model = inference_model(load_model(saved), "cpu")
    pixels = [np.random.default_rng(0).integers(0, 256, (k.resize, k.resize, 3), dtype=np.uint8) for k in model.kinds]
    images = torch.stack([model.assemble(pixels)] * 2)
    crops = [torch.stack([one.assemble([each])] * 2) for one, each in zip(model.members, pixels, strict=True)]
    mean = mean_of(members, crops)
    assert model.probabilities(images) == pytest.approx(softmax(np.log(mean), 0.5), abs=1e-5)


def test_it_can_be_published(saved, tmp_path):
    content = torch.load(saved, weights_only=True)
    again = read_published(write_published(content, tmp_path / "model.safetensors"))
    assert again["hyper_parameters"] == content["hyper_parameters"]
    assert again["state_dict"].keys() == content["state_dict"].keys()
    assert load_model(tmp_path / "model.safetensors").names == ("run0", "run1")


def test_where_a_single_network_is_needed_an_ensemble_is_refused(saved):
    with pytest.raises(InputError, match="an ensemble of several networks"):
        load_classifier(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": -1.0}, "positive weights"),
        ({"weight": "heavy"}, "does not hold an ensemble of this version"),
        ({"classes": ["x", "y", "z"]}, "classes"),
        ({"head": {"_target_": "os.system", "command": "id"}}, "trust="),
    ],
)
def test_a_file_with_anything_in_it_is_one_message(saved, change, message):
    content = torch.load(saved, weights_only=True)
    entry = content["hyper_parameters"]["members"][1]
    (entry if "weight" in change else entry["hyper_parameters"]).update(change)
    torch.save(content, saved)
    with pytest.raises(InputError, match=message):
        load_model(saved)


def test_kinds_of_preprocessing_are_distinguished_by_pixels_alone(make, saved):
    ensemble = load_model(saved)
    other = replace(ensemble.classifiers[0].preprocessing, mean=(0.1, 0.2, 0.3))
    assert len(ensemble.preprocessings) == 2
    assert replace(other, mean=(0.0,) * 3, std=(1.0,) * 3) in ensemble.preprocessings
    letterbox = replace(other, fit="letterbox")
    assert geometry(letterbox) == replace(letterbox, std=(1.0,) * 3)  # which is filled with the mean
