"""The group `balance`: what corrects for cultures with few paintings."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat

from artculture.config.schema.section import Section
from artculture.utils.targets import is_target


class Unbalanced(Section):
    name: Literal["none"]


class ClassWeights(Section):
    """Weights of the loss.

    Attributes:
        beta: of the effective number of paintings; None for the inverse of their number, the limit for 1.
    """

    name: Literal["class_weights"]
    beta: Annotated[float, Field(ge=0, lt=1)] | None


class ClassSampler(Section):
    """Sampling of cultures.

    Attributes:
        exponent: a culture of n paintings is drawn in proportion to n to this power.
    """

    name: Literal["balanced_sampler", "sqrt_sampler"]
    exponent: Annotated[float, Field(ge=0, lt=1)]


class LogitAdjustment(Section):
    name: Literal["logit_adjustment", "half_logit_adjustment"]
    tau: PositiveFloat


class BalancedSoftmax(Section):
    name: Literal["balanced_softmax"]


class Focal(Section):
    name: Literal["focal"]
    gamma: PositiveFloat


Balance = Annotated[
    Unbalanced | ClassWeights | ClassSampler | LogitAdjustment | BalancedSoftmax | Focal,
    Field(discriminator="name"),
]
UNBALANCED = Unbalanced(name="none")


def balance_contradictions(balance: Balance, loss: Any) -> Iterator[tuple[str, str]]:
    """Yield what is wrong about a balance together with the loss, as (key, what is wrong and the fix)."""
    if isinstance(balance, Unbalanced) or not is_target(loss):
        return
    if not isinstance(balance, ClassSampler):
        yield (
            f"balance={balance.name}",
            "changes the built-in loss, but loss._target_ is a loss of your own: use loss=cross_entropy, "
            "balance=balanced_sampler, or balance=none with a loss that balances by itself",
        )
    elif loss.get("weight") is not None:
        yield f"balance={balance.name}", "and loss.weight both correct for the same imbalance: use one of them"
