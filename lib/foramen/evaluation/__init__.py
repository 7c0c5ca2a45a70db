"""From predictions to statements (notebooks 06 to 08): metrics, the patient-clustered bootstrap, comparisons, saliency.

Methods take predictions tables (`predictions`), arrays and networks; only `step` knows the study.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bootstrap": ["resample"],
        "comparisons": ["detectable", "equal_specificity", "gains", "rank_swaps", "steps"],
        "predictions": ["drop_collapsed", "thresholds"],
    },
)
