"""The Cleveland Museum of Art's Open Access API: pages of whole records with links to the pictures."""

import re
from typing import Any, ClassVar

from artculture.collection import museum
from artculture.collection.museum import Claims, claims_of
from artculture.collection.records import Record, said

PAGE = 100


class Options(museum.Options):
    """`search` is sent with every page."""

    search: dict[str, str]


class Museum(museum.Museum):
    source: ClassVar[str] = "cleveland"
    options_class = Options
    options: Options

    async def survey(self) -> Claims:
        records: dict[str, Record] = {}
        skip, total = 0, 1
        while skip < total:
            page = await self._page(skip)
            total = page["total"]
            found = [cleveland_record(artwork) for artwork in page["data"]]
            records |= {record.object_id: record for record in found}
            self.ledger.add_records(self.route, found)
            self.visit.stage.expect(1)
            self.visit.stage.advance()
            if not found:
                break
            skip += PAGE
        return claims_of(records.values(), self.visit.cultures)

    async def _page(self, skip: int) -> dict[str, Any]:
        params: dict[str, str | int] = {**self.options.search, "limit": PAGE, "skip": skip}
        key = f"{self.options.base_url} {params}"
        found: dict[str, Any] | None = self.ledger.page(self.route, key)
        if found is None:
            answer = await self.page(f"{self.options.base_url.rstrip('/')}/artworks/", params)
            found = {"total": int(answer["info"]["total"]), "data": answer.get("data") or []}
            self.ledger.add_page(self.route, key, found)
        return found

    async def ask_record(self, object_id: str) -> Record:
        answer = await self.web.json(f"{self.options.base_url.rstrip('/')}/artworks/{object_id}")
        return cleveland_record(answer["data"])


def cleveland_record(found: dict[str, Any]) -> Record:
    """A record from the API's answer for one artwork."""
    public = said(found.get("share_license_status")).upper() == "CC0"
    images = found.get("images") or {}
    urls = {size: said((images.get(size) or {}).get("url")) for size in ("web", "print")}
    makers = [said(maker.get("description")) for maker in found.get("creators") or []]
    return Record(
        source=Museum.source,
        object_id=str(found["id"]),
        is_public_domain=public,
        title=said(found.get("title")),
        artist=said([re.sub(r"\s*\(.*", "", maker) for maker in makers]),
        date=said(found.get("creation_date")),
        medium=said(found.get("technique")),
        accession_number=said(found.get("accession_number")),
        object_url=said(found.get("url")),
        licence="CC0" if public else "",
        image_small=urls["web"],
        image_original=urls["print"] or urls["web"],
        object_name=said(found.get("type")),
        classification=said(found.get("type")),
        department=said(found.get("department")),
        culture=said(found.get("culture") or []),
        artist_nationality=said([nation for maker in makers for nation in re.findall(r"\(([^()]*)\)", maker)]),
        rights=said(found.get("copyright")),
    )
