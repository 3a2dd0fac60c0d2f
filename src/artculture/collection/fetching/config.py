"""Typed schema of `conf/fetch.yaml` and its groups."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import PositiveInt

from artculture.collection.fetching.cultures import CultureMatcher
from artculture.collection.fetching.museum import Museum, Options, museum_class
from artculture.config.schema.downloads import DownloadLimits
from artculture.config.schema.section import Section
from artculture.config.typed_text import AsTyped, UserPath
from artculture.config.validation import value_mistakes
from artculture.utils.errors import InputError
from artculture.utils.targets import TARGET


class CultureKeywords(Section):
    """Words that assign a painting to one culture; only `locations` are searched for."""

    locations: list[str]
    nationalities: tuple[str, ...] | list[str] = ()


class Overrides(Section):
    """Values of `source.…`, which replace those of every chosen source; checked with each source's own options."""

    base_url: Annotated[str | None, AsTyped()]
    path: Annotated[UserPath | None, AsTyped()]
    image: Literal["small", "original"] | None
    rate: float | None
    start_rate: float | None
    concurrency: int | None
    retries: int | None
    timeout: float | None
    backoff: float | None
    patience: float | None
    contact: Annotated[str | None, AsTyped()]


class FetchConfig(Section):
    """Config of one fetch; `museums` holds the raw options of each chosen source, in the order they were named."""

    source: Overrides
    museums: Annotated[dict[str, dict[str, Any]], AsTyped("*.path"), AsTyped("*.base_url")]
    cultures: dict[str, CultureKeywords]
    root: UserPath
    limit_per_culture: PositiveInt | None
    manifest: Annotated[UserPath | None, AsTyped()]
    ignored_words: list[str]
    refresh: bool
    limits: DownloadLimits
    allow_private: bool

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield values that are valid alone and wrong together, as (key, what is wrong and how to fix it)."""
        if not self.museums:
            yield "source", "names no source; give one, as in source=met"
        for name in self.museums:
            yield from self._museum_mistakes(name)
        if len(self.museums) > 1:
            for key in ("base_url", "path"):
                # An address or a folder belongs to one museum.
                if getattr(self.source, key) is not None:
                    names = ", ".join(f"museums.{name}.{key}" for name in self.museums)
                    yield f"source.{key}", f"can't be the same for several sources; set {names}"
        if len({self.option_values(name).get("image") for name in self.museums}) > 1:
            yield "source.image", "differs between the sources; one manifest holds images of one kind"
        if not self.cultures:
            yield "cultures", "names no culture"
        else:
            try:
                self.culture_matcher()
            except InputError as error:
                yield "cultures", f"contradict each other: {error}"

    def _museum_mistakes(self, name: str) -> Iterator[tuple[str, str]]:
        try:
            schema = self.museum_class(name).options_class
        except InputError as error:
            yield f"museums.{name}.{TARGET}", str(error)
            return
        values = self.option_values(name)
        mistakes = value_mistakes(schema, values)
        for mistake in mistakes:
            yield f"source={name}:", mistake
        if not mistakes and values["rate"] > values["rate_limit"]:
            yield (
                "source.rate",
                f"is {values['rate']:g}; {name} allows at most {values['rate_limit']:g} requests per second "
                f"(museums.{name}.rate sets it for this source alone)",
            )

    def option_values(self, name: str) -> dict[str, Any]:
        """Return a source's options, with the overrides of `source.…` applied."""
        # `_target_` chooses the class and is no option of it.
        own = {key: value for key, value in self.museums[name].items() if key != TARGET}
        return own | self.source.model_dump(exclude_none=True)

    def museum_class(self, name: str) -> type[Museum]:
        """Import the class of a source.

        Raises:
            InputError: `_target_` is missing or wrong.
        """
        return museum_class(str(self.museums[name].get(TARGET)))

    def options(self, name: str) -> Options:
        """Return a source's validated options."""
        return self.museum_class(name).options_class.model_validate(self.option_values(name))

    def culture_matcher(self) -> CultureMatcher:
        """Return the matcher of the chosen cultures.

        Raises:
            InputError: a word stands for two cultures.
        """
        groups = {name: (words.locations, words.nationalities) for name, words in self.cultures.items()}
        return CultureMatcher(groups, self.ignored_words)
