"""Counters and gauges for `/metrics`, in Prometheus' text form. Names and labels are those of the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REGISTRY = CollectorRegistry()
ProcessCollector(registry=_REGISTRY)
GCCollector(registry=_REGISTRY)


def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
    return Counter(name, text, labels, registry=_REGISTRY)


def gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
    return Gauge(name, text, labels, registry=_REGISTRY)


def sum_of(name: str, text: str) -> Gauge:
    """A counter whose name the reference writes without `_total`, which a Counter would append."""
    return Gauge(name, text, registry=_REGISTRY)


class Table(Collector):
    """Gauges read when somebody asks: one for each row of labels that `read` answers."""

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self._name, self._text, self._labels = name, text, labels
        self.read: Callable[[], Mapping[tuple[str, ...], float]] = dict

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for row, value in self.read().items():
            family.add_metric(row, value)
        yield family


def table(name: str, text: str, labels: Sequence[str]) -> Table:
    """Empty until its `read` is set."""
    found = Table(name, text, labels)
    _REGISTRY.register(found)
    return found


def histogram(name: str, text: str, labels: Sequence[str] = ()) -> Histogram:
    """Of seconds."""
    return Histogram(name, text, labels, registry=_REGISTRY)


def exposition() -> bytes:
    """All of them, as `/metrics` answers."""
    return generate_latest(_REGISTRY)
