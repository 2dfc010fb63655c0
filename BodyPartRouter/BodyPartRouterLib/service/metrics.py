"""Counts and times for Prometheus, at http://127.0.0.1:PORT/metrics. No label tells anything of a patient."""

from __future__ import annotations

from collections.abc import Callable

from .http_endpoint import HttpEndpoint

ADDRESS = "127.0.0.1"
LATENCY_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class Metrics(HttpEndpoint):
    """counts: the journal's images in each state, destinations: what waits for which; asked for when somebody looks."""

    what = "The metrics"

    def __init__(self, counts: Callable[[], dict[str, int]], destinations: Callable[[], list[dict]] = list):
        super().__init__()
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        registry = self._registry = CollectorRegistry()
        self._received = Counter("lesionkit_received", "Objects received and kept", registry=registry)
        self._duplicates = Counter("lesionkit_duplicates", "Objects that were received before", registry=registry)
        self._rejected = Counter("lesionkit_rejected", "Objects and associations refused", ["why"], registry=registry)
        self._classified = Counter("lesionkit_classified", "Images by predicted class", ["label"], registry=registry)
        self._routed = Counter("lesionkit_routed", "Images delivered by their rule", registry=registry)
        self._held = Counter("lesionkit_held", "Images held for a person", registry=registry)
        self._failed = Counter("lesionkit_failed", "Failed attempts to deliver", ["destination"], registry=registry)
        self._latency = Histogram(
            "lesionkit_latency_seconds", "From receiving to the last delivery", buckets=LATENCY_S, registry=registry
        )
        self._batch = Histogram("lesionkit_batch_seconds", "Reading and classifying a batch", registry=registry)
        for state in counts():
            gauge = Gauge(f"lesionkit_images_{state}", f"Images in the state '{state}'", registry=registry)
            gauge.set_function(lambda state=state: counts()[state])
        registry.register(_Destinations(destinations))

    def received(self, is_new: bool) -> None:
        (self._received if is_new else self._duplicates).inc()

    def rejected(self, why: str) -> None:
        self._rejected.labels(why).inc()

    def classified(self, label: str) -> None:
        self._classified.labels(label).inc()

    def batch(self, seconds: float) -> None:
        self._batch.observe(seconds)

    def delivered(self, held: bool, seconds: float) -> None:
        (self._held if held else self._routed).inc()
        self._latency.observe(max(seconds, 0.0))

    def failed(self, destination: str) -> None:
        self._failed.labels(destination).inc()

    def _listen(self, port: int):
        from prometheus_client import start_http_server

        return start_http_server(port, addr=ADDRESS, registry=self._registry)[0]


class _Destinations:
    """Gauges of what waits for each destination, and of those that take nothing, with the reason."""

    def __init__(self, destinations: Callable[[], list[dict]]):
        self._destinations = destinations

    def collect(self):
        from prometheus_client.core import GaugeMetricFamily

        waiting = GaugeMetricFamily("lesionkit_waiting", "Deliveries that wait", labels=["destination"])
        out = GaugeMetricFamily("lesionkit_outage", "Takes nothing", labels=["destination", "reason"])
        for place in self._destinations():
            waiting.add_metric([place["name"]], place["waiting"])
            if place["outage"]:
                out.add_metric([place["name"], place["outage"]], 1)
        yield waiting
        yield out
