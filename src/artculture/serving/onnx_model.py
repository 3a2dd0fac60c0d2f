"""An exported ONNX file run by ONNX Runtime, with the interface of every other classifier."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artculture.data.transforms import Preprocessing
from artculture.evaluation.inference import InferenceModel
from artculture.serving.export_graph import EXPORT_FORMAT, INPUT, METADATA, OUTPUTS
from artculture.utils import hardware
from artculture.utils.errors import InputError, reason_of
from artculture.utils.label_words import CULTURE, LabelWords

INSTALL_HINT = "pip install 'artculture[export]'"
# ONNX Runtime's level for errors: below it, it prints remarks on every graph.
LOG_ERRORS = 3


class OnnxModel(InferenceModel):
    """A file written by `artculture export format=onnx`.

    Args:
        path: the file.
        device: `auto`, `cpu` or `gpu`.

    Raises:
        InputError: no such file, not one of ours, no onnxruntime, or one without a GPU for `device=gpu`.

    Attributes:
        description: what the file says of itself.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        if not path.is_file():
            raise InputError(f"no exported model at {path}")
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise InputError(f"{path} is run by onnxruntime: {INSTALL_HINT}") from error
        self.name = str(path)
        options = ort.SessionOptions()
        options.log_severity_level = LOG_ERRORS
        # The threads that torch would take, which the environment may limit.
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self.session = ort.InferenceSession(str(path), options, providers=_providers(ort, device))
        except InputError:
            raise
        except Exception as error:  # onnxruntime has an exception for each of its error codes
            raise InputError(f"{path} can't be read as an ONNX model: {reason_of(error)}") from error
        self.description = _description(self.session, path)
        try:
            self.classes = tuple(str(name) for name in self.description["classes"])
            self.preprocessing = Preprocessing.from_plain(self.description["preprocessing"])
            self.temperature = float(self.description["temperature"])
            self.words = LabelWords(str(self.description.get("label_name", CULTURE)))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} lacks classes, preprocessing or temperature ({reason_of(error)})") from error

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        size = self.preprocessing.image_size
        if tuple(images.shape[2:]) != (size, size):
            shape = " x ".join(map(str, images.shape[2:]))
            raise InputError(f"{self.name} takes pictures of {size} x {size}, not {shape}: give its checkpoint instead")
        features, logits = self.session.run(["features", "logits"], {INPUT: images.numpy()})
        return torch.from_numpy(features), torch.from_numpy(logits)

    def run(self, images: Tensor) -> dict[str, np.ndarray[Any, Any]]:
        """Return all outputs of the graph by name, float32; its probabilities are calibrated."""
        return dict(zip(OUTPUTS, self.session.run(list(OUTPUTS), {INPUT: images.numpy()}), strict=True))


def _providers(ort: Any, device: str) -> list[str]:
    cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if device == "gpu" and not cuda:
        raise InputError("device=gpu: this onnxruntime has no CUDA; install onnxruntime-gpu, or give device=cpu")
    gpu = cuda and device != "cpu" and hardware.checked_accelerator(device) == "gpu"
    return [*(["CUDAExecutionProvider"] if gpu else []), "CPUExecutionProvider"]


def _description(session: Any, path: Path) -> dict[str, Any]:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA, "")
    try:
        values = json.loads(text or "null")
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InputError(f"{path} was not written by artculture: export the checkpoint with `artculture export`")
    if values.get("format") != EXPORT_FORMAT:
        raise InputError(f"{path} has format {values.get('format')}, this version reads {EXPORT_FORMAT}: export again")
    if [entry.name for entry in session.get_inputs()] != [INPUT]:
        raise InputError(f"{path} does not take `{INPUT}` alone: export the checkpoint again")
    return values
