"""Several classifiers as one: the mean of their calibrated probabilities, in one checkpoint."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from artculture.data.transforms import Preprocessing
from artculture.models.checkpoint import (
    MEMBERS,
    check_trusted,
    classifier_of,
    is_ensemble,
    read_checkpoint,
    temperatures_of,
)
from artculture.models.classifier import CHECKPOINT_FORMAT, CultureClassifier
from artculture.models.lora import merged
from artculture.models.uncertainty import Uncertainty, uncertainty_of
from artculture.utils.errors import InputError, reason_of
from artculture.utils.targets import import_modules

# Keys of an entry of `artculture` that an ensemble takes from its first member.
SHARED = ("classes", "preprocessing", "manifest", "data")


class EnsembleClassifier(nn.Module):
    """Classifiers of the same classes, and the weights of the mean of their calibrated probabilities.

    Args:
        members: of each classifier `name`, `weight` (positive), `temperature` and its `hyper_parameters`.

    Raises:
        InputError: no members, weights that are not positive, or members of different classes.

    Attributes:
        members: the classifiers.
        words: what a class is called.
        weights: of the mean, summing to 1.
        temperature: divisor of the logits of the mean for calibrated probabilities.
        uncertainty: scores of the validation paintings, for prediction sets; None if unknown.
        preprocessings: what the members need of an image, each once (see `geometry`).
    """

    def __init__(self, members: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        built = [CultureClassifier(**member["hyper_parameters"]) for member in members]
        weights = [float(member["weight"]) for member in members]
        if not built or not all(0 < weight < float("inf") for weight in weights):
            raise InputError("an ensemble needs members with positive weights")
        if any(one.classes != built[0].classes or len(one.tasks) > 1 for one in built):
            raise InputError("the members of an ensemble have different classes, or several labels")
        for one, member in zip(built, members, strict=True):
            one.temperature = float(member["temperature"])
        self.names = tuple(str(member["name"]) for member in members)
        self.weights = [weight / sum(weights) for weight in weights]
        self.members = nn.ModuleList(built)
        self.classes, self.words = built[0].classes, built[0].words
        self.temperature = 1.0
        self.uncertainty: Uncertainty | None = None
        self.preprocessings = distinct([one.preprocessing for one in built])

    @property
    def classifiers(self) -> list[CultureClassifier]:
        return [cast(CultureClassifier, member) for member in self.members]

    def kinds_of_members(self) -> list[Preprocessing]:
        """Return which of `preprocessings` each member takes."""
        return [geometry(one.preprocessing) for one in self.classifiers]

    @property
    def preprocessing(self) -> Preprocessing:
        """The first of `preprocessings`."""
        return self.preprocessings[0]

    def forward(self, images: Tensor | Sequence[Tensor]) -> Tensor:
        """Return the logarithm of the mean probabilities, float32 N x classes.

        Args:
            images: uint8 N x 3 x H x W, or one such tensor for each of `preprocessings`.
        """
        given = [images] if isinstance(images, Tensor) else list(images)
        if len(given) != len(self.preprocessings):
            raise ValueError(f"{len(given)} tensors of images for {len(self.preprocessings)} kinds of preprocessing")
        logs = []
        kinds = self.kinds_of_members()
        for one, weight, kind in zip(self.classifiers, self.weights, kinds, strict=True):
            logits = one(given[self.preprocessings.index(kind)])
            logs.append((logits / one.temperature).log_softmax(dim=1) + torch.tensor(weight).log())
        return torch.stack(logs).logsumexp(dim=0)


def geometry(preprocessing: Preprocessing) -> Preprocessing:
    """Return a preprocessing without what the network normalises by: what decides the pixels."""
    # A letterbox is filled with the mean.
    mean = preprocessing.mean if preprocessing.fit == "letterbox" else (0.0,) * 3
    return replace(preprocessing, mean=mean, std=(1.0,) * 3)


def distinct(preprocessings: Sequence[Preprocessing]) -> tuple[Preprocessing, ...]:
    """Return each geometry once, in order."""
    return tuple(dict.fromkeys(map(geometry, preprocessings)))


Classifier = CultureClassifier | EnsembleClassifier


def members_of(classifier: Classifier) -> list[CultureClassifier]:
    """Return the networks of a classifier: its members, or itself."""
    return classifier.classifiers if isinstance(classifier, EnsembleClassifier) else [classifier]


@dataclass(frozen=True)
class MemberCheckpoint:
    """A member of an ensemble to be: name, weight in the mean, and content of its checkpoint."""

    name: str
    weight: float
    path: Path
    content: dict[str, Any]


def ensemble_content(members: Sequence[MemberCheckpoint]) -> dict[str, Any]:
    """Return the content of an ensemble's checkpoint: what its members need, without a temperature."""
    ours = [member.content["artculture"] for member in members]
    entries = [
        {
            "name": member.name,
            "weight": member.weight,
            "temperature": temperatures_of(member.content, member.path)[0],
            # Adaptations of low rank are merged into the weights.
            "hyper_parameters": {**member.content["hyper_parameters"], "lora": None},
        }
        for member in members
    ]
    # Equal tensors, as of a backbone that all members froze, are one object, which is stored once.
    known: dict[tuple[Any, ...], Tensor] = {}
    state = {
        f"members.{number}.{key}": known.setdefault(_identity(tensor), tensor)
        for number, member in enumerate(members)
        for key, tensor in merged(member.content["state_dict"]).items()
    }
    return {
        "artculture": {
            **{key: ours[0][key] for key in SHARED if key in ours[0]},
            "format": CHECKPOINT_FORMAT,
            "temperature": 1.0,
            "weights": " / ".join(dict.fromkeys(str(said["weights"]) for said in ours)),
            "pretrained": all(said["pretrained"] for said in ours),
            "imagenet": all(said["imagenet"] for said in ours),
            "untouched": [],
        },
        "hyper_parameters": {MEMBERS: entries},
        "state_dict": state,
    }


def _identity(tensor: Tensor) -> tuple[Any, ...]:
    values = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
    return tensor.dtype, tuple(tensor.shape), hashlib.sha256(values.data).hexdigest()


def load_model(path: Path, trust: Sequence[str] = ()) -> Classifier:
    """Return the classifier or the ensemble of a checkpoint, in eval mode.

    Args:
        path: the file.
        trust: packages other than this one that the checkpoint may import.

    Raises:
        InputError: no such file, not one of ours, or it names a package that is not trusted.
    """
    content = read_checkpoint(path)
    if not is_ensemble(content):
        return classifier_of(content, path, trust)
    check_trusted(content["hyper_parameters"], path, trust)
    import_modules(trust)
    try:
        ensemble = EnsembleClassifier(**content["hyper_parameters"])
        ensemble.load_state_dict(content["state_dict"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # a file of the right form with anything in it
        raise InputError(f"{path} does not hold an ensemble of this version ({reason_of(error)})") from error
    ensemble.temperature = temperatures_of(content, path)[0]
    ensemble.uncertainty = uncertainty_of(content, path, len(ensemble.classes), len(ensemble.members))
    return ensemble.eval()
