"""What goes together with `method=probe`."""

from collections.abc import Iterator

from artculture.config.schema.balance import Balance, BalancedSoftmax, ClassWeights, LogitAdjustment, Unbalanced
from artculture.config.schema.data import Data, label_names, ordinal_names
from artculture.config.schema.model import Probe


def probe_contradictions(method: Probe, balance: Balance, data: Data, resume: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong about a probe together with other values, as (key, what is wrong and the fix)."""
    if not isinstance(balance, Unbalanced | ClassWeights | LogitAdjustment | BalancedSoftmax):
        yield (
            f"balance={balance.name}",
            "is of training by steps, which method=probe does without: use class_weights, logit_adjustment, "
            "half_logit_adjustment, balanced_softmax or none",
        )
    elif method.classifier == "nearest_mean" and not isinstance(balance, Unbalanced):
        yield (
            f"balance={balance.name}",
            "has no meaning for method.classifier=nearest_mean, where each class counts the same: use balance=none",
        )
    if len(label_names(data)) > 1 or ordinal_names(data):
        yield "data.labels", "and data.ordinal are for trained heads, and method=probe fits one label: use data.label"
    if resume not in ("auto", "never", "must"):
        yield (
            f"resume={resume}",
            "continues another run's training, and method=probe has none: to use its backbone, give "
            "architecture.weights=RUN/checkpoints/best.ckpt",
        )
