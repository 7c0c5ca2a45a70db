"""How long resampling takes, against a loop over scikit-learn: `python -m benchmarks.resampling`.

Both compute all metrics of all arms and seeds under patient-clustered resamples of the same synthetic scores. The loop
is timed on a few resamples of one arm and seed, and its time for all of them is that times their number.
"""

import argparse
import resource
import time

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn import metrics as scikit
from sklearn.linear_model import LogisticRegression

from diagnostic_accuracy.bootstrap import patient_strata, patient_weights, resample
from diagnostic_accuracy.comparisons import gains
from diagnostic_accuracy.results import estimates


def predictions(arms: int, seeds: int, images: int) -> pd.DataFrame:
    """Synthetic scores of so many arms and seeds on test images of patients with two images each."""
    rng = np.random.default_rng(0)
    image = np.arange(images)
    labels = rng.integers(0, 2, images)
    difficulty = rng.normal(size=images // 2 + 1)[image // 2]
    common = {"image_id": image, "patient_id": image // 2, "split": "test", "label": labels}
    return pd.concat(
        pd.DataFrame(common | {"arm": f"arm {arm}", "seed": seed}).assign(
            score=expit(2 * labels - 1 + difficulty + rng.normal(size=images))
        )
        for arm in range(arms)
        for seed in range(seeds)
    )


def loop(frame: pd.DataFrame, resamples: int) -> float:
    """Seconds that scikit-learn takes for every metric of the first arm and seed under so many resamples."""
    one = frame[(frame.arm == frame.arm.iloc[0]) & (frame.seed == frame.seed.iloc[0])]
    labels, scores = one.label.to_numpy(), one.score.to_numpy()
    strata, index = patient_strata(one.patient_id.to_numpy(), labels)
    weights = patient_weights(strata, resamples, np.random.default_rng(0))[:, index]
    start = time.perf_counter()
    for counts in weights:
        drawn = np.repeat(np.arange(len(labels)), counts)
        _scikit_metrics(labels[drawn], scores[drawn])
    return time.perf_counter() - start


def _scikit_metrics(labels: np.ndarray, scores: np.ndarray) -> list[float]:
    """The metrics of `diagnostic_accuracy.metrics`, less the calibration intercept, which scikit-learn cannot fit."""
    calls = scores >= 0.5
    slope = LogisticRegression(C=np.inf).fit(logit(scores)[:, None], labels).coef_[0, 0]
    return [
        scikit.accuracy_score(labels, calls),
        scikit.f1_score(labels, calls),
        scikit.recall_score(labels, calls, pos_label=0),
        scikit.recall_score(labels, calls),
        scikit.precision_score(labels, calls),
        scikit.precision_score(labels, calls, pos_label=0),
        scikit.balanced_accuracy_score(labels, calls),
        scikit.matthews_corrcoef(labels, calls),
        scikit.roc_auc_score(labels, scores),
        scikit.average_precision_score(labels, scores),
        scikit.brier_score_loss(labels, scores),
        slope,
    ]


def main() -> None:
    """Print one line: seconds of ours and of the loop, their ratio, and the peak memory of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arms", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--loop-resamples", type=int, default=20, help="of one run")
    options = parser.parse_args()
    frame = predictions(options.arms, options.seeds, options.images)
    start = time.perf_counter()
    resampled = resample(frame, options.resamples)
    estimates(resampled)
    gains(resampled, "arm 0")
    ours = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    runs = options.arms * options.seeds
    theirs = loop(frame, options.loop_resamples) / options.loop_resamples * options.resamples * runs
    print(
        f"{options.resamples} resamples, {runs} runs, {options.images} images: {ours:.1f} s, "
        f"peak {peak:.2f} GB; scikit-learn loop {theirs:.0f} s ({theirs / ours:.0f} times as long, from "
        f"{options.loop_resamples} resamples of one run)"
    )


if __name__ == "__main__":
    main()
