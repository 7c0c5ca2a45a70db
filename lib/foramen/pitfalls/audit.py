"""Signs of pitfalls in a predictions table: what a reviewer sees without images (`foramen audit`, docs/pitfalls.md).

Each check looks at one thing and says what it counted. A sign is a reason to ask, not a proof, and signs are not added
up to a score. What a table cannot show is said to be unknown.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from diagnostic_accuracy import metrics, operating_point
from diagnostic_accuracy.bootstrap import patient_strata, patient_weights
from diagnostic_accuracy.multiple_testing import holm
from foramen.cohort import adapters, audit
from foramen.cohort.manifest import identifier
from foramen.core.errors import each, first_few, raise_any
from foramen.evaluation import predictions
from foramen.study.model import ManifestCohort

Verdict = Literal["sign", "no sign", "unknown"]
FEWEST_SEEDS = 3
RESAMPLES = 1000
BALANCED = 0.7  # share of the majority class from which on accuracy says little
INFORMATIVE = 0.6  # AUROC from which on something knows the label
FACTS = ("site", "age", "sex", "side", "view")
WITHOUT = "unknown without --manifest"


class Sign(NamedTuple):
    """One check: which pitfall, whether the table shows signs of it, and the numbers."""

    pitfall: str
    verdict: Verdict
    numbers: str


def read(
    path: Path | str, manifest: Path | str | None = None, arm: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """A predictions table (`predictions.read`) and, where given, its manifest as `foramen check` reads it (no images).

    Identifiers of both are written in one way (`manifest.identifier`). Raises InputError with all faults of both.
    """

    def cohort() -> pd.DataFrame | None:
        if manifest is None:
            return None
        source = adapters.read(ManifestCohort(path=str(manifest)))
        raise_any(source.faults)
        table = source.table[source.table["excluded"] == ""]
        return table.assign(
            image_id=table["image_id"].where(table["image_id"] != "", table["image_path"].map(identifier))
        )

    readers: list[Callable[[], Any]] = [lambda: predictions.read(path, arm, strict=True), cohort]
    frame, known = each(readers, lambda reader: reader())
    return frame.assign(**{name: frame[name].map(identifier) for name in ("image_id", "patient_id")}), known


def signs(frame: pd.DataFrame, manifest: pd.DataFrame | None = None, threshold: float | None = None) -> list[Sign]:
    """Every check of a predictions table (`read`) against its manifest, and of a reported threshold (0 to 1).

    Raises InputError where the table has no test rows, or no image that the manifest knows.
    """
    test = frame[frame["split"] == "test"]
    faults = [] if len(test) else ["the predictions table has no rows of the test split"]
    if manifest is not None and not test["image_id"].isin(manifest["image_id"]).any():
        faults.append("the manifest knows no image of the test split; image_id must be the same in both tables")
    raise_any(faults)
    repeated = test.duplicated(["arm", "seed", "image_id"])
    whole, test = test, test[~repeated]
    limits = _limits(frame, threshold)
    called = test.merge(limits, on=["arm", "seed"]).assign(called=lambda rows: rows["score"] >= rows["threshold"])
    return [
        _shared_patients(frame, manifest),
        _repeated(whole, repeated),
        _same_scores(test),
        _contradictions(whole),
        _same_images(test),
        *_against_manifest(test, manifest),
        *_threshold(called, threshold is not None),
        _seeds(test),
        _arms(test),
        _clustering(called),
        _imbalance(called),
        *_followed(test, manifest),
        _metadata(manifest),
    ]


def _sign(pitfall: str, found: bool, numbers: str) -> Sign:
    return Sign(pitfall, "sign" if found else "no sign", numbers)


def _some(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _shared_patients(frame: pd.DataFrame, manifest: pd.DataFrame | None) -> Sign:
    """Test patients who appear in another split, of the table or of the manifest."""
    rows = [frame[["patient_id", "split"]]] + ([manifest[["patient_id", "split"]]] if manifest is not None else [])
    splits = pd.concat(rows)
    tested = set(splits.loc[splits["split"] == "test", "patient_id"])
    shared = sorted(tested & set(splits.loc[splits["split"].isin(("train", "val")), "patient_id"]))
    known = splits["split"].isin(("train", "val")).any()
    if not known:
        return Sign("patients in more than one split", "unknown", "no table says which patients were trained on")
    names = f": {first_few(shared)}" if shared else ""
    return _sign(
        "patients in more than one split", bool(shared), f"{len(shared)} of {_some(len(tested), 'test patient')}{names}"
    )


def _repeated(test: pd.DataFrame, repeated: pd.Series) -> Sign:
    images = test.loc[repeated, "image_id"].nunique()
    return _sign(
        "an image more than once", images > 0, f"{images} of {_some(test['image_id'].nunique(), 'test image')}"
    )


def _contradictions(test: pd.DataFrame) -> Sign:
    """Test images that have more than one label or patient in the table itself."""
    told = test.groupby("image_id")[["label", "patient_id"]].nunique()
    images = told.index[(told > 1).any(axis=1)]
    names = f": {first_few(images)}" if len(images) else ""
    return _sign(
        "label or patient contradicts itself",
        len(images) > 0,
        f"{len(images)} of {_some(len(told), 'test image')}{names}",
    )


def _same_images(test: pd.DataFrame) -> Sign:
    """Networks without some of the test images: their numbers cannot be compared with the others'."""
    counts, images = test.groupby(["arm", "seed"], sort=False)["image_id"].nunique(), test["image_id"].nunique()
    lacking = [f"{arm!r}, seed {seed}: {count} of {images}" for (arm, seed), count in counts.items() if count < images]
    said = (
        first_few(lacking, separator="; ")
        if lacking
        else f"all {_some(len(counts), 'network')} on {_some(images, 'test image')}"
    )
    return _sign("networks tested on different images", bool(lacking), said)


