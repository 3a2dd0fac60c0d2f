"""Errors of requests: a status and one sentence."""


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: of HTTP.
        sentence: what is wrong and, where there is one, the way out.
        retry_after: seconds after which the same request may succeed; None where it can't.
    """

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after


def busy(sentence: str) -> RequestError:
    """Return the refusal of a request that may succeed a moment later."""
    return RequestError(503, sentence, retry_after=1)
