"""Typed schema of the `grouping` section of `conf/curate.yaml`."""

from typing import Annotated

from pydantic import Field

from artculture.config.schema.section import Section

Words = list[Annotated[str, Field(min_length=1)]]


class GroupingConfig(Section):
    """Options of the grouping.

    Attributes:
        copied_works: texts that exist in many manuscripts: their name alone does not group two folios.
        unknown_artists: further values of `artist` that name nobody (see `data.disjoint.compared_name`).
    """

    copied_works: Words
    unknown_artists: Words
