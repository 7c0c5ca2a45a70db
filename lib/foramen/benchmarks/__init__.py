"""Measurements of speed, each a module: `python -m foramen.benchmarks.images`."""
