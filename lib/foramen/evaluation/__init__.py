"""From predictions to statements (notebooks 06 to 08): metrics, the patient-clustered bootstrap, comparisons, saliency.

Methods take predictions tables (`predictions`), arrays and networks; only `step` knows the study.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "baselines": ["baseline_estimates"],
        "bootstrap": ["patient_weights", "resample", "threshold_draws"],
        "calibration": ["recalibrate"],
        "comparisons": ["detectable", "differences", "equal_specificity", "gains", "over", "rank_swaps", "steps"],
        "factorial": ["factorial_effects", "is_full_factorial"],
        "intervals": ["percentile_interval"],
        "multiple_testing": ["holm"],
        "paired_tests": ["clustered_mcnemar", "compare_pairs", "sign_flip"],
        "predictions": ["drop_collapsed", "thresholds"],
        "results": ["by_seed", "estimates", "percentages"],
        "subgroups": ["interactions"],
    },
)
