"""Reproducible study of foraminal stenosis classification from cervical radiographs (after Park et al. 2023)."""

import warnings

__version__ = "1.0.0"

# Libraries that could draw a progress bar say so when they cannot; no notebook of this study draws one.
warnings.filterwarnings("ignore", message="IProgress not found")
