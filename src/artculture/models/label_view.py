"""A classifier of several labels, seen as one of a single label."""

import copy
from typing import cast

from artculture.models.classifier import CultureClassifier
from artculture.models.network import Network
from artculture.models.tasks import Heads
from artculture.utils.errors import InputError, choices_hint
from artculture.utils.label_words import words_of_column


def of_label(classifier: CultureClassifier, name: str) -> CultureClassifier:
    """Return a classifier of one label alone, which shares the backbone; the same one if it has no other.

    Raises:
        InputError: there is no such label.
    """
    names = [task.name for task in classifier.tasks]
    if name not in names:
        raise InputError(f"label={name}: {choices_hint(name, names)}")
    if len(names) == 1:
        return classifier
    place = names.index(name)
    task = classifier.tasks[place]
    one = copy.copy(classifier)
    one._modules = dict(classifier._modules)
    one.tasks, one.temperatures = (task,), [classifier.temperatures[place]]
    one.classes = task.classes
    one.uncertainty = classifier.uncertainty if place == 0 else None  # of the primary label
    own = {} if place == 0 else {"label_name": words_of_column(task.name).one}
    one.hyper = {**classifier.hyper, "classes": list(task.classes), "tasks": [task.as_plain()], **own}
    one.network = Network(classifier.network.backbone, cast(Heads, classifier.network.head).heads[place])
    one.configure_losses()
    one.configure_metrics()
    return one.train(classifier.training)
