"""Small classifiers of small films, trained in a second, for the pitfalls that need training (notebook 09)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

FINE, COARSE, MARKS = 2.0, 16, 8  # pixels of blur; cells a side of broad tones, and of the brightest marks


def turned(images: NDArray, right: NDArray) -> NDArray:
    """Images (n, s, s) of which those at `right` (n,) are mirrored, so that all look like left sides."""
    return np.where(right[:, None, None], images[..., ::-1], images)


def small(images: NDArray, right: NDArray, side: int) -> NDArray[np.float32]:
    """Images (n, S, S) averaged over blocks to `side` pixels a side, of which S is a multiple, and `turned`."""
    step = images.shape[-1] // side
    blocks = images.astype(np.float32).reshape(len(images), side, step, side, step)
    return turned(blocks.mean(axis=(2, 4)), right)


def tones(images: NDArray) -> NDArray[np.float32]:
    """Every pixel as a feature: (n, h w)."""
    return images.reshape(len(images), -1).astype(np.float32)


def marks(images: NDArray) -> NDArray[np.float32]:
    """Broad tones, and the brightest small mark of each of 8 × 8 cells: what sees a marker wherever it lies."""
    fine = images - gaussian_filter(images, (0, FINE, FINE))
    brightest, broad = _cells(fine, MARKS).max(axis=(2, 4)), _cells(images, COARSE).mean(axis=(2, 4))
    return np.hstack([tones(brightest), tones(broad)])


def evidence(fitted: Pipeline, features: NDArray) -> NDArray[np.float64]:
    """What each of 8 × 8 cells adds to the score of a `linear` classifier of `marks` (n, 8, 8), exactly: its features,
    standardised, times their coefficients.
    """
    parts = fitted[0].transform(features) * fitted[1].coef_[0]
    brightest, broad = np.split(parts, [MARKS**2], axis=1)
    return brightest.reshape(-1, MARKS, MARKS) + _cells(broad.reshape(-1, COARSE, COARSE), MARKS).sum(axis=(2, 4))


def _cells(images: NDArray, count: int) -> NDArray:
    n, side, _ = images.shape
    return images.reshape(n, count, side // count, count, side // count)


def linear() -> Pipeline:
    """A penalised logistic regression of standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))


def kernel() -> Pipeline:
    """A support vector machine with a Gaussian kernel, which can remember single films."""
    return make_pipeline(StandardScaler(), SVC())


def area(labels: NDArray, scores: NDArray) -> float:
    """Area under the ROC curve; NaN with one class."""
    return float(roc_auc_score(labels, scores)) if len(np.unique(labels)) > 1 else np.nan


def auroc(model: Pipeline, features: NDArray, labels: NDArray, train: NDArray, test: NDArray) -> float:
    """AUROC on the images `test` of a model that is fitted to the images `train`; NaN where either has one class."""
    if len(np.unique(labels[train])) < 2:
        return np.nan
    return area(labels[test], model.fit(features[train], labels[train]).decision_function(features[test]))


def parts(groups: NDArray, shares: Sequence[float], seed: int) -> list[NDArray[np.bool_]]:
    """Masks (images,) that deal the groups at random to parts of these shares of the groups."""
    names, index = np.unique(groups, return_inverse=True)
    rank = np.random.default_rng(seed).permutation(len(names))[index]
    edges = np.round(np.cumsum([0, *shares]) * len(names))
    return [(rank >= low) & (rank < high) for low, high in zip(edges[:-1], edges[1:], strict=True)]
