"""A trained classifier as one safetensors file: its tensors, and in the header all else that rebuilds it."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from artculture.models.uncertainty import UNCERTAINTY
from artculture.utils.errors import InputError, reason_of
from artculture.utils.io import json_text, replacing

SUFFIX = ".safetensors"
HEADER = "artculture"
# What of a checkpoint's own entry is published; the rest says how the run was made.
PUBLISHED = (
    "format",
    "classes",
    "preprocessing",
    "temperature",
    "labels",
    "labels",
    "weights",
    "pretrained",
    "imagenet",
    "untouched",
)


def description(content: dict[str, Any]) -> dict[str, Any]:
    """Return what rebuilds the classifier of a checkpoint other than its tensors, JSON values."""
    ours = content["artculture"]
    return {
        "hyper_parameters": content["hyper_parameters"],
        "artculture": {key: ours[key] for key in PUBLISHED if key in ours},
    }


def write_published(content: dict[str, Any], path: Path) -> Path:
    """Write a checkpoint's classifier as a safetensors file, atomically; return its path."""
    from safetensors.torch import save

    named = dict(content["state_dict"])
    named |= {f"{UNCERTAINTY}.{name}": tensor for name, tensor in content.get(UNCERTAINTY, {}).items()}
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in named.items()}
    header = {"format": "pt", HEADER: json_text(description(content), sort_keys=True)}
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, header))
    return path


def read_published(path: Path) -> dict[str, Any]:
    """Return the content of such a file in the form of a checkpoint.

    Raises:
        InputError: no safetensors file, or none of a classifier of artculture.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # bytes that are no such file make the reader raise many kinds
        raise InputError(f"{path} can't be read as a safetensors file: {reason_of(error)}") from error
    try:
        content = json.loads(header.get(HEADER, "null"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: its description is not JSON ({reason_of(error)})") from error
    if not isinstance(content, dict) or not isinstance(content.get("hyper_parameters"), dict):
        raise InputError(
            f"{path} holds weights alone, no classifier of artculture: `artculture publish` writes whole ones, and "
            f"architecture.weights={path} starts a training from weights"
        )
    prefix = f"{UNCERTAINTY}."
    known = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    weights = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    return {**content, "state_dict": weights, **({UNCERTAINTY: known} if known else {})}
