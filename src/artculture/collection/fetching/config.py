"""The typed schema of `conf/fetch.yaml` and of the groups it draws from."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import PositiveInt

from artculture.checking import value_mistakes
from artculture.collection.fetching.cultures import CultureMatcher
from artculture.collection.fetching.museum import Options, museum_class, museum_kinds
from artculture.config import Section
from artculture.errors import InputError, choices_hint


class CultureWords(Section):
    locations: list[str]
    nationalities: tuple[str, ...] | list[str] = ()


class Overrides(Section):
    """What `source.…` sets for every chosen source; checked with each source's own options."""

    base_url: str | None
    path: str | None
    image: Literal["small", "original"] | None
    rate: float | None
    start_rate: float | None
    concurrency: int | None
    retries: int | None
    timeout: float | None
    backoff: float | None
    patience: float | None
    contact: str | None


class FetchConfig(Section):
    """One fetch; `museums` holds the raw options of each chosen source, in the order they were named."""

    source: Overrides
    museums: dict[str, dict[str, Any]]
    cultures: dict[str, CultureWords]
    root: str
    limit_per_culture: PositiveInt | None
    manifest: str | None
    ignored_words: list[str]
    refresh: bool

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Values that are fine alone and wrong together, as (key, what is wrong and the mend)."""
        if not self.museums:
            yield "source", "names no source; give one, as in source=met"
        for name in self.museums:
            yield from self._museum_mistakes(name)
        if len(self.museums) > 1:
            for key in ("base_url", "path"):
                if getattr(self.source, key) is not None:
                    names = ", ".join(f"museums.{name}.{key}" for name in self.museums)
                    yield f"source.{key}", f"can't be the same for several sources; set {names}"
        if len({self.options_values(name).get("image") for name in self.museums}) > 1:
            yield "source.image", "differs between the sources; one manifest holds pictures of one kind"
        if not self.cultures:
            yield "cultures", "names no culture"
        else:
            try:
                self.culture_matcher()
            except InputError as error:
                yield "cultures", f"are contradictory: {error}"

    def _museum_mistakes(self, name: str) -> Iterator[tuple[str, str]]:
        values = self.options_values(name)
        kind = values.get("kind")
        if kind not in museum_kinds():
            yield f"museums.{name}.kind", f"is `{kind}`; {choices_hint(str(kind), museum_kinds())}"
            return
        schema = museum_class(kind).options_class
        mistakes = value_mistakes(schema, values)
        for mistake in mistakes:
            yield f"source={name}:", mistake
        if not mistakes and values["rate"] > values["rate_limit"]:
            yield (
                "source.rate",
                f"is {values['rate']:g}; {name} allows at most {values['rate_limit']:g} requests a second "
                f"(museums.{name}.rate sets it for this source alone)",
            )

    def options_values(self, name: str) -> dict[str, Any]:
        """A source's options with the overrides of `source.…` over them."""
        overrides = self.source.model_dump(exclude_none=True)
        return {**self.museums[name], **overrides}

    def options(self, name: str) -> Options:
        values = self.options_values(name)
        return museum_class(values["kind"]).options_class.model_validate(values)

    def culture_matcher(self) -> CultureMatcher:
        groups = {name: (words.locations, words.nationalities) for name, words in self.cultures.items()}
        return CultureMatcher(groups, self.ignored_words)
