"""Metropolitan Museum by its collection API: one search per location, one record and one image per object."""

from typing import Any, ClassVar
from urllib.parse import quote

from artculture.collection.fetching import museum
from artculture.collection.fetching.cultures import Claim
from artculture.collection.fetching.museum import Claims
from artculture.collection.fetching.records import Record, clean_text
from artculture.collection.fetching.responses import PermanentHTTPError, RetriesExhaustedError
from artculture.utils.errors import WorkError

PAGE = 500  # results; the API's maximum
WINDOW = 10_000  # results; the search returns no more


class Options(museum.Options):
    """Options of the collection API.

    Attributes:
        search: parameters sent with every search.
    """

    search: dict[str, str]


class Museum(museum.Museum):
    """The Metropolitan Museum's API."""

    source: ClassVar[str] = "met"
    options_class = Options
    options: Options

    async def list_claims(self) -> Claims:
        places = [(culture, place) for culture, names in self.context.cultures.locations.items() for place in names]
        self.context.task.expect(len(places))
        claims: Claims = {}
        for culture, place in places:
            object_ids = await self._search(place)
            for object_id in object_ids:
                # The fewer paintings a location has, the more specific it is.
                claim = Claim(culture, place, "geoLocation", rank=len(object_ids))
                claims.setdefault(object_id, []).append(claim)
            self.context.task.advance()
        return claims

    async def _search(self, place: str) -> list[str]:
        """Return the ids of one location's objects, in numerical order."""
        query = f"{self.options.base_url} {self.options.search} {place}"
        found: list[str] | None = self.ledger.page(self.name, query)
        if found is None:
            # By length first, which is by value, without trusting that the ids are numbers.
            found = sorted(set(await self._search_pages(place)), key=lambda number: (len(number), number))
            self.ledger.add_page(self.name, query, found)
        return found

    async def _search_pages(self, place: str) -> list[str]:
        params: dict[str, str | int] = {**self.options.search, "geoLocation": place}
        object_ids: list[str] = []
        while True:
            # The museum reads its parameters in order, so `q` goes last.
            page = await self._search_page({**params, "offset": len(object_ids), "limit": PAGE, "q": "*"})
            total, more = int(page.get("total") or 0), [str(number) for number in page.get("objectIDs") or []]
            object_ids += more
            found = max(total, len(object_ids))
            if found > WINDOW:
                raise WorkError(
                    f"{self.options.title} has {found} paintings of `{place}` but returns {WINDOW}; give "
                    "smaller locations instead, in conf/cultures or with cultures.NAME.locations=[…]"
                )
            if not more or len(object_ids) >= total:
                return object_ids

    async def _search_page(self, params: dict[str, str | int]) -> dict[str, Any]:
        # Since October 2026 the search is at v1.1, in pages; mirrors may still have the old one without pages.
        base = self.options.base_url.rstrip("/")
        paged = f"{base.removesuffix('/v1')}/v1.1/search"
        try:
            return await self.http.json(paged, params)
        except RetriesExhaustedError as error:
            raise self.search_error(paged, error) from error
        except PermanentHTTPError:
            whole = {key: value for key, value in params.items() if key not in ("offset", "limit")}
            return await self.fetch_page(f"{base}/search", whole)

    async def fetch_record(self, object_id: str) -> Record:
        return api_record(
            await self.http.json(f"{self.options.base_url.rstrip('/')}/objects/{quote(object_id, safe='')}")
        )


def api_record(found: dict[str, Any]) -> Record:
    """Convert the API's JSON of one object."""
    public = found.get("isPublicDomain") is True
    return Record(
        source=Museum.source,
        object_id=str(found["objectID"]),
        is_public_domain=public,
        title=clean_text(found.get("title")),
        artist=clean_text(found.get("artistDisplayName")),
        date=clean_text(found.get("objectDate")),
        medium=clean_text(found.get("medium")),
        accession_number=clean_text(found.get("accessionNumber")),
        object_url=clean_text(found.get("objectURL")),
        licence="CC0" if public else "",
        image_small=clean_text(found.get("primaryImageSmall")),
        image_original=clean_text(found.get("primaryImage")),
        object_name=clean_text(found.get("objectName")),
        classification=clean_text(found.get("classification")),
        department=clean_text(found.get("department")),
        tags=clean_text([tag.get("term") for tag in found.get("tags") or []]),
        culture=clean_text(found.get("culture")),
        country=clean_text(found.get("country")),
        artist_nationality=clean_text(found.get("artistNationality")),
        rights=clean_text(found.get("rightsAndReproduction")),
    )
