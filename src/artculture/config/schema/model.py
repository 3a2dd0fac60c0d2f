"""The groups that make a model and its training: architecture, head, method, optimizer, loss, scheduler."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Tag

from artculture.config.schema.balance import Balance
from artculture.config.schema.marks import Mark, OnResume
from artculture.config.schema.nodes import BY_NAME_OR_TARGET, Node, UserNode
from artculture.config.schema.section import Section
from artculture.config.typed_text import Text

TrainedMethod = Literal["finetuned", "transfer", "scratch"]
MethodName = Literal[TrainedMethod, "probe"]
StageStatistics = Literal["none", "moments", "covariances"]


class Rates(Section):
    epochs: PositiveInt
    batch_size: PositiveInt
    head_lr: PositiveFloat
    backbone_lr: NonNegativeFloat


class Recipe(Section):
    """Values that suit an architecture; the other groups take theirs from here.

    Attributes:
        layer_decay: of recipe=modern; None where the order of the layers is not known.
        adamw_lr: of the backbone with recipe=modern.
    """

    dropout: Annotated[float, Field(ge=0, lt=1)]
    finetuned: Rates
    transfer: Rates
    scratch: Rates
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    adamw_lr: PositiveFloat | None = None


class Network(Section):
    """What all architectures share."""

    name: str
    library: str
    weights: Text
    channels_last: Annotated[bool, OnResume.FREE]
    recipe: Annotated[Recipe, OnResume.FREE, Mark.SOURCE, Mark.NOT_SEARCHED]


class TorchvisionNetwork(Network):
    library: Literal["torchvision"]


class TimmNetwork(Network):
    """A model of timm.

    Attributes:
        drop_path: rate of stochastic depth: how often a residual branch of the last block is left out in training.
        args: further arguments of `timm.create_model`.
        size: key of `sizes`, of a family whose models differ in it; None of a single model.
        sizes: names of the models of a family.
    """

    library: Literal["timm"]
    drop_path: Annotated[Annotated[float, Field(ge=0, lt=1)], OnResume.FREE, Mark.TRAINING] = 0.0
    args: dict[str, Any] = Field(default_factory=dict)
    size: Annotated[str | None, Mark.SOURCE, Mark.NOT_SEARCHED] = None
    sizes: Annotated[dict[str, str], Mark.SOURCE, Mark.NOT_SEARCHED] = Field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """All arguments for `timm.create_model`."""
        return {**({"drop_path_rate": self.drop_path} if self.drop_path else {}), **self.args}


class NoNetwork(Network):
    """No network: the vectors of `data=embeddings` are the features."""

    library: Literal["embeddings"]


class CustomNetwork(Network):
    library: Literal["custom"]
    backbone: Node


Architecture = Annotated[TorchvisionNetwork | TimmNetwork | CustomNetwork | NoNetwork, Field(discriminator="library")]


class MlpHead(Section):
    name: Literal["mlp"]
    hidden: Annotated[list[PositiveInt], Field(min_length=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class LinearHead(Section):
    name: Literal["linear"]
    dropout: Annotated[float, Field(ge=0, lt=1)]


Head = Annotated[Annotated[MlpHead, Tag("mlp")] | Annotated[LinearHead, Tag("linear")] | UserNode, BY_NAME_OR_TARGET]


class NeighboursHead(Section):
    name: Literal["knn"]
    paintings: PositiveInt


# What a classifier takes: the head of a probe is not of the group `head`.
ClassifierHead = Annotated[
    Annotated[MlpHead, Tag("mlp")]
    | Annotated[LinearHead, Tag("linear")]
    | Annotated[NeighboursHead, Tag("knn")]
    | UserNode,
    BY_NAME_OR_TARGET,
]


class Training(Section):
    """What all methods share that train by gradient descent."""

    name: str
    head_lr: PositiveFloat
    backbone_lr: NonNegativeFloat


class Scratch(Training):
    name: Annotated[Literal["scratch"], OnResume.FIXED]


class Pretrained(Training):
    """What the methods share that start from weights.

    Attributes:
        head: where the head starts: at random, or as in the checkpoint that `architecture.weights` names.
    """

    head: Annotated[Literal["random", "checkpoint"], OnResume.FIXED]


class Unfreeze(Section):
    """The first epochs, from 0, in which the backbone's last stage and all of it train; None for never."""

    last_stage: NonNegativeInt | None = None
    all: NonNegativeInt | None = None


