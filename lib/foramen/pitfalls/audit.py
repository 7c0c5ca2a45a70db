"""Signs of pitfalls in a predictions table: what a reviewer sees without images (`foramen audit`, docs/pitfalls.md).

Each check looks at one thing and says what it counted. A sign is a reason to ask, not a proof, and signs are not added
up to a score. What a table cannot show is said to be unknown.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial import KDTree

from diagnostic_accuracy import metrics, operating_point
from diagnostic_accuracy.bootstrap import patient_strata, patient_weights
from diagnostic_accuracy.multiple_testing import holm
from foramen.core.errors import InputError, first_few
from foramen.pitfalls.audit_tables import read
from labelled_radiographs import metadata
from labelled_radiographs.manifest import COLUMNS

__all__ = ["Sign", "read", "signs"]

Verdict = Literal["sign", "no sign", "unknown"]
FEWEST_SEEDS = 3
RESAMPLES = 1000
BALANCED = 0.7  # share of the majority class from which on accuracy says little
FINEST = 6  # decimals of a score: closer ones are the same
BY_LUCK = 0.05  # share of all thresholds that are as good, from which on the best may have been met by luck
WIDER = 1.1  # times, from which on an interval by patients is another one
AROUND = 10  # steps of the last decimal, within which luck spreads pairs of scores evenly
INFORMATIVE = 0.6  # AUROC from which on something knows the label
FACTS = ("site", "age", "sex", "side", "view")
MOST_VALUES = 12  # of numbers, up to which they are compared as groups
FEWEST_IN_A_GROUP = 5  # patients
WITHOUT = "unknown without --manifest"


class Sign(NamedTuple):
    """One check: which pitfall, whether the table shows signs of it, and the numbers.

    `cases` are the first images or patients concerned: for whoever has the table, never for a report.
    """

    pitfall: str
    verdict: Verdict
    numbers: str
    cases: str = ""

    def __str__(self) -> str:
        return f"{self.verdict:<9}{self.pitfall}: {self.numbers}"


def signs(frame: pd.DataFrame, manifest: pd.DataFrame | None = None, threshold: float | None = None) -> list[Sign]:
    """Every check of a predictions table (`read`) against its manifest, and of a reported threshold (0 to 1).

    Raises InputError where the table has no test rows, or no image that the manifest knows.
    """
    test = frame[frame["split"] == "test"]
    if test.empty:
        raise InputError("the predictions table has no rows of the test split")
    if manifest is not None and not test["image_id"].isin(manifest["image_id"]).any():
        here, there = (", ".join(table["image_id"].head(1).map(repr)) for table in (test, manifest))
        text = f"image_id must be the same in both tables (here {here}, in the manifest {there})"
        raise InputError(f"the manifest knows no image of the test split; {text}")
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
        _threshold(called, threshold is not None),
        _seeds(test),
        _arms(called),
        _clustering(called),
        _imbalance(called),
        *_followed(test, manifest),
        _metadata(manifest),
    ]


def _sign(pitfall: str, found: bool, numbers: str, cases: Iterable[object] = ()) -> Sign:
    return Sign(pitfall, "sign" if found else "no sign", numbers, first_few(cases))


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
    numbers = f"{len(shared)} of {_some(len(tested), 'test patient')}"
    if manifest is not None and (unknown := tested.difference(manifest["patient_id"])):
        numbers += f"; the manifest does not know {len(unknown)} of them"
    return _sign("patients in more than one split", bool(shared), numbers, shared)


def _repeated(test: pd.DataFrame, repeated: pd.Series) -> Sign:
    images = test.loc[repeated, "image_id"].unique()
    numbers = f"{len(images)} of {_some(test['image_id'].nunique(), 'test image')}"
    return _sign("an image more than once", len(images) > 0, numbers + _one_training(test) * bool(len(images)), images)


def _contradictions(test: pd.DataFrame) -> Sign:
    """Test images that have more than one label or patient in the table itself."""
    told = test.groupby("image_id")[["label", "patient_id"]].nunique()
    images = told.index[(told > 1).any(axis=1)]
    numbers = f"{len(images)} of {_some(len(told), 'test image')}"
    return _sign("label or patient contradicts itself", len(images) > 0, numbers, images)


def _same_images(test: pd.DataFrame) -> Sign:
    """Networks without some of the test images: their numbers cannot be compared with the others'."""
    counts, images = test.groupby(["arm", "seed"], sort=False)["image_id"].nunique(), test["image_id"].nunique()
    lacking = [f"{arm!r}, seed {seed}: {count} of {images}" for (arm, seed), count in counts.items() if count < images]
    same = f"{'all ' * (len(counts) > 1)}{_some(len(counts), 'network')} on {_some(images, 'test image')}"
    return _sign("networks tested on different images", bool(lacking), first_few(lacking, separator="; ") or same)


