"""Contrast treatments of a radiograph: none, min-max stretch, histogram equalization, CLAHE. Mirrors notebook 02."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "equalization": ["cdf_spread", "cdfs", "equalize", "equalize_histogram", "normalisation", "valid_share"],
        "step": ["prepare"],
    },
)
