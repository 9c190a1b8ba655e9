"""Metrics for Prometheus. Labels never name a patient, a tenant or a peer.

With `PROMETHEUS_MULTIPROC_DIR` set before this module is imported, all processes of an installation
share one folder of counters, and any of them can expose the sums.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

REGISTRY = CollectorRegistry()

DIMSE_OPERATIONS = Counter(
    "pacs_dimse_operations_total", "DIMSE requests answered", ["op", "status"], registry=REGISTRY
)
RECEIVED_BYTES = Counter("pacs_received_bytes_total", "Bytes of objects received and safe", registry=REGISTRY)
ASSOCIATIONS = Gauge(
    "pacs_associations", "Associations open now", registry=REGISTRY, multiprocess_mode="livesum"
)
HTTP_SECONDS = Histogram(
    "pacs_http_request_seconds",
    "Time to answer an HTTP request",
    ["method", "route", "status"],
    registry=REGISTRY,
)

Sample = Callable[[], float | Mapping[str, float]]


class CachedSample:
    """A value that is costly to find: cached for `seconds`, or, if that is longer, for a hundred times as
    long as it took, so that at most one percent of the time is spent on it."""

    def __init__(
        self,
        find: Callable[[], float],
        seconds: float = 60,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._seconds = seconds
        self._clock = clock
        self._until = 0.0
        self._value = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:  # concurrent callers share one answer
            began = self._clock()
            if began >= self._until:
                self._value = self._find()
                ended = self._clock()
                self._until = ended + max(self._seconds, 100 * (ended - began))
            return self._value


class _Samples(Collector):
    """Values read at scrape time: one number, or one for each `state`. A failing one is left out."""

    def __init__(self, samples: Mapping[str, tuple[str, Sample]]) -> None:
        self._samples = samples

    def collect(self) -> Iterable[Metric]:
        for name, (about, sample) in self._samples.items():
            try:
                value = sample()
            except Exception:
                continue  # the rest of the page matters most when something is down
            if isinstance(value, Mapping):
                family = GaugeMetricFamily(name, about, labels=["state"])
                for state, number in value.items():
                    family.add_metric([state], number)
            else:
                family = GaugeMetricFamily(name, about, value=value)
            yield family


def exposition(samples: Mapping[str, tuple[str, Sample]]) -> bytes:
    """The page in Prometheus' text format. `samples`: name → (help, how to read it now)."""
    registry = CollectorRegistry()
    if os.environ.get(FOLDER_VARIABLE):
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # an untyped library
    else:
        registry.register(_Forward())
    registry.register(_Samples(samples))
    return generate_latest(registry)


class _Forward(Collector):
    def collect(self) -> Iterable[Metric]:
        return REGISTRY.collect()


def process_ended(pid: int) -> None:
    """A dead process has no open associations."""
    if os.environ.get(FOLDER_VARIABLE):
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # likewise
