"""How well binary classifiers do on the same patients, and how sure one can be: every number with its interval.

One table is enough: image_id, patient_id, split (val, test), arm (a classifier), seed (a training of it), label (0 or
1), score (0 to 1, the higher the more probable is label 1):

    import pandas as pd
    from diagnostic_accuracy import estimates, gains, resample

    resampled = resample(pd.read_csv("predictions.csv"), n_resamples=2000, seed=0)
    estimates(resampled)  # accuracy, AUROC ... of every arm, as shares, with intervals
    gains(resampled, "basic")  # every arm less `basic`, in points, with intervals and p-values

Patients are resampled, not images; thresholds are chosen again on resampled validation patients; all arms share the
draws, so differences are paired. A table that cannot be evaluated raises ValueError with all its faults. An arm without
validation rows is called at 0.5 (`thresholds` says so).

- `table`: what a table must be
- `metrics`, `calibration`, `curves`: what is measured; `operating_point`: where a score is called positive
- `bootstrap`: resampled patients; `intervals`: what these and repeated seeds say of a mean
- `results`: every metric of every arm; `baselines`: what they are read beside
- `comparisons`, `factorial`, `subgroups`, `transfer`, `incremental`: differences; `multiple_testing`: Holm
- `follows`: what a score follows beside the label, and AUROC and calls within groups of images
- `paired_tests`: DeLong, McNemar, sign flip, for patients with several images
- `variance`: what training patients, test patients, threshold and seed contribute

Nothing here knows of a study. Notebooks 06 to 08 show all of it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules={"curves", "follows", "incremental", "metrics"},
    submod_attrs={
        "baselines": ["baseline_estimates"],
        "bootstrap": ["patient_weights", "resample", "threshold_draws"],
        "calibration": ["recalibrate"],
        "comparisons": ["detectable", "differences", "equal_specificity", "gains", "over", "rank_swaps", "steps"],
        "factorial": ["factorial_effects", "is_full_factorial"],
        "intervals": ["percentile_interval"],
        "multiple_testing": ["holm"],
        "operating_point": ["called", "thresholds"],
        "paired_tests": ["clustered_mcnemar", "compare_pairs", "sign_flip"],
        "results": ["by_seed", "estimates", "percentages"],
        "subgroups": ["interactions"],
    },
)
