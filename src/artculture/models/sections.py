"""Checks of the sections that a classifier is made from, where no config has checked them."""

from typing import Any

from artculture.config.schema.model import ClassifierSections
from artculture.config.validation import mistakes_error, value_mistakes
from artculture.utils.targets import is_target

# Keys of an optimizer that only a config needs, or that have a meaning where they are missing.
OPTIONAL = {"rates": None, "layer_decay": None, "decay_norms_and_biases": True}


def check_sections(**sections: Any) -> None:
    """Check sections against the schema of the config.

    Raises:
        InputError: listing every missing, unknown or wrong value.
    """
    values: dict[str, Any] = {
        name: section if isinstance(section, str) else dict(section) for name, section in sections.items()
    }
    if not is_target(values["optimizer"]):
        values["optimizer"] = {**OPTIONAL, **values["optimizer"]}
    mistakes = value_mistakes(ClassifierSections, values)
    if mistakes:
        raise mistakes_error(mistakes)
