"""Metrics against scikit-learn and statsmodels, tests against MLstatkit and statsmodels, to 1e-6."""

import numpy as np
import pytest
import statsmodels.api as sm
from MLstatkit import Delong_test
from scipy.special import expit, logit
from sklearn import metrics as sk
from statsmodels.stats.contingency_tables import mcnemar

from diagnostic_accuracy import metrics, paired_tests
from diagnostic_accuracy.calibration import SCORE_MARGIN
from diagnostic_accuracy.metrics import METRICS, evaluate, operating_threshold

SCIKIT = {
    "accuracy": lambda y, s, w, t: sk.accuracy_score(y, s >= t, sample_weight=w),
    "f1": lambda y, s, w, t: sk.f1_score(y, s >= t, sample_weight=w),
    "specificity": lambda y, s, w, t: sk.recall_score(y, s >= t, pos_label=0, sample_weight=w),
    "sensitivity": lambda y, s, w, t: sk.recall_score(y, s >= t, sample_weight=w),
    "precision": lambda y, s, w, t: sk.precision_score(y, s >= t, sample_weight=w),
    "npv": lambda y, s, w, t: sk.precision_score(y, s >= t, pos_label=0, sample_weight=w),
    "balanced_accuracy": lambda y, s, w, t: sk.balanced_accuracy_score(y, s >= t, sample_weight=w),
    "mcc": lambda y, s, w, t: sk.matthews_corrcoef(y, s >= t, sample_weight=w),
    "auroc": lambda y, s, w, t: sk.roc_auc_score(y, s, sample_weight=w),
    "auprc": lambda y, s, w, t: sk.average_precision_score(y, s, sample_weight=w),
    "brier": lambda y, s, w, t: sk.brier_score_loss(y, s, sample_weight=w),
}


def statsmodels_calibration(y, s, w) -> tuple[float, float]:
    x = logit(s)
    binomial = sm.families.Binomial()
    intercept = sm.GLM(y, np.ones_like(x), offset=x, family=binomial, freq_weights=w).fit(tol=1e-12).params[0]
    slope = sm.GLM(y, sm.add_constant(x), family=binomial, freq_weights=w).fit(tol=1e-12).params[1]
    return intercept, slope


