"""What happens to a film before a network sees it: the region of interest, the contrast treatment. Mirrors notebook 02.

`detector` finds the column on a whole film, `regions` cuts it out, `equalization` treats it: none, min-max stretch,
histogram equalization, CLAHE. `step` keeps what each arm of a study reads.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "equalization": ["cdf_spread", "cdfs", "equalize", "equalize_histogram", "valid_share"],
        "detector": ["heatmap_loss", "read_heatmaps", "target_heatmaps"],
        "step": ["Variant", "columns", "masks", "place", "prepare", "prepare_regions", "seen", "side_mm"],
    },
)
