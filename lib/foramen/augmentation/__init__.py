"""The flip, the label that must swap with it, and random changes of training images. Mirrors notebook 03."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "flip": ["apply_canonical_flip", "examples", "mirrored", "mirrored_labels"],
        "random_changes": ["pose_limits", "random_affine", "random_flip", "random_gain", "random_poses"],
        "step": ["arm_images", "prepare"],
    },
)
