"""What the sidecar counts, in Prometheus' text format."""

from collections import Counter as PlainCounter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics(Collector):
    """Counters of one sidecar; labels hold no names of agents, audiences or users."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls: PlainCounter[tuple[str, str]] = PlainCounter()
        self.registry.register(self)
        self.batches = Histogram(
            "remit_sidecar_batch_requests",
            "Requests that left for the issuer as one batch",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self.registry,
        )
        self.refused = Counter(
            "remit_sidecar_connections_refused",
            "Connections refused because their user has its share",
            registry=self.registry,
        )
        self.cached = self._gauge("cached_answers", "Answers in the cache")
        self.connections = self._gauge("connections", "Callers held")
        self.launches = self._gauge("launches", "Processes alive that a launcher registered")
        self.tasks = self._gauge("tasks", "Tasks of launched processes that are not known to be complete")
        self.streams = self._gauge("streams", "Open streams of the Workload API")
        self.issuer_up = self._gauge("issuer_up", "1 while the issuer answers")

    def _gauge(self, name: str, help_text: str) -> Gauge:
        return Gauge(f"remit_sidecar_{name}", help_text, registry=self.registry)

    def count(self, method: str, outcome: str) -> None:
        """Count one call, on the event loop's thread; both words come from a small set of our own."""
        self._calls[method, outcome] += 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The calls, for the registry: counted without its locks, since only one thread does."""
        calls = CounterMetricFamily(
            "remit_sidecar_calls", "Calls answered, by method and outcome", labels=["method", "outcome"]
        )
        for labels, value in self._calls.items():
            calls.add_metric(labels, value)
        yield calls

    def render(self) -> bytes:
        """Everything, as text."""
        return generate_latest(self.registry)
