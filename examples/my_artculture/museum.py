"""A museum whose whole collection is one JSON file of objects."""

from typing import Any, ClassVar

from artculture.collection.fetching import museum
from artculture.collection.fetching.museum import Claims, claims_of
from artculture.collection.fetching.records import Record


class Options(museum.Options):
    """Options of the museum, beyond those that all museums have.

    Attributes:
        collection: path of the JSON file below `base_url`.
    """

    collection: str


class Museum(museum.Museum):
    """Lists the file's objects, keeps their records in the ledger, and leaves the pictures to `artculture fetch`."""

    source: ClassVar[str] = "town"  # in the manifest's column `source`
    options_class = Options
    options: Options

    async def list_claims(self) -> Claims:
        """Return {object id: claims} of the objects whose record names a culture."""
        found = await self.fetch_page(f"{self.options.base_url}/{self.options.collection}", {})
        listed = enumerate(found["objects"], 1)
        parsed = [self.parsed(item, f"object {number}", town_record) for number, item in listed]
        records = [record for record in parsed if record]
        self.ledger.add_records(self.name, records)
        return claims_of(records, self.context.cultures)

    async def fetch_record(self, object_id: str) -> Record:
        """Download the record of one object, if the ledger does not have it."""
        found = await self.http.json(f"{self.options.base_url}/objects/{object_id}.json")
        return town_record(found)


def town_record(found: dict[str, Any]) -> Record:
    """Convert the museum's JSON of one object."""
    return Record(
        source=Museum.source,
        object_id=str(found["id"]),
        is_public_domain=found["licence"] == "CC0",
        title=found["title"],
        culture=found["school"],
        medium=found["technique"],
        licence=found["licence"],
        image_small=found["image"],
        image_original=found["image"],
    )