def _same_scores(test: pd.DataFrame) -> Sign:
    """Test images that no network tells apart: copies of one image, where luck does not make as many such pairs.

    Luck spreads the pairs that all k networks score within AROUND steps of the last decimal over (2 AROUND + 1)^k
    places, of which equal scores are one: a binomial test. It leaves out the images near a network's lowest and
    highest score, where networks clip.
    """
    scores = test.pivot(index="image_id", columns=["arm", "seed"], values="score").dropna()
    pitfall, networks = "copies of an image", scores.shape[1]
    if networks < 2:
        return Sign(pitfall, "unknown", "one network alone cannot tell copies from equal scores")
    steps = (scores * 10.0 ** scores.apply(_decimals)).round()
    inner = steps[((steps > steps.min() + AROUND) & (steps < steps.max() - AROUND)).all(axis=1)]
    if min(len(inner), scores.nunique().min()) <= len(scores) / 2:
        return Sign(pitfall, "unknown", "the scores are too coarse to tell, or too near a network's lowest or highest")
    tree = KDTree(inner)
    same, near = (tree.count_neighbors(tree, [0, AROUND], p=np.inf) - len(inner)) // 2
    share = (2.0 * AROUND + 1) ** -networks
    ends = f" ({len(scores) - len(inner)} near a network's lowest or highest score left out)"
    looked = _some(len(inner), "test image") + ends * (len(inner) < len(scores))
    numbers = f"{_some(same, 'pair')} of {looked} with the same scores by every network"
    twins = inner[inner.duplicated(keep=False)]
    pairs = [" = ".join(images) for images in twins.groupby(list(twins)).groups.values()] if same else []
    found = bool(stats.binom.sf(same - 1, near, share) < 0.01)
    return _sign(pitfall, found, f"{numbers}; {near * share:.2g} by luck", pairs if found else ())


def _decimals(scores: pd.Series) -> int:
    """How many decimals a network's scores are given with, at most FINEST."""
    return next((d for d in range(1, FINEST) if np.allclose(scores.round(d), scores, rtol=0, atol=1e-7)), FINEST)


def _against_manifest(test: pd.DataFrame, manifest: pd.DataFrame | None) -> Iterator[Sign]:
    """Test images unknown or left out, and labels or patients that are not those of the manifest."""
    if manifest is None:
        yield Sign("test images left out, labels changed", "unknown", WITHOUT)
        return
    yield _unknown_images(test, manifest)
    known, images = manifest.set_index("image_id"), test.drop_duplicates("image_id").set_index("image_id")
    asked = known.index[known["split"] == "test"]
    if len(asked):
        runs = test.groupby(["arm", "seed"])["image_id"]
        lacking = max((asked.difference(images) for _, images in runs), key=len)
        numbers = f"at most {len(lacking)} of {len(asked)} by one network"
        yield _sign("test images left out", len(lacking) > 0, numbers, lacking)
    else:
        yield Sign("test images left out", "unknown", "the manifest has no split")
    common = images.index.intersection(known.index)
    for column in ("label", "patient_id"):
        other = common[images.loc[common, column] != known.loc[common, column]]
        numbers = f"{len(other)} of {_looked_at(len(common), len(images))}"
        yield _sign(f"{column} is not the manifest's", len(other) > 0, numbers, other)


def _looked_at(known: int, images: int) -> str:
    """The test images that a check against the manifest has looked at."""
    return _some(known, "test image") + " that the manifest knows" * (known < images)


def _unknown_images(test: pd.DataFrame, manifest: pd.DataFrame) -> Sign:
    """Test images without a row in the manifest, and the row that was probably meant."""
    images = test["image_id"].unique()
    unknown = sorted(set(images).difference(manifest["image_id"]))
    rows = pd.Series(manifest["image_id"].to_numpy(), manifest["image_id"].map(_bare))
    rows = rows[~rows.index.duplicated(keep=False)]
    meant = {name: f"{name} ({rows[_bare(name)]} in the manifest)" for name in unknown if _bare(name) in rows}
    numbers = f"{len(unknown)} of {_some(len(images), 'test image')}"
    if meant:
        numbers += f"; but for folder, extension, leading zeros or case, it knows {len(meant)} of them"
    cases = [meant.get(name, name) for name in unknown]
    return _sign("test images that the manifest does not know", len(unknown) > 0, numbers, cases)


def _bare(name: str) -> str:
    """An image's name without folder, extension, leading zeros and case."""
    return re.sub(r"^0+(?=.)|\.[a-z]\w{1,4}$", "", re.split(r"[/\\]", name)[-1].casefold())


