"""Cleveland Museum of Art: records with image addresses from its Open Access API."""

import re
from typing import Any, ClassVar
from urllib.parse import quote

from artculture.collection.fetching import museum
from artculture.collection.fetching.museum import Claims, claims_of
from artculture.collection.fetching.records import Record, clean_text

PAGE = 100


class Options(museum.Options):
    """Options of the Cleveland Museum.

    Attributes:
        search: parameters sent with every page.
    """

    search: dict[str, str]


class Museum(museum.Museum):
    """The Cleveland Museum of Art."""

    source: ClassVar[str] = "cleveland"
    options_class = Options
    options: Options

    async def list_claims(self) -> Claims:
        # By id: objects added during the search shift the pages, so that one object may be on two of them.
        records: dict[str, Record] = {}
        skip, total = 0, 1
        while skip < total:
            page = await self._page(skip)
            total = page["total"]
            parsed = [
                self.parsed(artwork, f"result {skip + number}", cleveland_record)
                for number, artwork in enumerate(page["data"], 1)
            ]
            found = {record.object_id: record for record in parsed if record}
            self.ledger.add_records(self.name, found.values())
            self.context.task.expect(1)
            self.context.task.advance()
            if not page["data"]:
                break
            # Some results may be those of the page before, but never all.
            if found and found.keys() <= records.keys():
                raise self.repetition_error()
            records |= found
            skip += PAGE
            self.check_listed(skip)
        return claims_of(records.values(), self.context.cultures)

    async def _page(self, skip: int) -> dict[str, Any]:
        params: dict[str, str | int] = {**self.options.search, "limit": PAGE, "skip": skip}
        key = f"{self.options.base_url} {params}"
        found: dict[str, Any] | None = self.ledger.page(self.name, key)
        if found is None:
            answer = await self.fetch_page(f"{self.options.base_url.rstrip('/')}/artworks/", params)
            found = {"total": int(answer["info"]["total"]), "data": list(answer.get("data") or [])}
            self.ledger.add_page(self.name, key, found)
        return found

    async def fetch_record(self, object_id: str) -> Record:
        answer = await self.http.json(f"{self.options.base_url.rstrip('/')}/artworks/{quote(object_id, safe='')}")
        return cleveland_record(answer["data"])


def cleveland_record(found: dict[str, Any]) -> Record:
    """Convert the API's JSON of one artwork."""
    public = clean_text(found.get("share_license_status")).upper() == "CC0"
    images = found.get("images") or {}
    urls = {size: clean_text((images.get(size) or {}).get("url")) for size in ("web", "print")}
    makers = [clean_text(maker.get("description")) for maker in found.get("creators") or []]
    return Record(
        source=Museum.source,
        object_id=str(found["id"]),
        is_public_domain=public,
        title=clean_text(found.get("title")),
        artist=clean_text([re.sub(r"\s*\(.*", "", maker) for maker in makers]),
        date=clean_text(found.get("creation_date")),
        medium=clean_text(found.get("technique")),
        accession_number=clean_text(found.get("accession_number")),
        object_url=clean_text(found.get("url")),
        licence="CC0" if public else "",
        image_small=urls["web"],
        image_original=urls["print"] or urls["web"],
        object_name=clean_text(found.get("type")),
        classification=clean_text(found.get("type")),
        department=clean_text(found.get("department")),
        culture=clean_text(found.get("culture") or []),
        artist_nationality=clean_text([nation for maker in makers for nation in re.findall(r"\(([^()]*)\)", maker)]),
        rights=clean_text(found.get("copyright")),
    )
