"""Metadata of config fields: what a key is, apart from its value."""

from enum import Enum


class OnResume(Enum):
    """Whether a run may differ in a value from the run whose checkpoint it starts from (`resume=PATH`).

    Field metadata: of a section, and of a field of it that is another. A field without any is `FIXED`.
    """

    FIXED = "must be the same"
    FREE = "may differ, and takes effect"
    PAINTINGS = "may differ where every painting that was trained on stays a training painting"


class Mark(Enum):
    """What a key is, apart from its value: field metadata."""

    CIRCUMSTANCE = "where and how a run is executed: not part of its identity, free to change between two launches"
    SOURCE = "where other keys take their defaults from: not part of the identity, as those keys are"
    NOT_SEARCHED = "the same in all trials of a search"
    TRAINING = "of gradient descent: without meaning for a method that does without it, and not part of its identity"
