"""The metrics of a server, in Prometheus' format."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """The figures of one server.

    Attributes
    ----------
    latency : seconds from the arrival of sound to its words, by protocol.
    sound : seconds of sound that streams and recordings held, by protocol.
    words : words that streams found, by protocol and word.
    streams : streams that are open, by protocol.
    refusals : requests and streams that were refused, by protocol and reason.
    requests : requests of HTTP, by path and status.
    capacity, models : the streams that are admitted at once; the recognisers that are loaded.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.latency = Histogram(
            "speech_rnn_latency_seconds",
            "Seconds from the arrival of sound to its words.",
            ["protocol"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.sound = self._counter("sound_seconds", "Seconds of sound.", "protocol")
        self.words = self._counter("words", "Words that streams found.", "protocol", "word")
        self.refusals = self._counter("refusals", "What was refused.", "protocol", "reason")
        self.requests = self._counter("requests", "Requests of HTTP.", "path", "status")
        self.streams = self._gauge("streams", "Streams that are open.", "protocol")
        self.capacity = self._gauge("capacity_streams", "Streams that are admitted at once.")
        self.models = self._gauge("models", "Recognisers that are loaded.")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"speech_rnn_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"speech_rnn_{name}", text, labels, registry=self._registry)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self._registry)
