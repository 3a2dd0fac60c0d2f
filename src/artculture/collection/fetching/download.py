"""One big file, in pieces where it must be: a killed download goes on at its last byte."""

import asyncio
from pathlib import Path

import httpx

from artculture.collection.fetching.client import Client
from artculture.collection.fetching.progress import ProgressTask
from artculture.errors import WorkError

MEGABYTE = 1 << 20


async def download_file(client: Client, url: str, target: Path, task: ProgressTask) -> None:
    """Download a file to `target`, which appears only when it is whole.

    Raises:
        WorkError: it can't be had; what is there is kept and continued next time.
    """
    part = target.with_name(f".{target.name}.part")
    reason = ""
    for tries in range(1, client.policy.retries + 2):
        try:
            await _go_on(client.http, url, part, task)
            part.replace(target)
            return
        except httpx.HTTPStatusError as error:
            reason = f"HTTP {error.response.status_code}"
            if error.response.status_code in (401, 404, 410):
                break
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
        await asyncio.sleep(client.jitter(tries))
    raise WorkError(f"{url} can't be downloaded: {reason}. Run the same command again, or give a local source.path")


async def _go_on(http: httpx.AsyncClient, url: str, part: Path, task: ProgressTask) -> None:
    tag_file = part.with_name(part.name + ".etag")
    have = part.stat().st_size if part.is_file() and tag_file.is_file() else 0
    # If the file has changed meanwhile, the server sends all of it again.
    asked = {"Range": f"bytes={have}-", "If-Range": tag_file.read_text()} if have else {}
    async with http.stream("GET", url, headers={**asked, "Accept-Encoding": "identity"}) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return
        response.raise_for_status()
        goes_on = response.status_code == httpx.codes.PARTIAL_CONTENT
        length = int(response.headers.get("Content-Length", 0))
        task.expect(length // MEGABYTE)
        if not goes_on:
            part.unlink(missing_ok=True)
            tag_file.write_text(response.headers.get("ETag", ""))
        with part.open("ab" if goes_on else "wb") as file:
            async for piece in response.aiter_raw():
                before = file.tell() // MEGABYTE
                file.write(piece)
                task.advance(file.tell() // MEGABYTE - before)
    tag_file.unlink(missing_ok=True)
