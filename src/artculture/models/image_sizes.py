"""Which sizes of picture a backbone takes, tried on torch's meta device, which computes nothing."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from artculture.models.backbones import Backbone, Node, make_backbone, preprocessing_of
from artculture.utils.errors import InputError, reason_of

# The limits of `data.image_size`, pixels.
SMALLEST, LARGEST = 32, 2048
# By what the sizes of a network may differ: patches and strides, and products of the two.
STEPS = (1, 2, 4, 7, 8, 14, 16, 28, 32, 64)

# What a network says against a size; None where it takes it.
Probe = Callable[[int], Exception | None]


def check_image_size(
    name: str, library: str, image_size: int, node: Node | None = None, options: Mapping[str, Any] | None = None
) -> None:
    """Check that a backbone takes pictures of a size, in pixels.

    Args:
        name, library, node, options: the backbone's, as of `make_backbone`.
        image_size: pixels.

    Raises:
        InputError: it does not; the message names sizes that it takes.
    """

    def make(size: int) -> Backbone:
        return make_backbone(name, library, node, options, size)

    probe = _probe(make, image_size, "meta")
    error = probe(image_size)
    if error is None:
        return
    own = preprocessing_of(name, library, node).image_size
    says = f"data.image_size={image_size} does not suit architecture.name={name}"
    if probe(own) is None:
        raise InputError(f"{says} ({reason_of(error)}): {_advice(probe, image_size, own)}") from error
    # Some networks can't be tried without computing.
    probe = _probe(make, image_size, "cpu")
    error = probe(image_size)
    if error is not None:
        works = probe(own) is None
        advice = f"its pretrained weights take data.image_size={own}" if works else "take another architecture.name"
        raise InputError(f"{says} ({reason_of(error)}): {advice}") from error


def _probe(make: Callable[[int], Backbone], asked: int, device: str) -> Probe:
    def made(size: int) -> Backbone:
        with torch.device(device):
            return make(size)

    first = made(asked)

    def probe(size: int) -> Exception | None:
        # Some models are made for one size.
        backbone = made(size) if "img_size" in first.arguments and size != asked else first
        patch = getattr(getattr(backbone.module, "patch_embed", None), "patch_size", None)
        if isinstance(patch, tuple) and size % patch[0]:
            return ValueError(f"{size} px are no multiple of its patches of {patch[0]} px")
        try:
            with torch.inference_mode():
                backbone.module.eval()(torch.zeros(1, 3, size, size, device=device))
        except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
            return error
        return None

    return probe


def _advice(probe: Probe, asked: int, own: int) -> str:
    """The sizes that a network takes, found from its own size, pixels."""
    step = next((step for step in (*STEPS, own) if probe(own + step) is None), None)
    if step is None:
        return f"it takes pictures of {own} px alone, data.image_size={own}"
    smallest = _smallest(probe, own, step)
    if step == 1:
        return f"the smallest size that it takes is data.image_size={smallest}; its pretrained weights are for {own}"
    above = smallest + max(0, -(-(asked - smallest) // step)) * step
    near = [size for size in (above - step, above) if smallest <= size <= LARGEST and probe(size) is None]
    nearest = " or ".join(f"data.image_size={size}" for size in near or [own])
    return f"it takes {smallest} px and steps of {step} px from there: {nearest}; its pretrained weights are for {own}"


def _smallest(probe: Probe, own: int, step: int) -> int:
    """The smallest size that works, by bisection over the steps down from a network's own size."""
    works, fails = 0, (own - SMALLEST) // step + 1
    while fails - works > 1:
        middle = (works + fails) // 2
        if probe(own - middle * step) is None:
            works = middle
        else:
            fails = middle
    return own - works * step
