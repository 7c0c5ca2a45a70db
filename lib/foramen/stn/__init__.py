"""The spatial transformer network: what it computes, how it is trained without truth, whether it works.

Mirrors notebook 04.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "diagnostics": ["FOLLOWS", "diagnose", "foramina_in_view", "recovery"],
        "scale": ["scales"],
        "self_supervision": ["fit_localisation", "pose_loss", "predict_poses", "transform_at_random"],
        "step": ["build", "initial_transformer", "prepare", "prepare_coverage"],
        "transformer": ["SpatialTransformer", "localisation_network", "transform"],
    },
)