class Lora(Section):
    """Low-rank adaptation of a backbone that is frozen otherwise; see `artculture.models.lora`."""

    rank: PositiveInt = 8
    alpha: PositiveFloat = 16.0


class Finetuned(Pretrained):
    name: Annotated[Literal["finetuned"], OnResume.FIXED]
    unfreeze: Unfreeze | None
    lora: Annotated[Lora | None, OnResume.FIXED] = None


class Transfer(Pretrained):
    name: Annotated[Literal["transfer"], OnResume.FIXED]
    features: Annotated[Literal["cached", "recompute"], OnResume.FIXED]
    views: PositiveInt


class Probe(Section):
    """A classifier that is fitted at once on the features of the frozen backbone.

    Attributes:
        stage_statistics: which statistics of the channels of the backbone's stages they hold, too.
    """

    name: Annotated[Literal["probe"], OnResume.FIXED]
    classifier: Annotated[Literal["logistic", "knn", "nearest_mean"], OnResume.FIXED]
    stage_statistics: Annotated[StageStatistics, OnResume.FIXED]


Method = Annotated[Finetuned | Transfer | Scratch | Probe, Field(discriminator="name")]


class MethodRates(Section):
    head_lr: PositiveFloat
    backbone_lr: NonNegativeFloat


class Optimizer(Section):
    """What all built-in optimizers share.

    Attributes:
        layer_decay: factor of the learning rate from each layer of the backbone to the one before it; None for 1.
        decay_norms_and_biases: whether weight decay acts on them, too.
        rates: learning rates by method, in place of the architecture's recipe; None for those.
    """

    name: str
    weight_decay: NonNegativeFloat
    layer_decay: Annotated[Annotated[float, Field(gt=0, le=1)] | None, OnResume.FIXED]
    decay_norms_and_biases: Annotated[bool, OnResume.FIXED]
    rates: Annotated[dict[TrainedMethod, MethodRates] | None, Mark.SOURCE, Mark.NOT_SEARCHED]


class Sgd(Optimizer):
    name: Annotated[Literal["sgd"], OnResume.FIXED]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    nesterov: bool


class AdamW(Optimizer):
    name: Annotated[Literal["adamw"], OnResume.FIXED]
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]
    eps: PositiveFloat


class TimmOptimizer(Optimizer):
    """Attributes: `opt` is a name of `timm.optim`, and `args` are further arguments of that optimizer."""

    name: Annotated[Literal["timm"], OnResume.FIXED]
    opt: Annotated[str, OnResume.FIXED]
    args: Annotated[dict[str, Any], OnResume.FIXED]


OptimizerChoice = Annotated[
    Annotated[Sgd, Tag("sgd")] | Annotated[AdamW, Tag("adamw")] | Annotated[TimmOptimizer, Tag("timm")] | UserNode,
    BY_NAME_OR_TARGET,
]


class CrossEntropy(Section):
    name: Annotated[Literal["cross_entropy"], OnResume.FIXED]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


Loss = Annotated[Annotated[CrossEntropy, Tag("cross_entropy")] | UserNode, BY_NAME_OR_TARGET]


class StepScheduler(Section):
    name: Annotated[Literal["step", "plateau"], OnResume.FIXED]
    gamma: Annotated[float, Field(gt=0, lt=1)]
    k: PositiveInt


class CosineScheduler(Section):
    name: Annotated[Literal["cosine"], OnResume.FIXED]
    warmup_epochs: NonNegativeInt
    floor: Annotated[float, Field(ge=0, lt=1)]


Scheduler = Annotated[
    Annotated[StepScheduler, Tag("step")]
    | Annotated[StepScheduler, Tag("plateau")]
    | Annotated[CosineScheduler, Tag("cosine")]
    | UserNode,
    BY_NAME_OR_TARGET,
]


class ClassifierSections(Section):
    """The sections that a `CultureClassifier` takes."""

    head: ClassifierHead
    loss: Loss
    balance: Balance
    optimizer: OptimizerChoice
    scheduler: Scheduler
    method: MethodName
    stage_statistics: StageStatistics
