"""The group `augment`: random changes of training images."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat

from artculture.config.schema.nodes import Node, node_mistakes
from artculture.config.schema.section import Section, Share
from artculture.utils.targets import is_target


class Mix(Section):
    """Mixing of each image of a batch with another one of it.

    Attributes:
        mixup: alpha of MixUp's Beta distribution; 0 for none.
        cutmix: alpha of CutMix's Beta distribution; 0 for none. With both, each batch takes one of them.
        probability: share of the batches that are mixed.
    """

    mixup: NonNegativeFloat = 0.0
    cutmix: NonNegativeFloat = 0.0
    probability: Share = 1.0


class Augment(Section):
    name: str
    crop_scale: list[Annotated[float, Field(gt=0, le=1)]] | None
    crop_ratio: list[PositiveFloat] | None
    flip: bool
    jitter: Share
    erase: Share
    mix: Mix | None = None
    transforms: list[Node]


def augment_contradictions(augment: Augment, *, features_cached: bool) -> Iterator[tuple[str, str]]:
    """Yield what is wrong about the augmentation, as (key, what is wrong and the fix)."""
    if (augment.crop_scale is None) != (augment.crop_ratio is None):
        yield "augment.crop_scale", "and augment.crop_ratio go together: set both or neither"
    for key in ("crop_scale", "crop_ratio"):
        pair = getattr(augment, key)
        if pair is not None and (len(pair) != 2 or pair[0] > pair[1]):
            yield f"augment.{key}", f"is {pair}; give [smallest, largest]"
    for number, transform in enumerate(augment.transforms):
        if not is_target(transform):
            yield f"augment.transforms.{number}", "needs a _target_: the class of a transform"
        yield from node_mistakes(f"augment.transforms.{number}", transform)
    if augment.mix is None:
        return
    if augment.mix.mixup == augment.mix.cutmix == 0:
        yield "augment.mix", "mixes nothing: give mixup or cutmix, as in augment.mix={mixup:0.2,cutmix:1.0}, or null"
    if features_cached:
        yield (
            "augment.mix",
            "mixes images, but method.features=cached trains on features of single images: method.features=recompute, "
            "or augment.mix=null",
        )
