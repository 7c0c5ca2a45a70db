"""Numbers that mean something else than they seem to: reported from predictions (notebook 09)."""

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from diagnostic_accuracy import comparisons, metrics
from diagnostic_accuracy.bootstrap import Resampled, patient_strata, patient_weights
from diagnostic_accuracy.operating_point import called
from foramen.evaluation import confident_errors
from foramen.pitfalls import outcome

RARE = 0.05  # prevalence of a screening setting
SUREST = 40  # errors


def imbalance(frame: pd.DataFrame, arm: str, resamples: int = 500, seed: int = 0) -> outcome.Row:
    """Accuracy of an arm where 5 % are positive (images weighted so), beside its balanced accuracy (right, truth).

    Its threshold is chosen on the validation images, weighted likewise. The first seed.
    """
    runs = frame[frame.arm == arm]
    run = runs[runs.seed == runs.seed.min()]
    val, test = (run[run.split == part] for part in ("val", "test"))
    limit = metrics.operating_threshold(_rare(val.label)[None], val.label, val.score)
    strata, patient = patient_strata(test.patient_id.to_numpy(), test.label.to_numpy())
    drawn = patient_weights(strata, resamples, np.random.default_rng(seed))
    weights = np.vstack([np.ones_like(drawn[:1]), drawn])[:, patient] * _rare(test.label)
    accuracy, balanced = metrics.evaluate(weights, test.label, test.score, limit, ("accuracy", "balanced_accuracy"))
    points, patients = (accuracy[0], balanced[0], balanced[0]), test.patient_id.nunique()
    name = "accuracy where 5 % are positive"
    return outcome.over_patients(name, "accuracy", points, (accuracy - balanced)[1:], patients)


def _rare(labels: pd.Series) -> np.ndarray:
    """Weights (images,) under which the share RARE is positive."""
    positive = labels.to_numpy() == 1
    return np.where(positive, RARE / max(positive.mean(), 1e-9), (1 - RARE) / max((~positive).mean(), 1e-9))


def best_seed(resampled: Resampled, metric: str = "accuracy") -> outcome.Row:
    """The best seed of each arm reported in place of the mean over its seeds (right, truth); a repetition is an arm."""
    points = [resampled.points(arm, metric) for arm in resampled.arms]
    several = [own for own in points if len(own) > 1]
    wrong, right = ([f(own) for own in several] for f in (np.max, np.mean))
    return outcome.over_repetitions("best seed reported", metric, wrong, right, right) | {"of": "arms"}


def label_noise(frame: pd.DataFrame, arm: str, before_noise: pd.Series | None) -> outcome.Row:
    """The share of an arm's most confident errors that are the network's: all of them, by the labels (wrong); in truth
    those of which the label was right.

    `before_noise` by image_id: the label that no reader's error had touched; only a synthetic cohort knows it. The
    interval is Wilson's, with as many trials as there are patients. The right way is a second reading of these images.
    """
    pitfall, metric = "label noise read as network error", "most confident errors"
    if before_noise is None:
        return outcome.unknown(pitfall, metric, "nobody knows which labels are wrong")
    rows = confident_errors.confident(frame, arm, SUREST)
    if len(rows) < 2:
        return outcome.unknown(pitfall, metric, "too few errors")
    misread = (rows.image_id.map(before_noise) != rows.label).mean()
    patients = frame[frame.image_id.isin(rows.image_id)].patient_id.nunique()
    interval = proportion_confint(misread * patients, patients, method="wilson")
    return outcome.over_patients(pitfall, metric, (1.0, 1 - misread, 1 - misread), np.array(interval), patients)


def fixed_crop(resampled: Resampled, arms: tuple[str, str, str] | None, metric: str = "accuracy") -> outcome.Row:
    """What a collapsed spatial transformer would be praised for: the gain of the fixed crop that it has become.

    `arms` see the same with a transformer, cut out at its magnification, and with neither (`step.crop_arms`); None: the
    study has no such arms. Wrong is the gain of the crop over nothing, right that of the transformer over the crop; a
    collapsed transformer is that crop, so its own gain is 0.
    """
    pitfall, unit = "crop counted as a transformer's gain", f"gain in {metric}"
    if arms is None:
        return outcome.unknown(pitfall, unit, "it has no three arms with a transformer, with a crop and with neither")
    transformer, crop, neither = arms
    table = comparisons.differences(resampled, [(crop, neither), (transformer, crop)])
    rows = table[table.metric == metric].set_index("arm")
    numbers = {"wrong": rows.gain[crop], "right": rows.gain[transformer], "truth": 0.0, "inflation": rows.gain[crop]}
    numbers |= {"low": rows.low[crop], "high": rows.high[crop], "n": resampled.n_patients, "of": "patients"}
    return outcome.unknown(pitfall, unit, rows.note[crop]) | numbers


def accuracy_by_label(frame: pd.DataFrame, before_noise: pd.Series) -> pd.DataFrame:
    """Accuracy of each arm by the recorded labels and before readers' errors: `arm, recorded, before_noise`."""
    test = called(frame)
    clean = test.image_id.map(before_noise)
    both = pd.DataFrame({"recorded": test.called == test.label, "before_noise": test.called == clean})
    return both.groupby(test.arm, sort=False).mean().reset_index()