def _same_scores(test: pd.DataFrame) -> Sign:
    """Test images that no network tells apart: copies of one image, where scores are not coarse.

    Two images share the one score of a single network by luck, too, where it is rounded or clipped.
    """
    scores = test.pivot(index="image_id", columns=["arm", "seed"], values="score")
    same = int(scores.duplicated(keep=False).sum())
    pitfall, coarse = "copies of an image", scores.nunique().min() < len(scores) / 2
    if scores.shape[1] < 2:
        return Sign(pitfall, "unknown", "one network alone cannot tell copies from equal scores")
    if coarse:
        return Sign(pitfall, "unknown", "the scores are too coarse to tell")
    images = _some(len(scores), "test image")
    return _sign(pitfall, same > 0, f"{same} of {images} with the same scores as another one by every network")


def _against_manifest(test: pd.DataFrame, manifest: pd.DataFrame | None) -> Iterator[Sign]:
    """Test images left out, and labels or patients that are not those of the manifest."""
    if manifest is None:
        yield Sign("test images left out, labels changed", "unknown", WITHOUT)
        return
    known, images = manifest.set_index("image_id"), test.drop_duplicates("image_id").set_index("image_id")
    asked = known.index[known["split"] == "test"]
    if len(asked):
        runs = test.groupby(["arm", "seed"])["image_id"].agg(lambda ids: len(asked.difference(ids)))
        numbers = f"at most {runs.max()} of {len(asked)} by one network"
        yield _sign("test images left out", runs.max() > 0, numbers)
    else:
        yield Sign("test images left out", "unknown", "the manifest has no split")
    common = images.index.intersection(known.index)
    for column in ("label", "patient_id"):
        other = int((images.loc[common, column] != known.loc[common, column]).sum())
        yield _sign(f"{column} is not the manifest's", other > 0, f"{other} of {_some(len(common), 'test image')}")


