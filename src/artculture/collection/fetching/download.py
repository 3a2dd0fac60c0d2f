"""Resumable download of one large file."""

from pathlib import Path

import httpx

from artculture.collection.fetching.client import Client
from artculture.collection.fetching.progress import ProgressTask
from artculture.collection.fetching.responses import PermanentHTTPError, RetriesExhaustedError, check_status
from artculture.utils.errors import WorkError
from artculture.utils.http.client import bounded_stream
from artculture.utils.io import open_without_links

MEGABYTE = 1 << 20


async def download_file(client: Client, url: str, target: Path, task: ProgressTask) -> None:
    """Download a file to `target`, which appears only when it is complete.

    Raises:
        WorkError: the download failed; the next call continues at the last byte.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        await client.retry(url, lambda: _continue(client, url, part, task))
    except (PermanentHTTPError, RetriesExhaustedError) as error:
        raise WorkError(
            f"{url} can't be downloaded: {error}. Run the same command again, or give a local source.path"
        ) from error
    part.replace(target)


async def _continue(client: Client, url: str, part: Path, task: ProgressTask) -> None:
    tag_file = part.with_name(part.name + ".etag")
    size = part.stat().st_size if part.is_file() and tag_file.is_file() else 0
    # If the file has changed in the meantime, the server ignores the range and sends all of it.
    headers = {"Range": f"bytes={size}-", "If-Range": tag_file.read_text()} if size else {}
    limits = client.limits
    async with bounded_stream(
        client.http, url, max_bytes=limits.file_bytes - size, max_seconds=limits.file_seconds,
        headers={**headers, "Accept-Encoding": "identity"},
    ) as response:  # fmt: skip
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # the part is already complete
        check_status(response)
        is_partial = response.status_code == httpx.codes.PARTIAL_CONTENT
        task.expect(int(response.headers.get("Content-Length", 0)) // MEGABYTE)
        if not is_partial:
            part.unlink(missing_ok=True)
            with open_without_links(tag_file, "w") as tag:
                tag.write(response.headers.get("ETag", ""))
        with open_without_links(part, "ab" if is_partial else "wb") as file:
            async for chunk in response.aiter_bytes():
                before = file.tell() // MEGABYTE
                file.write(chunk)
                task.advance(file.tell() // MEGABYTE - before)
    tag_file.unlink(missing_ok=True)
