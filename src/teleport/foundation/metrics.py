"""Counters and gauges for `/metrics`, in Prometheus' text form. Names and labels are those of the reference."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REGISTRY = CollectorRegistry()
ProcessCollector(registry=_REGISTRY)


def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
    return Counter(name, text, labels, registry=_REGISTRY)


def gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
    return Gauge(name, text, labels, registry=_REGISTRY)


def histogram(name: str, text: str, labels: Sequence[str] = ()) -> Histogram:
    """Of seconds."""
    return Histogram(name, text, labels, registry=_REGISTRY)


def exposition() -> bytes:
    """All of them, as `/metrics` answers."""
    return generate_latest(_REGISTRY)