def _limits(frame: pd.DataFrame, reported: float | None) -> pd.DataFrame:
    """The threshold of each arm and seed: the reported one, else `operating_point.thresholds`; `at` names it."""
    limits = operating_point.thresholds(frame)
    limits["validated"] = limits["source"].str.startswith("as many")
    limits["at"] = np.where(limits["validated"], "the validation threshold", "0.5")
    return limits if reported is None else limits.assign(threshold=reported, at=f"the reported {reported:g}")


def _threshold(called: pd.DataFrame, reported: bool) -> Iterator[Sign]:
    """Was a threshold chosen on the test set? Without validation rows there is no other place to choose one."""
    pitfall, validated = "threshold chosen on the test set", called["validated"].all()
    gains, optimal = [], 0
    for _, run in called.groupby(["arm", "seed"]):
        labels, scores, one = run["label"].to_numpy(), run["score"].to_numpy(), np.ones((1, len(run)))
        candidates = np.append(np.unique(scores), np.inf)
        weights = np.repeat(one, len(candidates), axis=0)
        names = ("accuracy", "balanced_accuracy")
        best = np.nanmax(metrics.evaluate(weights, labels, scores, candidates, names), axis=1)
        here = metrics.evaluate(one, labels, scores, run["threshold"].iloc[0], names)[:, 0]
        gains.append(100 * (best[0] - here[0]))
        optimal += int((here >= best - 1e-12).any())
    text = f"the best threshold on the test set would add up to {max(gains):.1f} pp of accuracy to {_at(called)}"
    yield _sign(pitfall, not validated, text + ("" if validated else "; there are no validation rows of both classes"))
    if reported:
        numbers = f"{_at(called)} is the best there for {optimal} of {_some(len(gains), 'network')}"
        yield _sign(
            "the reported threshold is the test set's best", optimal > 0, numbers + " (accuracy or Youden's index)"
        )


def _at(called: pd.DataFrame) -> str:
    """Which threshold the calls were made at."""
    return " or ".join(called["at"].unique())


def _seeds(test: pd.DataFrame) -> Sign:
    counts = test.groupby("arm")["seed"].nunique()
    fewest, most = counts.min(), counts.max()
    numbers = f"{_some(most, 'training')} an arm" if fewest == most else f"{fewest} to {most} trainings an arm"
    return _sign("too few seeds", fewest < FEWEST_SEEDS, numbers)


def _arms(test: pd.DataFrame) -> Sign:
    networks = test.groupby(["arm", "seed"]).ngroups
    numbers = _some(networks, "network")
    if networks > 1:
        luck = "chance that one of them beats the first at p < 0.05 by luck alone, uncorrected"
        numbers += f"; {luck}: {1 - 0.95 ** (networks - 1):.0%}"
    return _sign("best of many networks", networks > 2, numbers)


def _clustering(called: pd.DataFrame) -> Sign:
    """How much wider the interval of accuracy is when patients are drawn, not images (the largest of all networks)."""
    images, patients = called["image_id"].nunique(), called["patient_id"].nunique()
    numbers = f"{_some(images, 'test image')} of {_some(patients, 'patient')}"
    if images == patients:
        return _sign("intervals that count images", False, numbers)
    ratios, rng = [], np.random.default_rng(0)
    for _, run in called.groupby(["arm", "seed"]):
        right = (run["called"] == run["label"]).to_numpy(float)
        strata, patient = patient_strata(run["patient_id"].to_numpy(), run["label"].to_numpy())
        drawn = patient_weights(np.zeros_like(strata), RESAMPLES, rng)[:, patient]
        naive = np.sqrt(right.mean() * (1 - right.mean()) / len(right))
        ratios.append((drawn @ right / drawn.sum(axis=1)).std(ddof=1) / naive if naive > 0 else 1.0)
    wider = f"by patients that of accuracy at {_at(called)} is up to {max(ratios):.2f} times as wide"
    return _sign("intervals that count images", True, f"{numbers}; {wider}")


