"""Classification of HTTP responses and errors: usable, worth another attempt, or final."""

import email.utils
import re
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from artculture import __version__
from artculture.utils.http.body import LimitExceededError
from artculture.utils.http.nested_json import DeepJSONError
from artculture.utils.http.nested_json import parse_json as parse_nested
from artculture.utils.http.network_guard import PrivateAddressError
from artculture.utils.secrets import hidden

ALLOW_PRIVATE = "allow_private=true permits it"
USER_AGENT = f"artculture/{__version__}"
PICTURE_HEADERS = {"User-Agent": USER_AGENT, "Accept": "image/*"}
# Answers of bot protection and rate limits, for which requests are slowed down rather than just repeated.
BLOCKED_STATUSES = {403, 429, 503}
# Timeouts and server errors; 520 to 524 are Cloudflare's.
TRANSIENT_STATUSES = {408, 425, 500, 502, 504, 520, 521, 522, 523, 524}


class PermanentHTTPError(Exception):
    """A final answer (404, 410, another client error, no valid address): another attempt cannot help."""


class RetriesExhaustedError(Exception):
    """Every attempt failed; the message holds the last reason."""


class OversizedAnswerError(RetriesExhaustedError):
    """An answer exceeds a limit of the config; it is not requested again in this run."""


class FailedAttemptError(Exception):
    """One attempt failed, another one may succeed.

    Attributes:
        blocked: the server refuses this client, not only this request: all requests to it slow down.
        retry_after: seconds that the server asked to wait.
    """

    def __init__(self, reason: str, *, blocked: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.blocked = blocked
        self.retry_after = retry_after


# What can go wrong with one picture by its address, once `translated_errors` has mapped it.
PICTURE_ERRORS = (FailedAttemptError, PermanentHTTPError, OversizedAnswerError, ValueError)


def failure_reason(error: Exception) -> str:
    """Return why an address could not be fetched, without secrets."""
    return hidden(str(error)) or type(error).__name__


@contextmanager
def translated_errors(timeout: float) -> Iterator[None]:
    """Map the errors of httpx and of the limits to those of this module.

    Args:
        timeout: seconds, for the message.
    """
    try:
        yield
    except httpx.TimeoutException as error:
        raise FailedAttemptError(f"no answer within {timeout:g} s") from error
    except LimitExceededError as error:
        raise OversizedAnswerError(f"the answer is {error}") from error
    except PrivateAddressError as error:
        raise PermanentHTTPError(f"{error}; {ALLOW_PRIVATE}") from error
    except zlib.error as error:
        raise FailedAttemptError(f"a damaged answer ({error})") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
        raise PermanentHTTPError(f"not a valid http(s) address ({error})") from error
    except httpx.RequestError as error:
        raise FailedAttemptError(f"the connection failed ({str(error) or type(error).__name__})") from error


def check_status(response: httpx.Response) -> None:
    """Raise unless the response is a success.

    Raises:
        FailedAttemptError: blocked by the server, or a server error.
        PermanentHTTPError: any other status.
    """
    status = f"HTTP {response.status_code}"
    if response.status_code in BLOCKED_STATUSES:
        reason = f"{status}, blocked by bot protection or a rate limit"
        raise FailedAttemptError(reason, blocked=True, retry_after=_retry_after(response))
    if response.status_code in TRANSIENT_STATUSES:
        raise FailedAttemptError(f"{status}, a server error", retry_after=_retry_after(response))
    if response.status_code in (404, 410):
        raise PermanentHTTPError(f"{status}: not found")
    if not response.is_success:
        raise PermanentHTTPError(f"{status} {response.reason_phrase}".rstrip())


def parse_json(response: httpx.Response, max_depth: int) -> dict[str, Any]:
    """Return the JSON object in a response.

    Raises:
        FailedAttemptError: a web page, damaged JSON, or JSON that is no object.
        OversizedAnswerError: JSON nested more than `max_depth` levels deep.
    """
    _refuse_web_page(response, "JSON")
    try:
        value = parse_nested(response.content, max_depth)
    except DeepJSONError as error:
        raise OversizedAnswerError(f"the answer is {error}") from error
    except ValueError as error:
        raise FailedAttemptError(f"truncated or damaged JSON ({error})") from error
    if not isinstance(value, dict):
        raise FailedAttemptError(f"{type(value).__name__} where a JSON object is expected")
    return value


def image_bytes(response: httpx.Response) -> bytes:
    """Return the body of a response that is expected to be an image.

    Raises:
        FailedAttemptError: a web page.
    """
    _refuse_web_page(response, "an image")
    return response.content


def _refuse_web_page(response: httpx.Response, expected: str) -> None:
    # Bot protection, maintenance pages and captive portals answer with status 200 and, often, a wrong content type.
    start = response.content[:2000].lstrip()
    if "html" not in response.headers.get("Content-Type", "") and start[:1] != b"<":
        return
    title = re.search(rb"<title[^>]*>(.*?)</title>", response.content[:20_000], re.IGNORECASE | re.DOTALL)
    named = f" (“{' '.join(title[1].decode(errors='replace').split())[:80]}”)" if title else ""
    reason = f"a web page{named} instead of {expected}: bot protection, maintenance or a proxy"
    raise FailedAttemptError(reason, blocked=True)


def _retry_after(response: httpx.Response) -> float:
    """Return the seconds of `Retry-After`, which is a number or a date; 0 without one."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0
