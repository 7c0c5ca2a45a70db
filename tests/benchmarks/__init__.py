"""Measurements of speed, each a module: `python -m benchmarks.images`."""
