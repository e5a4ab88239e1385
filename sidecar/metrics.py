"""What the sidecar counts, in Prometheus' text format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of one sidecar; labels hold no names of agents, audiences or users."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters: dict[tuple[str, str], Counter] = {}
        self._calls = Counter(
            "remit_sidecar_calls",
            "Calls answered, by method and outcome",
            ["method", "outcome"],
            registry=self.registry,
        )
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
        self.issuer_up = self._gauge("issuer_up", "1 while the issuer answers")

    def _gauge(self, name: str, help_text: str) -> Gauge:
        return Gauge(f"remit_sidecar_{name}", help_text, registry=self.registry)

    def count(self, method: str, outcome: str) -> None:
        """Count one call; both words come from a small set of our own."""
        counter = self._counters.get((method, outcome))
        if counter is None:
            counter = self._counters[method, outcome] = self._calls.labels(method, outcome)
        counter.inc()

    def render(self) -> bytes:
        """Everything, as text."""
        return generate_latest(self.registry)
