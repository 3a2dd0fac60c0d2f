"""Fetching of linked pictures: never from a private network, unless that is allowed."""

import httpx

from artculture.collection.fetching.responses import (
    PICTURE_ERRORS,
    PICTURE_HEADERS,
    check_status,
    failure_reason,
    translated_errors,
)
from artculture.serving.web.errors import RequestError
from artculture.utils.http.body import LimitExceededError
from artculture.utils.http.client import bounded_get, guarded_client
from artculture.utils.http.network_guard import AddressGuard, PrivateAddressError, host_of

LONGEST_ADDRESS = 4096


async def fetch_picture(url: str, *, max_bytes: float, seconds: float, allow_private: bool) -> bytes:
    """Return the content of an address.

    Every address, also of a redirect, is resolved once, checked, and connected to as checked. A proxy of the
    environment resolves names itself, so it is used only where private networks are allowed.

    Raises:
        RequestError: 413 for too large an answer, 422 for an address that is not fetched, 504 for a slow server.
    """
    if not host_of(url) or len(url) > LONGEST_ADDRESS:
        raise RequestError(422, "a link is an http:// or https:// address")
    guard = AddressGuard((), allow_private=allow_private)
    client = guarded_client(guard, headers=PICTURE_HEADERS, timeout=seconds, max_bytes=max_bytes, proxies=allow_private)
    try:
        with translated_errors(seconds):
            async with client:
                response = await bounded_get(client, url, max_bytes=max_bytes, max_seconds=seconds)
                check_status(response)
                return response.content
    except PICTURE_ERRORS as error:
        raise _refusal(error) from error


def _refusal(error: Exception) -> RequestError:
    cause = error.__cause__
    if isinstance(cause, PrivateAddressError):
        return RequestError(422, "the link leads into a private network, where this server may not fetch pictures")
    if isinstance(cause, httpx.TimeoutException) or (isinstance(cause, LimitExceededError) and "within" in str(cause)):
        return RequestError(504, "the linked server did not answer in time")
    status = 413 if isinstance(cause, LimitExceededError) else 422
    return RequestError(status, f"the link can't be fetched: {failure_reason(error)}")
