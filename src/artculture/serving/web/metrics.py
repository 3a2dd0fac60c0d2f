"""Figures of a server in Prometheus' text format."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one server.

    Args:
        waiting: number of pictures that are accepted and not yet answered.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter("artculture_requests", "answers", ["path", "status"], registry=self._registry)
        self.seconds = Histogram(
            "artculture_request_seconds", "until the answer", ["path"], buckets=SECONDS, registry=self._registry
        )
        self.batch = Histogram(
            "artculture_batch_size", "pictures in one forward pass", buckets=SIZES, registry=self._registry
        )
        gauge = Gauge("artculture_waiting_pictures", "accepted and not yet answered", registry=self._registry)
        gauge.set_function(waiting)

    def text(self) -> bytes:
        """Return all figures."""
        return generate_latest(self._registry)
