"""What every accuracy is read beside: majority class, metadata alone, the ceiling of noisy labels (notebook 06)."""

from collections.abc import Mapping

import pandas as pd

from diagnostic_accuracy import metrics
from diagnostic_accuracy.bootstrap import resample
from diagnostic_accuracy.results import ONE_SEED, estimates


def baseline_estimates(
    frame: pd.DataFrame,
    truth: pd.Series | None = None,
    blind: Mapping[str, pd.Series | None] = {},
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """What every accuracy must be read beside, with the columns of `results.estimates`.

    `majority class` always answers that of the validation images (of the test images where there are none);
    `no-information rate` is the share of the majority class of the test images. Scores by image_id that no film gave
    (`blind`, by name, such as a guess from age and sex; None: unknown here) are thresholded as an arm's
    are. `label-noise ceiling`, where it is known (`truth`: by image_id, the probability that a reader calls what is to
    be seen stenotic), answers with that probability and is marked against the recorded, noisy label: no arm can be
    expected to do better.
    """
    images = frame[frame.split == "test"].drop_duplicates("image_id").assign(seed=0)
    known = frame[frame.split == "val"].drop_duplicates("image_id")
    majority = int((known if len(known) else images).label.mean() >= 0.5)
    arms = [images.assign(arm="majority class", score=float(majority))]
    both = pd.concat([known.assign(seed=0), images])
    arms += [both.assign(arm=arm, score=both.image_id.map(by)) for arm, by in blind.items() if by is not None]
    if truth is not None:
        state = images.image_id.map(truth)
        if state.isna().any():
            raise ValueError(f"the true state of {int(state.isna().sum())} test images is missing")
        arms.append(images.assign(arm="label-noise ceiling", score=state.astype(float)))
    table = estimates(resample(pd.concat(arms), n_resamples, seed, (*metrics.CONFUSION, *metrics.RANKING)))
    table["note"] = [note.replace(ONE_SEED, "").strip("; ") for note in table.note]
    share, note = images.label.mean(), "a property of this test set, so without an interval"
    size = {"n_images": len(images), "n_patients": images.patient_id.nunique(), "n_seeds": 0}
    rate = {"arm": "no-information rate", "metric": "accuracy", "estimate": max(share, 1 - share), **size, "note": note}
    return pd.concat([table, pd.DataFrame([rate], columns=table.columns)], ignore_index=True)
