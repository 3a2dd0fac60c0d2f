"""Retry policy of downloads: exponential back-off with full jitter, at least as long as `Retry-After`."""

from collections.abc import Callable

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

LONGEST_BACKOFF = 60.0  # seconds between two attempts, unless the server asks for more


def retrying(retry_on: Callable[[BaseException], bool], attempts: int, backoff: float) -> AsyncRetrying:
    """Return a caller that repeats a coroutine function: `await retrying(...)(function)`.

    The last error is raised as it is.

    Args:
        retry_on: whether an error is worth another attempt.
        attempts: at most, the first one included.
        backoff: upper bound of the first wait in seconds; it doubles with every attempt.
    """
    # stamina, a wrapper of tenacity, adds jitter to a fixed back-off and has no full jitter.
    jitter = wait_random_exponential(multiplier=backoff, max=LONGEST_BACKOFF)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return max(jitter(state), getattr(error, "retry_after", 0.0))

    return AsyncRetrying(retry=retry_if_exception(retry_on), stop=stop_after_attempt(attempts), wait=wait, reraise=True)
