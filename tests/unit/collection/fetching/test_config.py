import pytest

from artculture.collection.fetching.config import FetchConfig
from artculture.collection.fetching.museum import Museum
from artculture.config.composition import resolved
from artculture.config.validation import config_folder, validated
from artculture.data.labels import CULTURES
from artculture.utils.errors import InputError
from tests.fixtures.runs import compose_once

SOURCES = sorted(file.stem for file in (config_folder() / "source").glob("*.yaml"))
GROUPS = sorted(file.stem for file in (config_folder() / "cultures").glob("*.yaml"))


def composed(*overrides: str) -> FetchConfig:
    return validated(FetchConfig, resolved(compose_once("fetch", *overrides)))


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_that_ships_is_valid_and_gentle(source):
    options = composed(f"source={source}").options(source)
    assert options.start_rate <= options.rate <= options.rate_limit <= 80
    assert composed(f"source={source}").museum_class(source).source in ("met", "artic", "cleveland")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("artculture.collection.museums.mett.Museum", "can't be imported"),
        ("pathlib.Path", "not a subclass of"),
        ("null", "can't be imported"),
    ],
)
def test_a_target_that_is_no_museum_is_an_error(target, reason):
    with pytest.raises(InputError, match=f"museums.met._target_.*{reason}"):
        composed(f"museums.met._target_={target}")


class OwnMuseum(Museum):
    source = "own"

    async def list_claims(self):
        return {}

    async def fetch_record(self, object_id):
        raise NotImplementedError


def test_a_museum_of_the_user_s_own_is_named_by_its_target():
    config = composed(f"museums.met._target_={__name__}.OwnMuseum", "~museums.met.search")
    assert config.museum_class("met") is OwnMuseum
    assert config.options("met").rate == 5


@pytest.mark.parametrize("cultures", GROUPS)
def test_every_culture_group_that_ships_is_without_contradiction(cultures):
    assert composed(f"cultures={cultures}").culture_matcher().locations


def test_the_paper_s_cultures_are_the_manifest_s():
    assert tuple(composed().cultures) == CULTURES


@pytest.mark.parametrize(
    ("text", "culture"),
    [
        ("India (Rajasthan, Mewar)", "Indian"),
        ("South Netherlandish", "Flemish"),
        ("Netherlandish", "Dutch"),
        ("British, Scottish", "British"),
        ("America, New England, 18th century", "American"),
        ("Italian, Venetian", "Italian"),
        ("Native American", "American"),
    ],
)
def test_the_paper_s_words_read_the_museums_own_values(text, culture):
    assert [name for name, _ in composed().culture_matcher().words_in(text)] == [culture]


def test_overrides_reach_every_chosen_source_and_one_alone():
    config = composed("source=[met,cleveland]", "source.rate=3", "museums.cleveland.concurrency=2")
    assert (config.options("met").rate, config.options("cleveland").rate) == (3, 3)
    assert (config.options("met").concurrency, config.options("cleveland").concurrency) == (8, 2)


def test_a_culture_can_be_added_and_changed_from_the_command_line():
    config = composed("+cultures.Korean={locations: [Korea]}", "cultures.French.locations=[France,Corsica]")
    assert config.culture_matcher().locations["Korean"] == ("Korea",)
    assert config.culture_matcher().locations["French"] == ("France", "Corsica")
