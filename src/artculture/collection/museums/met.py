"""The Metropolitan Museum's collection API: a search by location, a record and a picture an object."""

from typing import Any, ClassVar

from artculture.collection import museum
from artculture.collection.client import GaveUpError, GoneError
from artculture.collection.cultures import Claim
from artculture.collection.museum import Claims
from artculture.collection.records import Record, said
from artculture.errors import WorkError

PAGE = 500  # the most that the search gives at once
WINDOW = 10_000  # the search shows no more than its first so many


class Options(museum.Options):
    """`search` is sent with every search; the museum reads its parameters in order, so `q` goes last."""

    search: dict[str, str]


class Museum(museum.Museum):
    source: ClassVar[str] = "met"
    options_class = Options
    options: Options

    async def survey(self) -> Claims:
        places = [(culture, place) for culture, names in self.visit.cultures.locations.items() for place in names]
        self.visit.stage.expect(len(places))
        claims: Claims = {}
        for culture, place in places:
            object_ids = await self._search(place)
            for object_id in object_ids:
                claim = Claim(culture, place, "geoLocation", rank=len(object_ids))
                claims.setdefault(object_id, []).append(claim)
            self.visit.stage.advance()
        return claims

    async def _search(self, place: str) -> list[str]:
        """The objects of one location, smallest id first."""
        query = f"{self.options.base_url} {self.options.search} {place}"
        found: list[str] | None = self.ledger.page(self.route, query)
        if found is None:
            found = sorted(set(await self._search_pages(place)), key=int)
            self.ledger.add_page(self.route, query, found)
        return found

    async def _search_pages(self, place: str) -> list[str]:
        params: dict[str, str | int] = {**self.options.search, "geoLocation": place}
        object_ids: list[str] = []
        while True:
            page = await self._search_page({**params, "offset": len(object_ids), "limit": PAGE, "q": "*"})
            total, more = int(page.get("total") or 0), [str(number) for number in page.get("objectIDs") or []]
            object_ids += more
            if total > WINDOW:
                raise WorkError(
                    f"{self.options.title} knows {total} paintings of `{place}` but shows {WINDOW}; name "
                    "smaller locations instead, in conf/cultures or with cultures.NAME.locations=[…]"
                )
            if not more or len(object_ids) >= total:
                return object_ids

    async def _search_page(self, params: dict[str, str | int]) -> dict[str, Any]:
        # Since October 2026 the search lives at v1.1, in pages; mirrors may still have the old one, whole.
        base = self.options.base_url.rstrip("/")
        paged = f"{base.removesuffix('/v1')}/v1.1/search"
        try:
            return await self.web.json(paged, params)
        except GaveUpError as error:
            raise self.unsearchable(paged, error) from error
        except GoneError:
            whole = {key: value for key, value in params.items() if key not in ("offset", "limit")}
            return await self.page(f"{base}/search", whole)

    async def ask_record(self, object_id: str) -> Record:
        return api_record(await self.web.json(f"{self.options.base_url.rstrip('/')}/objects/{object_id}"))


def api_record(found: dict[str, Any]) -> Record:
    """A record from the API's answer for one object."""
    public = found.get("isPublicDomain") is True
    return Record(
        source=Museum.source,
        object_id=str(found["objectID"]),
        is_public_domain=public,
        title=said(found.get("title")),
        artist=said(found.get("artistDisplayName")),
        date=said(found.get("objectDate")),
        medium=said(found.get("medium")),
        accession_number=said(found.get("accessionNumber")),
        object_url=said(found.get("objectURL")),
        licence="CC0" if public else "",
        image_small=said(found.get("primaryImageSmall")),
        image_original=said(found.get("primaryImage")),
        object_name=said(found.get("objectName")),
        classification=said(found.get("classification")),
        department=said(found.get("department")),
        tags=said([tag.get("term") for tag in found.get("tags") or []]),
        culture=said(found.get("culture")),
        country=said(found.get("country")),
        artist_nationality=said(found.get("artistNationality")),
        rights=said(found.get("rightsAndReproduction")),
    )