def _limits(frame: pd.DataFrame, reported: float | None) -> pd.DataFrame:
    """The threshold of each arm and seed: the reported one, else `operating_point.thresholds`; `at` names it."""
    limits = operating_point.thresholds(frame)
    limits["validated"] = limits["source"].str.startswith("as many")
    limits["at"] = np.where(limits["validated"], "the validation threshold", "0.5")
    return limits if reported is None else limits.assign(threshold=reported, at=f"the reported {reported:g}")


def _threshold(called: pd.DataFrame, reported: bool) -> Sign:
    """Was a threshold chosen on the test set? A reported one is, where it is among the few that are best there."""
    pitfall, validated = "threshold chosen on the test set", called["validated"].all()
    found = [_by_threshold(run) for _, run in called.groupby(["arm", "seed"])]
    gain = max(100 * (every[0].max() - here[0]) for here, every, _ in found)
    text = f"the best threshold on the test set would add up to {gain:.1f} pp of accuracy to {_at(called)}"
    if not reported:
        source = "; no validation rows of both classes: nothing tells where the threshold comes from"
        return Sign(pitfall, "no sign" if validated else "unknown", text + source * (not validated))
    if len(found) > 1:
        return Sign(pitfall, "unknown", f"{text}; of which of {len(found)} networks? give the rows of that one alone")
    here, every, widths = found[0]
    best = here >= every.max(axis=1) - 1e-12
    alike = ((every >= here[:, None] - 1e-12) @ widths)[best].min(initial=1)
    numbers = (
        f"it is the best by accuracy or Youden's index, as are {alike:.1%} of all" if best.any() else "there are better"
    )
    return _sign(pitfall, alike < BY_LUCK, f"{text}; {numbers}")


def _by_threshold(run: pd.DataFrame) -> tuple[NDArray, NDArray, NDArray]:
    """Accuracy and balanced accuracy of a network on the test set: at its threshold (2,), at all that call other images
    positive (2, n), from the highest down; and the share of the thresholds from 0 to 1 that each stands for (n,).
    """
    labels, scores = run["label"].to_numpy(float), run["score"].to_numpy()
    counts = metrics.cumulated(np.ones((1, len(run))), labels, scores)
    (true, false), every = (np.append(0, count) for count in counts), np.append(np.inf, np.unique(scores)[::-1])
    with np.errstate(invalid="ignore"):  # of one class alone
        balanced = (true / true[-1] + 1 - false / false[-1]) / 2
    values = np.nan_to_num(np.stack([(true + false[-1] - false) / len(run), balanced]))
    own = (every >= run["threshold"].iloc[0]).sum() - 1
    return values[:, own], values, -np.diff(every.clip(max=1), append=0)


def _at(called: pd.DataFrame) -> str:
    """Which threshold the calls were made at."""
    return " or ".join(called["at"].unique())


def _seeds(test: pd.DataFrame) -> Sign:
    counts = test.groupby("arm")["seed"].nunique()
    fewest, most = counts.min(), counts.max()
    numbers = f"{_some(most, 'training')} an arm" if fewest == most else f"{fewest} to {most} trainings an arm"
    return _sign("too few seeds", fewest < FEWEST_SEEDS, numbers + _one_training(test))


def _one_training(test: pd.DataFrame) -> str:
    """What to know where every training has the number that `predictions.read` gives without a column for it."""
    return "" if test["seed"].any() else "; without the column 'seed', all rows of an arm are taken for one training's"


def _arms(called: pd.DataFrame) -> Sign:
    """Arms to choose from on the test set. Seeds are no choice where their mean is reported: how far the best is above.

    Luck is Šidák's bound for independent arms; arms that resemble each other stay below it.
    """
    arms, right = called["arm"].nunique(), called["called"] == called["label"]
    numbers = _some(arms, "arm") if arms > 1 else "one arm, none to choose from"
    if arms > 2:
        luck = f"without any difference, one of {arms - 1} differs from the first at p < 0.05, uncorrected"
        numbers += f"; {luck}, in up to {1 - 0.95 ** (arms - 1):.0%} of such studies"
    of_arm = right.groupby([called["arm"], called["seed"]]).mean().groupby("arm").agg(["max", "mean"])
    above = 100 * (of_arm["max"] - of_arm["mean"]).max()
    if called.groupby("arm")["seed"].nunique().max() > 1:
        numbers += f"; an arm's best training is up to {above:.1f} pp of accuracy above its mean"
    return _sign("best of many arms", arms > 2, numbers)


def _clustering(called: pd.DataFrame) -> Sign:
    """How much wider the interval of accuracy is when patients are drawn, not images: of the middle network."""
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
    middle = float(np.median(ratios))
    spread = f" (median of {len(ratios)} networks; at most {max(ratios):.2f})" if len(ratios) > 1 else ""
    wider = f"by patients that of accuracy at {_at(called)} is {middle:.2f} times as wide{spread}"
    return _sign("intervals that count images", middle >= WIDER, f"{numbers}; {wider}")


