"""What Prometheus can read about a running server."""

import os
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable under which several workers' numbers come together (Prometheus' own)."""

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# A time stamp beside each number would double the answer and tell nothing new.
disable_created_metrics()

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_PHOTOS = (1, 2, 4, 8, 16, 32, 64)


@dataclass
class Metrics:
    """The numbers of one server application."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        """Register every metric, and the process's own (memory, CPU, files) where one suffices."""
        registry = self.registry
        self.requests = Counter(
            "hangtag_requests_total",
            "Requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "hangtag_request_seconds",
            "From the request's first byte to the answer's last.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "hangtag_requests_in_flight",
            "Requests being answered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.photos = Counter(
            "hangtag_photos_total", "Photos by outcome.", ["outcome"], registry=registry
        )
        self.tags = Counter(
            "hangtag_tags_total", "Tags by decision.", ["attribute", "decision"], registry=registry
        )
        self.batches = Histogram(
            "hangtag_batch_photos",
            "Photos per run of the network.",
            buckets=_PHOTOS,
            registry=registry,
        )
        self.decoding = Histogram(
            "hangtag_decoding_seconds",
            "Decoding and fitting one photo.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.inference = Histogram(
            "hangtag_inference_seconds",
            "One run of the network.",
            buckets=_SECONDS,
            registry=registry,
        )
        if SHARED_FOLDER not in os.environ:
            ProcessCollector(registry=registry)

    def exposition(self) -> bytes:
        """Write the numbers, of all workers together, in Prometheus' text format."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self.registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)
        return generate_latest(shared)

    def close(self) -> None:
        """Take this worker out of what counts only the living."""
        if SHARED_FOLDER in os.environ:
            mark_process_dead(os.getpid())
