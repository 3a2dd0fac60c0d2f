import zipfile
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from artculture.evaluation.inference import TorchModel
from artculture.models.classifier import CultureClassifier
from artculture.serving import writers
from artculture.serving.export_graph import INPUT, metadata
from artculture.serving.loading import load_model
from artculture.serving.onnx_model import OnnxModel
from artculture.utils.errors import InputError

PICTURES = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class TinyBackbone(nn.Sequential):
    """Two convolutions: exporting a network of timm takes ten times as long."""

    def __init__(self) -> None:
        pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
        super().__init__(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), *pool)


TINY = {"_target_": f"{TinyBackbone.__module__}.TinyBackbone"}


def classifier_of(backbone: str) -> CultureClassifier:
    torch.manual_seed(0)
    library, node, size = ("timm", None, None) if backbone != "tiny" else ("custom", TINY, 32)
    classifier = CultureClassifier(
        backbone, library, ("blue", "green", "red"), size, backbone_node=node, channels_last=True
    )
    classifier.temperature = 0.05  # sharp, so that differences show
    return classifier.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    classifier = classifier_of("tiny")
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    writers.write_onnx(classifier, path, metadata(classifier, license="cc0-1.0"))
    return classifier, path


def test_onnx_gives_the_same_probabilities_for_any_number_of_pictures(exported):
    classifier, path = exported
    model, reference = load_model(path, "cpu"), TorchModel(classifier, "cpu")
    assert isinstance(model, OnnxModel)
    for count in (1, 5):
        expected = reference.probabilities(PICTURES[:count])
        assert abs(model.probabilities(PICTURES[:count]) - expected).max() < 1e-5
        assert abs(model.run(PICTURES[:count])["probabilities"] - expected).max() < 1e-5
        features = reference.features_and_logits(PICTURES[:count])[0]
        assert torch.allclose(model.features_and_logits(PICTURES[:count])[0], features, atol=1e-5)


def test_onnx_says_what_it_is_and_nothing_of_this_machine(exported):
    classifier, path = exported
    model = OnnxModel(path, "cpu")
    assert (model.classes, model.temperature) == (classifier.classes, 0.05)
    assert model.preprocessing == classifier.preprocessing
    assert model.description["license"] == "cc0-1.0"
    assert b"site-packages" not in path.read_bytes()
    assert str(path.parent).encode() not in path.read_bytes()


@pytest.mark.parametrize("calibrated", [True, False])
def test_int8_is_smaller_and_near(exported, tmp_path, calibrated):
    classifier, source = exported
    facts, path = metadata(classifier, precision="int8"), tmp_path / "int8.onnx"
    writers.write_int8(source, path, facts, iter([PICTURES]) if calibrated else None)
    model, expected = OnnxModel(path, "cpu"), TorchModel(classifier, "cpu").features_and_logits(PICTURES)[1]
    assert model.description["precision"] == "int8"
    assert path.stat().st_size < source.stat().st_size
    given = model.features_and_logits(PICTURES)[1]
    assert 0 < (given - expected).abs().max() < 0.2 * expected.abs().max()


def test_a_network_with_more_convolutions_is_known(exported):
    assert writers.has_more_convolutions(exported[1])


@pytest.mark.parametrize("half", [False, True])
def test_a_probe_with_covariances_is_exported(tmp_path, half):
    torch.manual_seed(0)
    options = {"backbone_node": TINY, "method": "probe", "stage_statistics": "covariances"}
    classifier = CultureClassifier("tiny", "custom", ["a", "b"], 32, **options).eval()
    features, logits = TorchModel(classifier, "cpu").features_and_logits(PICTURES)
    for path, write in ((tmp_path / "a.onnx", writers.write_onnx), (tmp_path / "a.pt2", writers.write_torch_export)):
        write(classifier, path, metadata(classifier), half=half)
        if path.suffix == ".onnx":
            assert writers.has_more_convolutions(path)
            given = OnnxModel(path, "cpu").features_and_logits(PICTURES)
        else:
            given = writers.read_torch_export(path)(PICTURES)[:0:-1]
        assert torch.allclose(given[0], features, rtol=0, atol=5e-3 if half else 1e-4)
        assert torch.allclose(given[1], logits, rtol=0, atol=5e-2 if half else 1e-4)