def _imbalance(called: pd.DataFrame) -> Sign:
    share = called.drop_duplicates("image_id")["label"].mean()
    majority = max(share, 1 - share)
    accuracy = (called["called"] == called["label"]).groupby([called["arm"], called["seed"]]).mean()
    below = int((accuracy <= majority).sum())
    no_better = f"{below} of {_some(len(accuracy), 'network')} no better at {_at(called)}"
    numbers = f"always the majority class: {majority:.1%} right; {no_better}"
    return _sign("accuracy under imbalance", majority >= BALANCED or 2 * below >= len(accuracy), numbers)


def _followed(test: pd.DataFrame, manifest: pd.DataFrame | None) -> Iterator[Sign]:
    """Do scores follow a column of the manifest, ours or the user's own, beyond what the label explains?

    Patients' means, Holm over columns (`_association`).
    """
    pitfall = "scores follow what is no finding"
    if manifest is None:
        yield Sign(pitfall, "unknown", WITHOUT)
        return
    mean = test.groupby("image_id")[["score", "label"]].mean()
    left = mean["score"] - mean.groupby("label")["score"].transform("mean")
    known = manifest[manifest["image_id"].isin(left.index)]
    rows = pd.DataFrame({"patient_id": known["patient_id"], "left": known["image_id"].map(left)})
    columns = [*FACTS, *(column for column in known if column not in COLUMNS)]
    found = {column: _association(rows.assign(value=known[column])) for column in columns}
    tested = {column: result for column, result in found.items() if result is not None}
    adjusted = holm(pd.Series([p for p, _ in tested.values()], dtype=float))
    among = "among images with the same label"
    seen = f"; {_looked_at(len(known), len(left))}" if len(known) < len(left) else ""
    for (column, (_, size)), p in zip(tested.items(), adjusted, strict=True):
        p_value = "< 0.001" if p < 0.001 else f"= {p:.3f}"
        yield _sign(f"{pitfall}: {column}", p < 0.05, f"{size}, {among} (Holm p {p_value}){seen}")
    if missing := [column for column in columns if column not in tested]:
        text = f"not looked at, for want of two values with {FEWEST_IN_A_GROUP} patients each: {', '.join(missing)}"
        yield Sign(pitfall, "unknown", text)


def _association(rows: pd.DataFrame) -> tuple[float, str] | None:
    """p-value, and size in words, of what the `value` of images says of what is `left` of their score; None where
    it says nothing.

    Many numbers: Spearman's correlation; few, and texts: Kruskal and Wallis's test between values.
    """
    rows = rows[rows["value"].notna() & (rows["value"] != "")]
    means = rows.groupby(["patient_id", "value"])["left"].mean().reset_index()
    groups = {value: part["left"] for value, part in means.groupby("value") if len(part) >= FEWEST_IN_A_GROUP}
    numbers, values = pd.api.types.is_numeric_dtype(rows["value"]), rows["value"].nunique()
    if numbers and (values > MOST_VALUES or len(groups) < 2):
        means = rows.groupby("patient_id")[["value", "left"]].mean()
        if values < 2 or len(means) < 2 * FEWEST_IN_A_GROUP:
            return None
        correlation, p = stats.spearmanr(means["value"], means["left"])
        return float(p), f"Spearman's correlation {correlation:+.2f}"
    if len(groups) < 2:
        return None
    middles = {value: group.mean() for value, group in groups.items()}
    high, low = (chosen(middles, key=middles.__getitem__) for chosen in (max, min))
    names = [repr(value) if isinstance(value, str) else f"{value:g}" for value in (high, low)]
    size = f"mean score of {names[0]} is {middles[high] - middles[low]:.2f} above that of {names[1]}"
    return float(stats.kruskal(*groups.values()).pvalue), size


def _metadata(manifest: pd.DataFrame | None) -> Sign:
    """How well the manifest's other columns tell the label, without any image."""
    pitfall = "metadata know the label"
    if manifest is None:
        return Sign(pitfall, "unknown", WITHOUT)
    design, patients = metadata.design(manifest), manifest["patient_id"].nunique()
    design = design.loc[:, design.nunique() > 1]
    if design.empty or patients < 10 or manifest["label"].nunique() < 2:
        return Sign(pitfall, "unknown", "too few patients, or nothing in the manifest that differs")
    labels, share = manifest["label"], manifest["label"].mean()
    area = metadata.cross_validated_auroc(design, labels, manifest["patient_id"])
    luck = 0.5 + 2 * np.sqrt((patients + 1) / (12 * share * (1 - share))) / patients  # 2 SD of Mann and Whitney's U
    numbers = f"AUROC {area:.2f} from {', '.join(FACTS)} alone; by luck up to {luck:.2f}"
    return _sign(pitfall, area >= max(INFORMATIVE, luck), numbers)
