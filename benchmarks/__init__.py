"""Figures against real peers, both sides in turn in one run. `python -m benchmarks` prints docs/benchmarks.md."""
