"""Typed schema of the `grouping` section of `conf/curate.yaml`."""

from typing import Annotated

from pydantic import Field

from artculture.config import Section

Words = list[Annotated[str, Field(min_length=1)]]


class GroupingConfig(Section):
    """What counts as one album, series or object.

    Attributes:
        copied_works: works that exist in many manuscripts, so that their name alone joins no two folios.
        unknown_artists: names that mean "nobody knows".
    """

    copied_works: Words
    unknown_artists: Words