def _imbalance(called: pd.DataFrame) -> Sign:
    share = called.drop_duplicates("image_id")["label"].mean()
    majority = max(share, 1 - share)
    accuracy = (called["called"] == called["label"]).groupby([called["arm"], called["seed"]]).mean()
    below = int((accuracy <= majority).sum())
    no_better = f"{below} of {_some(len(accuracy), 'network')} no better at {_at(called)}"
    numbers = f"always the majority class: {majority:.1%} right; {no_better}"
    return _sign("accuracy under imbalance", majority >= BALANCED or below > 0, numbers)


def _followed(test: pd.DataFrame, manifest: pd.DataFrame | None) -> Iterator[Sign]:
    """Do scores follow a column of the manifest beyond what the label explains? Patients' means, Holm over columns.

    Age: Spearman's correlation; other columns: Kruskal and Wallis's test between their values.
    """
    pitfall = "scores follow what is no finding"
    if manifest is None:
        yield Sign(pitfall, "unknown", WITHOUT)
        return
    mean = test.groupby("image_id")[["score", "label"]].mean()
    rows = manifest.set_index("image_id").join(mean.add_prefix("test_"), how="inner")
    rows["left"] = rows["test_score"] - rows.groupby("test_label")["test_score"].transform("mean")
    found = {column: _association(rows, column) for column in FACTS}
    tested = {column: result for column, result in found.items() if result is not None}
    adjusted = holm(pd.Series([p for p, _ in tested.values()], dtype=float))
    for (column, (_, size)), p in zip(tested.items(), adjusted, strict=True):
        p_value = "< 0.001" if p < 0.001 else f"= {p:.3f}"
        yield _sign(f"{pitfall}: {column}", p < 0.05, f"{size}, among images with the same label (Holm p {p_value})")
    if missing := [column for column in FACTS if column not in tested]:
        yield Sign(pitfall, "unknown", f"the manifest says nothing that differs of {', '.join(missing)}")


def _association(rows: pd.DataFrame, column: str) -> tuple[float, str] | None:
    """p-value, and size in words, of what a column says of the rest of the score; None where it says nothing."""
    known = rows[rows[column].notna() & (rows[column] != "")]
    if known[column].nunique() < 2:
        return None
    if column == "age":
        means = known.groupby("patient_id")[["age", "left"]].mean()
        correlation, p = stats.spearmanr(means["age"], means["left"])
        return float(p), f"Spearman's correlation {correlation:+.2f}"
    means = known.groupby(["patient_id", column])["left"].mean().reset_index()
    groups = {name: part["left"].to_numpy() for name, part in means.groupby(column) if len(part) >= 5}
    if len(groups) < 2:
        return None
    middles = {name: np.mean(values) for name, values in groups.items()}
    high, low = max(middles, key=middles.__getitem__), min(middles, key=middles.__getitem__)
    size = f"mean score of {high!r} is {middles[high] - middles[low]:.2f} above that of {low!r}"
    return float(stats.kruskal(*groups.values()).pvalue), size


def _metadata(manifest: pd.DataFrame | None) -> Sign:
    """How well the manifest's other columns tell the label, without any image."""
    pitfall = "metadata know the label"
    if manifest is None:
        return Sign(pitfall, "unknown", WITHOUT)
    design = audit.metadata(manifest)
    design = design.loc[:, design.nunique() > 1]
    if design.empty or manifest["patient_id"].nunique() < 10 or manifest["label"].nunique() < 2:
        return Sign(pitfall, "unknown", "too few patients, or nothing in the manifest that differs")
    area = audit.cross_validated_auroc(design, manifest["label"], manifest["patient_id"])
    return _sign(pitfall, area >= INFORMATIVE, f"AUROC {area:.2f} from {', '.join(FACTS)} alone")