def images(seed: int, n: int = 300, digits: int | None = None):
    """Labels, scores (rounded to make ties) and weights with zeros, as a resample gives them."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    s = expit(1.5 * (y - 0.4) + rng.normal(size=n))
    s = s if digits is None else np.clip(s.round(digits), 0.05, 0.95)
    return y, s, rng.multinomial(n, np.full(n, 1 / n), 4).astype(float)


@pytest.mark.parametrize("digits", [None, 1])
@pytest.mark.parametrize("seed", range(3))
def test_weighted_metrics_agree_with_scikit_learn(seed, digits):
    y, s, weights = images(seed, digits=digits)
    values = dict(zip(METRICS, evaluate(weights, y, s, 0.45), strict=True))
    for name, reference in SCIKIT.items():
        expected = [reference(y, s, w, 0.45) for w in weights]
        np.testing.assert_allclose(values[name], expected, rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("digits", [None, 1])
@pytest.mark.parametrize("seed", range(3))
def test_calibration_agrees_with_statsmodels(seed, digits):
    y, s, weights = images(seed, digits=digits)
    values = evaluate(weights, y, s, 0.5, metrics.CALIBRATION)
    np.testing.assert_allclose(values.T, [statsmodels_calibration(y, s, w) for w in weights], rtol=0, atol=1e-6)


def test_calibration_of_an_overconfident_network_agrees_with_statsmodels():
    y, s, weights = images(7)
    s = expit(9 * logit(s))
    values = evaluate(weights, y, s, 0.5, metrics.CALIBRATION)
    clipped = np.clip(s, SCORE_MARGIN, 1 - SCORE_MARGIN)
    np.testing.assert_allclose(values.T, [statsmodels_calibration(y, clipped, w) for w in weights], rtol=0, atol=1e-6)


def test_weights_equal_repeated_images():
    y, s, weights = images(3)
    repeated = np.repeat(np.arange(len(y)), weights[0].astype(int))
    again = evaluate(np.ones((1, len(repeated))), y[repeated], s[repeated], 0.5)
    np.testing.assert_allclose(evaluate(weights[:1], y, s, 0.5), again, rtol=0, atol=1e-9)


def test_mcc_is_zero_where_all_are_called_alike():
    y, s, weights = images(0)
    assert evaluate(weights, y, s, 2.0, ("mcc",)).tolist() == [[0.0] * 4]


@pytest.mark.parametrize(
    "y, s, t, undefined",
    [
        ([0, 0, 0], [0.1, 0.7, 0.3], 0.5, {"sensitivity": "no image with label 1", "auroc": "no image with label 1"}),
        ([1, 1, 1], [0.1, 0.7, 0.3], 0.5, {"specificity": "no image with label 0", "mcc": "no image with label 0"}),
        (
            [0, 1, 0, 1],
            [0.5] * 4,
            0.9,
            {"precision": "no image is called positive", "calibration_slope": "all scores are equal"},
        ),
        ([0, 1, 0, 1], [0.5] * 4, 0.1, {"npv": "no image is called negative"}),
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], 0.5, {"calibration_slope": "the scores separate the classes perfectly"}),
        ([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.9], 0.5, {"calibration_slope": "the scores separate the classes perfectly"}),
        ([0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0], 0.5, {"calibration_slope": "the scores separate the classes perfectly"}),
    ],
)
@pytest.mark.filterwarnings("error")
def test_degenerate_images_give_a_value_or_a_reason(y, s, t, undefined):
    values = dict(zip(METRICS, evaluate(np.ones((1, len(y))), y, s, t)[:, 0], strict=True))
    reasons = {name: metrics.why_not_estimable(name, y, s) for name, value in values.items() if np.isnan(value)}
    assert undefined.items() <= reasons.items()
    assert all(np.isfinite(values[name]) for name in ("accuracy", "brier"))


def test_threshold_calls_as_many_positive_as_are():
    for seed in range(6):
        y, s, _ = images(seed, n=40, digits=1 if seed % 2 else None)
        off = abs(int((s >= operating_threshold(np.ones((1, 40)), y, s)).sum()) - int(y.sum()))
        assert off == min(abs(int((s >= t).sum()) - int(y.sum())) for t in [0, *s, 1.01])
        assert seed % 2 or off == 0


@pytest.mark.parametrize(
    "y, s, expected",
    [
        ([0, 1], [0.2, 0.6], 0.4),  # the midpoint
        ([0, 1, 0, 1], [0.1, 0.3, 0.7, 0.9], 0.5),  # two are positive, two are called
        ([0, 1, 1, 0], [0.1, 0.3, 0.3, 0.5], 0.4),  # 0.2 calls one too many, 0.4 one too few: nearest to 0.5
        ([0, 1, 1, 0], [0.3, 0.5, 0.5, 0.7], 0.4),  # 0.4 and 0.6 are equally good and near: the lower
        ([1, 1, 1], [0.2, 0.4, 0.6], 0.5),  # one class
        ([0, 1], [0.5, 0.5], 0.5000000000000001),  # all equal: nothing to choose, the nearest to 0.5
    ],
)
def test_threshold_ties_follow_the_stated_rule(y, s, expected):
    assert operating_threshold(np.ones((1, len(y))), np.array(y), np.array(s)) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("digits", [None, 1])
def test_threshold_of_a_resample_is_that_of_its_repeated_images(digits):
    y, s, _ = images(3, n=40, digits=digits)
    weights = np.random.default_rng(0).multinomial(40, np.full(40, 1 / 40), 50).astype(float)
    drawn = [np.repeat(np.arange(40), w.astype(int)) for w in weights]
    alone = [operating_threshold(np.ones((1, len(i))), y[i], s[i])[0] for i in drawn]
    assert operating_threshold(weights, y, s).tolist() == alone


def test_each_resample_can_have_its_own_threshold():
    y, s, weights = images(2)
    limits = [0.2, 0.4, 0.6, 0.8]
    each = [evaluate(w[None], y, s, limit)[:, 0] for w, limit in zip(weights, limits, strict=True)]
    np.testing.assert_allclose(evaluate(weights, y, s, np.array(limits)).T, each, rtol=0, atol=1e-9)


@pytest.mark.parametrize("digits", [None, 1])
def test_delong_agrees_with_mlstatkit(digits):
    y, first, _ = images(1, digits=digits)
    _, second, _ = images(2, digits=digits)
    second = 0.5 * first + 0.5 * np.where(y == 1, second, 1 - second)
    difference, error, p_value = paired_tests.auroc_difference(y, first, second, np.arange(len(y)))
    z, expected = Delong_test(y, second, first, return_ci=False, return_auc=False)
    assert difference == pytest.approx(sk.roc_auc_score(y, first) - sk.roc_auc_score(y, second), abs=1e-9)
    assert (difference / error, p_value) == pytest.approx((z, expected), abs=1e-6)


def test_clustered_delong_agrees_with_obuchowski_written_out():
    """Obuchowski 1997 as sums over clusters, with unequal numbers of images a patient."""
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(60), rng.integers(1, 5, 60))
    y = rng.integers(0, 2, len(patients))
    scores = [y + rng.normal(size=60)[patients] + rng.normal(size=len(y)) for _ in range(2)]
    m, n = y.sum(), (1 - y).sum()

    def kernel(a, b):
        return (a > b) + 0.5 * (a == b)

    x_sums, y_sums, areas = np.zeros((2, 60)), np.zeros((2, 60)), []
    for k, s in enumerate(scores):
        v10 = {i: np.mean([kernel(s[i], s[j]) for j in np.flatnonzero(y == 0)]) for i in np.flatnonzero(y == 1)}
        v01 = {j: np.mean([kernel(s[i], s[j]) for i in np.flatnonzero(y == 1)]) for j in np.flatnonzero(y == 0)}
        areas.append(np.mean(list(v10.values())))
        for p in range(60):
            x_sums[k, p] = sum(v - areas[k] for i, v in v10.items() if patients[i] == p)
            y_sums[k, p] = sum(v - areas[k] for j, v in v01.items() if patients[j] == p)
    with1, with0 = len(np.unique(patients[y == 1])), len(np.unique(patients[y == 0]))
    covariance = np.zeros((2, 2))
    for a in range(2):
        for b in range(2):
            s10 = with1 / ((with1 - 1) * m) * (x_sums[a] * x_sums[b]).sum()
            s01 = with0 / ((with0 - 1) * n) * (y_sums[a] * y_sums[b]).sum()
            s11 = 60 / 59 * np.array([(x_sums[a] * y_sums[b]).sum(), (x_sums[b] * y_sums[a]).sum()])
            covariance[a, b] = s10 / m + s01 / n + s11.sum() / (m * n)
    expected = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    difference, error, _ = paired_tests.auroc_difference(y, *scores, patients)
    assert (difference, error) == pytest.approx((areas[0] - areas[1], expected), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_agrees_with_statsmodels(seed):
    rng = np.random.default_rng(seed)
    right, other = rng.random(80) < 0.8, rng.random(80) < 0.7
    table = [[(right & other).sum(), (right & ~other).sum()], [(~right & other).sum(), (~right & ~other).sum()]]
    difference, p_value = paired_tests.clustered_mcnemar(right, other, np.arange(80))
    assert p_value == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-6)
    assert difference == pytest.approx(right.mean() - other.mean())


def test_sign_flip_agrees_with_all_sign_patterns():
    differences = np.array([2, -1, 3, 1, 1, 0, -2, 2])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1)
    expected = np.mean(np.abs(np.abs(differences) @ signs) >= abs(differences.sum()))
    assert paired_tests.sign_flip(differences) == pytest.approx(expected, abs=1e-12)
    assert paired_tests.sign_flip(np.zeros(5)) == 1.0
