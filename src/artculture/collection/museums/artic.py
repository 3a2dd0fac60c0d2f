"""Art Institute of Chicago: records from its search API, images from its IIIF server."""

import re
from typing import Any, ClassVar
from urllib.parse import quote

from artculture.collection.fetching import museum
from artculture.collection.fetching.museum import Claims, claims_of
from artculture.collection.fetching.records import Record, clean_text
from artculture.utils.io import json_text

PAGE = 100  # results; the API's maximum
MAX_ID = 10**12  # ids have six digits so far
WIDTHS = {"small": 843, "original": 1686}  # pixels; the sizes that the museum recommends
FIELDS = (
    "id", "title", "artist_title", "artist_display", "date_display", "medium_display",
    "place_of_origin", "main_reference_number", "department_title", "classification_title",
    "artwork_type_title", "subject_titles", "image_id", "is_public_domain", "copyright_notice",
)  # fmt: skip


class Options(museum.Options):
    """Options of the Art Institute.

    Attributes:
        types: values of `artwork_type_title` that count as paintings.
    """

    types: list[str]
    iiif_url: str


class Museum(museum.Museum):
    """The Art Institute of Chicago."""

    source: ClassVar[str] = "artic"
    options_class = Options
    options: Options

    def headers(self) -> dict[str, str]:
        # The museum's API guide asks for this header with a name and a contact.
        return {"AIC-User-Agent": f"artculture ({self.options.contact or 'no contact given'})"}

    async def list_claims(self) -> Claims:
        # Ids increase within the results, so the last one is where the next page begins.
        records: list[Record] = []
        last = 0
        while True:
            page = await self._page(last)
            parsed = (self.parsed(found, f"result {n} after {last}", self._record) for n, found in enumerate(page, 1))
            found = [record for record in parsed if record]
            self.ledger.add_records(self.name, found)
            records += found
            self.context.task.expect(1)
            self.context.task.advance()
            self.check_listed(len(records))
            before, last = last, max([last, *(int(record.object_id) for record in found)])
            if len(page) < PAGE:
                return claims_of(records, self.context.cultures)

            if last == before:
                raise self.repetition_error()

    def _record(self, found: dict[str, Any]) -> Record:
        # The next page begins after the largest id: an impossible one would skip the rest of the museum.
        record = artic_record(found, self.options.iiif_url)
        if str(int(record.object_id)) != record.object_id or not 0 < int(record.object_id) < MAX_ID:
            raise ValueError(f"object id {record.object_id[:40]}")
        return record

    async def _page(self, last: int) -> list[dict[str, Any]]:
        """Return the next objects after an id; paging is by id because the search stops after 1,000 results."""
        filters = [
            {"term": {"is_public_domain": True}},
            {"exists": {"field": "image_id"}},
            {"terms": {"artwork_type_title.keyword": self.options.types}},
            {"range": {"id": {"gt": last}}},
        ]
        query = {"bool": {"filter": filters}}
        body = {"query": query, "sort": [{"id": "asc"}], "fields": list(FIELDS), "limit": PAGE, "page": 1}
        params = json_text(body, compact=True, ensure_ascii=True)
        key = f"{self.options.base_url} {params}"
        found: list[dict[str, Any]] | None = self.ledger.page(self.name, key)
        if found is None:
            answer = await self.fetch_page(f"{self.options.base_url.rstrip('/')}/artworks/search", {"params": params})
            found = list(answer.get("data") or [])
            # The last page may have more results later; `refresh=true` requests it again.
            self.ledger.add_page(self.name, key, found)
        return found

    async def fetch_record(self, object_id: str) -> Record:
        url = f"{self.options.base_url.rstrip('/')}/artworks/{quote(object_id, safe='')}"
        answer = await self.http.json(url, {"fields": ",".join(FIELDS)})
        return self._record(answer["data"])


def artic_record(found: dict[str, Any], iiif_url: str) -> Record:
    """Convert the API's JSON of one artwork."""
    public = found.get("is_public_domain") is True
    image_id = clean_text(found.get("image_id"))
    images = {
        f"image_{variant}": f"{iiif_url.rstrip('/')}/{image_id}/full/{width},/0/default.jpg" if image_id else ""
        for variant, width in WIDTHS.items()
    }
    return Record(
        source=Museum.source,
        object_id=str(found["id"]),
        is_public_domain=public,
        title=clean_text(found.get("title")),
        artist=clean_text(found.get("artist_title")),
        date=clean_text(found.get("date_display")),
        medium=clean_text(found.get("medium_display")),
        accession_number=clean_text(found.get("main_reference_number")),
        object_url=f"https://www.artic.edu/artworks/{found['id']}",
        licence="CC0" if public else "",
        object_name=clean_text(found.get("artwork_type_title")),
        classification=clean_text(found.get("classification_title")),
        department=clean_text(found.get("department_title")),
        tags=clean_text(found.get("subject_titles") or []),
        country=clean_text(found.get("place_of_origin")),
        artist_nationality=_nationality(found.get("artist_display") or ""),
        rights=clean_text(found.get("copyright_notice")),
        **images,
    )


def _nationality(display: str) -> str:
    """Return the part after the name in `Claude Monet (French, 1840-1926)`, or in the same text on two lines."""
    bracketed = re.findall(r"\(([^()]*)\)", display)
    return clean_text(bracketed or display.splitlines()[1:])
