"""Load what `checkpoint=…` names as a model that predicts, whatever runs it."""

from collections.abc import Sequence
from pathlib import Path

from artculture.evaluation.inference import InferenceModel, TorchModel
from artculture.models.checkpoint import load_all_labels, load_classifier
from artculture.training.checkpoint_source import checkpoint_file
from artculture.utils.errors import InputError


def load_model(
    checkpoint: str | Path, device: str = "auto", trust: Sequence[str] = (), *, all_labels: bool = False
) -> InferenceModel:
    """Return the classifier of a checkpoint or of an exported ONNX file, ready to predict.

    Args:
        checkpoint: see `checkpoint_file`.
        device: `auto`, `cpu` or `gpu`.
        trust: packages other than this one that a checkpoint may import.
        all_labels: give the logits of all labels of a checkpoint of several, side by side; else of the primary one.

    Raises:
        InputError: it can't be had or read.
    """
    file = checkpoint_file(checkpoint)
    if file.suffix == ".onnx":
        from artculture.serving.onnx_model import OnnxModel

        return OnnxModel(file, device)
    if file.suffix == ".pt2":
        raise InputError(f"{file} is a program for torch.export.load; give the checkpoint or an ONNX file")
    classifier = load_all_labels(file, trust) if all_labels else load_classifier(file, trust)
    return TorchModel(classifier, device, str(file))