@torch.no_grad()
def test_bfloat16_is_for_the_backbone_alone():
    torch.manual_seed(0)
    options = {"backbone_node": TINY, "method": "probe", "stage_statistics": "covariances"}
    classifier = CultureClassifier("tiny", "custom", ["a", "b"], 32, **options).eval()
    features, logits = TorchModel(classifier, "cpu", precision="bfloat16").features_and_logits(PICTURES)
    assert torch.equal(logits, classifier.network.head(features))
    exact = TorchModel(classifier, "cpu").features_and_logits(PICTURES)[0]
    assert 0 < (features - exact).abs().max() < 0.02 * exact.abs().max()


def foreign(path, **properties):
    value = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["batch", 3, 8, 8])
    output = helper.make_tensor_value_info("logits", TensorProto.UINT8, ["batch", 3, 8, 8])
    graph = helper.make_graph([helper.make_node("Identity", [INPUT], ["logits"])], "foreign", [value], [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, properties)
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({}, "was not written by artculture"),
        ({"artculture": "[" * 10_000}, "was not written by artculture"),
        ({"artculture": '{"format": 99}'}, "has format 99"),
        ({"artculture": '{"format": 1, "classes": ["a"]}'}, "lacks classes, preprocessing or temperature"),
    ],
)
def test_models_of_others_are_refused(tmp_path, properties, says):
    foreign(tmp_path / "a.onnx", **properties)
    with pytest.raises(InputError, match=says):
        load_model(tmp_path / "a.onnx", "cpu")


def test_files_that_are_no_models(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    for name, says in {
        "a.onnx": "can't be read as an ONNX model",
        "b.onnx": "no exported",
        "c.pt2": "torch.export",
    }.items():
        with pytest.raises(InputError, match=says):
            load_model(tmp_path / name, "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["test_vit", "test_efficientnet", "test_convnext"])
@pytest.mark.parametrize("half", [False, True])
def test_other_networks_and_half_precision(tmp_path, backbone, half):
    classifier, path = classifier_of(backbone), tmp_path / "model.onnx"
    size = classifier.preprocessing.image_size
    pictures = torch.randint(0, 256, (3, 3, size, size), dtype=torch.uint8)
    expected = TorchModel(classifier, "cpu").features_and_logits(pictures)[1]
    writers.write_onnx(classifier, path, metadata(classifier), half=half)
    assert (OnnxModel(path, "cpu").features_and_logits(pictures)[1] - expected).abs().max() < (1e-2 if half else 1e-5)


@pytest.mark.slow
def test_torch_s_own_format(tmp_path):
    classifier = classifier_of("test_vit")
    pictures = torch.randint(0, 256, (3, 3, *[classifier.preprocessing.image_size] * 2), dtype=torch.uint8)
    writers.write_torch_export(classifier, tmp_path / "model.pt2", metadata(classifier))
    with zipfile.ZipFile(tmp_path / "model.pt2") as archive:
        held = b"".join(archive.read(name) for name in archive.namelist())
    assert str(Path(writers.__file__).parents[1]).encode() not in held
    given = writers.read_torch_export(tmp_path / "model.pt2")(pictures)[0].numpy()
    assert abs(given - TorchModel(classifier, "cpu").probabilities(pictures)).max() < 1e-5


def test_the_precision_of_an_exported_file_is_its_own(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"any")
    with pytest.raises(InputError, match=r"a\.onnx has its own precision"):
        load_model(tmp_path / "a.onnx", "cpu", precision="bfloat16")
