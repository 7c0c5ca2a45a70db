"""Reproducible study of foraminal stenosis classification from cervical radiographs (after Park et al. 2023)."""

__version__ = "1.0.0"
