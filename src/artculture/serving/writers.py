"""Writers of exported programs: ONNX in three precisions, and torch's own format."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artculture.models.classifier import CultureClassifier
from artculture.serving.export_graph import INPUT, METADATA, OUTPUTS, ExportedNetwork, example
from artculture.serving.onnx_model import INSTALL_HINT
from artculture.utils.errors import InputError, WorkError, reason_of
from artculture.utils.io import json_text, replacing

# Operators that compute in int8: what a convolutional network consists of.
STATIC_OPERATORS = ("Conv", "Gemm", "MatMul", "Add", "Clip", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool")
# Of a transformer, nearly all time is spent in these.
DYNAMIC_OPERATORS = ("MatMul", "Gemm")


PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that write and run ONNX, as far as installed."""
    return {name: version(name) for name in PACKAGES if find_spec(name)}


def check_packages() -> None:
    """Check that what writes ONNX is installed.

    Raises:
        InputError: naming what is missing.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(f"format=onnx needs {', '.join(missing)}: {INSTALL_HINT}")


def write_torch_export(classifier: CultureClassifier, path: Path, facts: dict[str, Any], *, half: bool = False) -> None:
    """Write a program for `torch.export.load`, with its description as the extra file `artculture`."""
    program = _exported(classifier, half=half)
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)  # holds paths
    # As an open file: torch wants its own suffix in a path.
    with replacing(path) as temporary, _quiet(), temporary.open("wb") as file:
        torch.export.save(program, file, extra_files={METADATA: json_text(facts)})


def read_torch_export(path: Path) -> Callable[[Tensor], Sequence[Tensor]]:
    """Return the function of a program of ours, from images to `OUTPUTS`."""
    with _quiet(), path.open("rb") as file:
        module: Callable[[Tensor], Sequence[Tensor]] = torch.export.load(file).module()
    return module


def write_onnx(classifier: CultureClassifier, path: Path, facts: dict[str, Any], *, half: bool = False) -> None:
    """Write an ONNX file with its description as the property `artculture`."""
    program = _exported(classifier, half=half)
    with replacing(path) as temporary:
        try:
            with _quiet():
                found = torch.onnx.export(
                    program, input_names=[INPUT], output_names=list(OUTPUTS), dynamo=True, verbose=False
                )
            assert found is not None
            _save(found.model_proto, temporary, facts)
        except Exception as error:  # the exporter raises many kinds
            raise WorkError(f"the network can't be written as ONNX: {reason_of(error)}") from error


def write_int8(source: Path, path: Path, facts: dict[str, Any], calibration: Iterator[Tensor] | None) -> None:
    """Write an ONNX file with weights in int8, made from one in float32.

    Args:
        source: file of `write_onnx`.
        path: file to write.
        facts: description of the file.
        calibration: batches of pictures, by which the ranges of activations are chosen once; None quantizes
            activations with the range of each batch.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    with TemporaryDirectory(prefix="artculture-") as folder, _quiet():
        made = Path(folder) / "int8.onnx"
        common: dict[str, Any] = {"per_channel": True, "weight_type": QuantType.QInt8}
        if calibration is None:
            quantize_dynamic(source, made, op_types_to_quantize=list(DYNAMIC_OPERATORS), **common)
        else:
            quantize_static(
                source,
                made,
                _Reader(calibration),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                op_types_to_quantize=list(STATIC_OPERATORS),
                extra_options={"MatMulConstBOnly": True},
                **common,
            )
        with replacing(path) as temporary:
            _save(onnx.load(made), temporary, facts)


def has_more_convolutions(source: Path) -> bool:
    """Return whether an ONNX file has more convolutions than layers of matrix products, and so is no transformer."""
    import onnx

    graph = onnx.load(source).graph
    weights = {tensor.name for tensor in graph.initializer}
    # The statistics of a probe have products without weights.
    kinds = [node.op_type for node in graph.node if weights.intersection(node.input)]
    return kinds.count("Conv") > kinds.count("MatMul")


class _Reader:
    """Batches in the form that ONNX Runtime's calibration reads them."""

    def __init__(self, batches: Iterator[Tensor]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch.numpy()}

    def set_range(self, start_index: int, end_index: int) -> None:
        raise NotImplementedError


def _exported(classifier: CultureClassifier, *, half: bool) -> torch.export.ExportedProgram:
    module = ExportedNetwork(classifier, half=half).eval()
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(
                module, (example(classifier),), dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}}, strict=False
            )
    except Exception as error:  # a network of the user's own may do anything in `forward`
        raise WorkError(
            f"the network can't be exported with any number of pictures: {reason_of(error)} "
            "(ARTCULTURE_DEBUG=1 shows where)"
        ) from error


def _save(model: Any, path: Path, facts: dict[str, Any]) -> None:
    import onnx

    onnx.helper.set_model_props(model, {METADATA: json_text(facts)})
    # Where in this program an operator comes from is of no use to others, and holds paths.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for function in model.functions:
        for node in function.node:
            del node.metadata_props[:]
    onnx.checker.check_model(model)
    onnx.save(model, path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep exporters from warning about their own insides."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx", "torch.export", "root")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
