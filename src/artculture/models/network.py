"""A backbone and a head."""

from collections.abc import Sequence
from typing import Literal, cast

from torch import Tensor, nn

from artculture.config.schema.model import StageStatistics
from artculture.models.lora import has_low_rank
from artculture.models.stage_statistics import vector_with_statistics

# How much of a backbone trains.
Share = Literal["nothing", "last stage", "everything"]


class Network(nn.Module):
    """Backbone and head.

    Attributes:
        backbone: pictures N x 3 x H x W to vectors N x features.
        head: vectors to logits N x classes.

    Args:
        stage_statistics: which statistics of the backbone's stages vectors hold, too.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, *, stage_statistics: StageStatistics = "none") -> None:
        super().__init__()
        self.backbone, self.head, self.stage_statistics = backbone, head, stage_statistics
        self._frozen = False
        self._thawed: frozenset[str] = frozenset()
        self._held: frozenset[str] = frozenset()

    def forward(self, pictures: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.embed(pictures)))

    def embed(self, pictures: Tensor) -> Tensor:
        """Return the vectors before the head, N x features, of pictures N x 3 x H x W."""
        return vector_with_statistics(self.backbone, pictures, self.stage_statistics)

    def freeze_backbone(self, except_for: Sequence[str] = ()) -> None:
        """Keep the backbone as it is, statistics of BatchNorm included, from now on.

        Args:
            except_for: names of backbone layers that keep training (those that got no pretrained weights).
        """
        self._frozen, self._thawed = True, frozenset(except_for)
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad = name.rpartition(".")[0] in self._thawed
        self.train(self.training)

    def hold_backbone(self, all_but: Share) -> tuple[nn.Parameter, ...]:
        """Keep layers of the backbone in eval mode until the next call, and return their parameters.

        Args:
            all_but: what of the backbone is not held.
        """
        names = [name for name, _ in self.backbone.named_modules()]
        first = {"nothing": len(names), "everything": 0}.get(all_but)
        self._held = frozenset(names[: names.index(last_stage(self.backbone)) if first is None else first])
        self.train(self.training)
        parameters = self.backbone.named_parameters()
        return tuple(parameter for name, parameter in parameters if name.rpartition(".")[0] in self._held)

    def may_change(self, key: str) -> bool:
        """Return whether training may change an entry of the state dict."""
        layer = key.rpartition(".")[0].removeprefix("backbone.")
        return not self._frozen or key.startswith("head.") or layer in self._thawed

    def train(self, mode: bool = True) -> "Network":
        # `requires_grad=False` does not stop BatchNorm from updating its statistics: frozen means eval, always.
        super().train(mode)
        if self._frozen:
            self.backbone.eval()
            for name, module in self.backbone.named_modules():
                if name in self._thawed:
                    module.train(mode)
        if has_low_rank(self.backbone):
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        for name in self._held:
            self.backbone.get_submodule(name).training = False
        return self


def last_stage(backbone: nn.Module) -> str:
    """Return the name of the module with which the last stage of a backbone begins; what follows it belongs to it.

    A model of timm says with which modules its stages end (`feature_info`), so the last one begins after the end of the
    one before it; of another model it is the last part that has parameters.
    """
    stages = getattr(backbone, "feature_info", None)
    ends = [str(stage.get("module", "")) for stage in getattr(stages, "info", stages) or ()]
    names: list[str] = [name for name, _ in backbone.named_modules()]
    if len(ends) > 1 and set(ends[-2:]) <= set(names):
        of_the_one_before = [place for place, name in enumerate(names) if f"{name}.".startswith(f"{ends[-2]}.")]
        if of_the_one_before[-1] < names.index(ends[-1]):
            return names[of_the_one_before[-1] + 1]
    if ends and ends[-1] in names:
        return ends[-1]
    return [name for name, part in backbone.named_children() if any(True for _ in part.parameters())][-1]
