"""Load what `checkpoint=…` names as a model that predicts, whatever runs it."""

from collections.abc import Sequence
from pathlib import Path

from artculture.config.schema.checkpoint_commands import InferencePrecision
from artculture.evaluation.inference import EnsembleModel, InferenceModel, TorchModel
from artculture.models import ensemble
from artculture.models.checkpoint import check_takes_pictures
from artculture.models.label_view import of_label
from artculture.training.checkpoint_source import checkpoint_file
from artculture.utils.errors import InputError


def load_model(
    checkpoint: str | Path,
    device: str = "auto",
    trust: Sequence[str] = (),
    *,
    all_labels: bool = False,
    precision: InferencePrecision = "float32",
) -> InferenceModel:
    """Return the classifier or ensemble of a checkpoint, or of an exported ONNX file, ready to predict.

    Args:
        checkpoint: see `checkpoint_file`.
        device: `auto`, `cpu` or `gpu`.
        trust: packages other than this one that a checkpoint may import.
        all_labels: give the logits of all labels of a checkpoint of several, side by side; else of the primary one.
        precision: of a checkpoint's network; an exported file has its own.

    Raises:
        InputError: it can't be had or read.
    """
    file = checkpoint_file(checkpoint)
    if file.suffix == ".onnx":
        if precision != "float32":
            raise InputError(f"precision={precision}: {file} has its own precision; give the checkpoint")
        from artculture.serving.onnx_model import OnnxModel

        return OnnxModel(file, device)
    if file.suffix == ".pt2":
        raise InputError(f"{file} is a program for torch.export.load; give the checkpoint or an ONNX file")
    loaded = ensemble.load_model(file, trust)
    check_takes_pictures(ensemble.members_of(loaded)[0], file)
    if isinstance(loaded, ensemble.EnsembleClassifier):
        return EnsembleModel(loaded, device, str(file), precision)
    classifier = loaded if all_labels else of_label(loaded, loaded.tasks[0].name)
    return TorchModel(classifier, device, str(file), precision)
