"""What the tables of notebooks 06 to 08 say, in a sentence or two: tables in, one Markdown string out.

An interval that includes zero claims no gain, and a p-value is Holm's wherever more than one comparison was made.
Differences are in percentage points (pp).
"""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from foramen.core.tables import p_value
from foramen.evaluation.saliency import CENTRE, GRAD_CAM, RANDOMISED, STRIDES

SYNTHETIC = "The cohort is **synthetic**: this says nothing about patients."


def percentages(table: pd.DataFrame, metrics: Iterable[str]) -> pd.DataFrame:
    """`results` or `baselines` as text for people: a row an arm, a column a metric, in per cent with the interval."""
    wide = table.assign(text=[_percent(row) for row in table.itertuples()])
    return wide.pivot(index="arm", columns="metric", values="text").loc[table.arm.unique(), list(metrics)].fillna("–")


def gain(row: pd.Series) -> str:
    """One difference: its size, its interval, and what may be claimed."""
    if pd.isna(row.low):
        return row.note or "not estimable"
    found = f"{row.gain:+.1f} pp (95 % confidence interval {row.low:+.1f} to {row.high:+.1f})"
    if row.low <= 0 <= row.high:
        return f"{found}; the interval includes zero, so we claim no difference"
    kind = "gain" if row.low > 0 else "loss"
    if row.get("p_holm", 0) >= 0.05:
        return f"{found}: a {kind} on its own, **not significant after Holm correction** (p = {p_value(row.p_holm)})"
    return f"{found}: a **{kind}**"


def test_set(frame: pd.DataFrame, synthetic: bool) -> str:
    """How many arms, seeds, radiographs and patients the statements rest on."""
    test = frame[frame.split == "test"]
    images = test.drop_duplicates("image_id")
    return (
        f"{test.arm.nunique()} arms, {test.seed.nunique()} seeds; the internal test set has {len(images):,} "
        f"radiographs of {images.patient_id.nunique():,} patients, {images.label.mean():.0%} positive. "
        + SYNTHETIC
        * synthetic
    )


def collapsed(found: Collection[tuple[str, int]], used: Collection[tuple[str, int]], trained: int) -> str:
    """Which runs have a collapsed transformer, which of them are left out, which had to stay."""
    left_out = ", ".join(f"`{arm}` seed {seed}" for arm, seed in sorted(set(found) - set(used))) or "none"
    kept = ", ".join(sorted({f"`{arm}`" for arm, _ in set(found) & set(used)}))
    warning = f" **Collapsed with every seed, so no more than a fixed crop: {kept}.**" if kept else ""
    return f"{len(found)} of {trained} runs have a collapsed transformer. Left out: {left_out}.{warning}"


def thresholds(limits: pd.DataFrame) -> str:
    """How far the operating thresholds of one arm's seeds lie apart."""
    spread = limits.groupby("arm").threshold.agg(np.ptp)
    without = limits[limits.source.str.startswith("0.5")].arm.unique()
    note = f" At 0.5 for want of validation rows of both classes: {_arms(without)}." if len(without) else ""
    return (
        f"Thresholds run from {limits.threshold.min():.2f} to {limits.threshold.max():.2f}. Within one arm the seeds "
        f"differ by up to {spread.max():.2f} (`{spread.idxmax()}`), so each run keeps its own.{note}"
    )


def results(table: pd.DataFrame, reference: str, primary: str) -> str:
    """The primary arm and the reference beside what needs no network; `table` is results and baselines together."""
    cell = table.set_index(["arm", "metric"])
    accuracy = cell.xs("accuracy", level="metric").estimate
    networks = [arm for arm in accuracy.index if cell.n_seeds[arm, "accuracy"] and arm not in _NAMES]
    best = accuracy[networks].idxmax()
    floor = accuracy["no-information rate"]
    low = [arm for arm in networks if not cell.low[arm, "accuracy"] > floor]
    text = (
        f"Most accurate is `{best}`, {_percent(cell.loc[best, 'accuracy'])} per cent. The majority class alone gives "
        f"{100 * floor:.1f}, " + (f"not clearly exceeded by {_arms(low)}." if low else "which every arm exceeds.")
    )
    for name, words in (("without the film", "Metadata alone"), ("known ceiling", "The label-noise ceiling")):
        if name in accuracy:
            text += f" {words}: {100 * accuracy[name]:.1f}."
    ranks = ", ".join(f"`{arm}` {_plain(cell.loc[arm, 'auroc'])}" for arm in dict.fromkeys((reference, primary)))
    return f"{text} AUROC: {ranks}."


def headline(gains: pd.DataFrame, synthetic: bool) -> str:
    """The prespecified contrast, and where each gain lies beside the range of the paper's abstract."""
    one = gains[gains.primary].iloc[0]
    lines = [f"**Primary contrast**, {one.metric} of `{one.arm}` over `{one.reference}`: {gain(one)}.", ""]
    for row in gains[gains.paper_low.notna() & gains.gain.notna()].itertuples():
        place = "below" if row.gain < row.paper_low else "above" if row.gain > row.paper_high else "within"
        lines.append(
            f"- {row.metric}: {row.gain:+.1f} pp, {place} the {row.paper_low} to {row.paper_high} of the paper."
        )
    return "\n".join([*lines, "", f"{SYNTHETIC} Agreement with the paper is no confirmation." * synthetic])


def differences(table: pd.DataFrame, metrics: Collection[str]) -> str:
    """A line for each difference between two arms: the steps of the ladder."""
    rows = table[table.metric.isin(metrics)]
    return "\n".join(f"- `{r.arm}` over `{r.reference}`, {r.metric}: {gain(r)}." for _, r in rows.iterrows())


def confusion(table: pd.DataFrame, reference: str, primary: str) -> str:
    """How the errors of the two arms divide into false negatives and false positives."""
    rows = table[table.arm.isin([reference, primary])].itertuples()
    found = [f"`{row.arm}` has {row.fn:.0f} false negatives and {row.fp:.0f} false positives" for row in rows]
    return "Means over seeds: " + "; ".join(found) + "."


def equal_specificity(held: pd.DataFrame, gains: pd.DataFrame, primary: str) -> str:
    """What the primary arm gains in sensitivity at the reference's specificity, and at its own threshold."""
    row = held[held.arm == primary].iloc[0]
    own = gains[(gains.arm == primary) & (gains.metric == "sensitivity")].iloc[0]
    return (
        f"Sensitivity of `{primary}` at the specificity of `{row.reference}` ({row.specificity:.2f}): {gain(row)}. "
        f"Each at its own threshold the difference is {own.gain:+.1f} pp."
    )


def discrimination(results: pd.DataFrame, prevalence: float) -> str:
    """How well the arms tell the classes apart at all thresholds, and which do not beat chance."""
    area = results[results.metric == "auroc"].set_index("arm")
    precision = results[results.metric == "auprc"].set_index("arm").estimate
    best, chance = area.estimate.idxmax(), area.index[~(area.low > 0.5)]
    last = f"Not above chance: {_arms(chance)}" if len(chance) else "Every interval lies above chance"
    return (
        f"The largest area under the ROC curve is {_plain(area.loc[best])} (`{best}`), the smallest "
        f"{_plain(area.loc[area.estimate.idxmin()])} (`{area.estimate.idxmin()}`); average precision of `{best}` is "
        f"{precision[best]:.2f} where chance is {prevalence:.2f}. {last}."
    )


def calibration(results: pd.DataFrame) -> str:
    """Which arms are over- or under-confident by their calibration slope, and which score too high or too low."""
    slope, shift = (
        results[results.metric == f"calibration_{part}"].set_index("arm") for part in ("slope", "intercept")
    )
    kinds = {
        "over-confident (slope below 1)": slope[slope.high < 1],
        "under-confident (slope above 1)": slope[slope.low > 1],
        "scoring too low on the whole (intercept above 0)": shift[shift.low > 0],
        "scoring too high on the whole (intercept below 0)": shift[shift.high < 0],
    }
    found = [
        f"{kind}: " + ", ".join(f"`{arm}` {_plain(row)}" for arm, row in rows.iterrows())
        for kind, rows in kinds.items()
        if len(rows)
    ]
    return "; ".join(found).capitalize() + "." if found else "No interval leaves out perfect calibration (1 and 0)."


def decision(curve: pd.DataFrame, prevalence: float, primary: str) -> str:
    """At which threshold probabilities the primary arm does more good than treating everybody or nobody."""
    own = curve[curve.arm == primary]
    odds = own.threshold / (1 - own.threshold)
    policy = np.maximum(prevalence - (1 - prevalence) * odds, 0)
    useful = own.threshold[own.low > policy]
    if not len(useful):
        return f"At no threshold probability is `{primary}` shown to do more good than treating everybody or nobody."
    return (
        f"`{primary}` does more good than treating everybody or nobody at {len(useful)} of {len(own)} threshold "
        f"probabilities, between {useful.min():.2f} and {useful.max():.2f} (its 95 % band lies above both there)."
    )


def paired_tests(table: pd.DataFrame, primary: str, metric: str = "accuracy") -> str:
    """How many single trainings of the primary arm differ significantly from the reference's."""
    rows = table[(table.arm == primary) & (table.metric == metric)].dropna(subset="p_value")
    if not len(rows):
        return "Not estimable on this test set."
    significant = int((rows.p_value < 0.05).sum())
    return (
        f"{significant} of {len(rows)} single trainings of `{primary}` differ from `{rows.reference.iloc[0]}` in "
        f"{metric} at p < 0.05 ({rows.method.iloc[0]}); the differences run from {rows.difference.min():+.1f} to "
        f"{rows.difference.max():+.1f} pp. Which seed was run decides how such a table reads."
    )


def rank_swaps(table: pd.DataFrame, metric: str) -> str:
    """How many pairs of arms keep their order with every seed, and which pair is the least stable."""
    rows = table[table.metric == metric].dropna(subset="swaps")
    if not len(rows):
        return "Not estimable: that takes two seeds or more."
    least = rows.loc[rows.swaps.idxmax()]
    text = f"{(rows.swaps == 0).sum()} of {len(rows)} pairs of arms keep their order in {metric} with every seed."
    if least.swaps:
        text += (
            f" Least stable: `{least.arm}` and `{least.other}`; {least.swaps:.0%} of pairs of seeds disagree on them."
        )
    return text


def detectable(table: pd.DataFrame, gains: pd.DataFrame, primary: tuple[str, str]) -> str:
    """The smallest true gain that the primary contrast can see, beside the gain that was found."""
    arm, metric = primary
    row, found = (t[(t.arm == arm) & (t.metric == metric)].iloc[0] for t in (table, gains))
    if pd.isna(row.detectable):
        return f"Not estimable: {row.note}."
    return (
        f"With {row.n_patients:.0f} patients and {row.n_seeds:.0f} seeds the primary contrast detects a true gain of "
        f"{row.detectable:.1f} pp of {metric} with 80 % power; found were {found.gain:+.1f} pp."
    )


def factorial(effects: pd.DataFrame | None, switches: pd.DataFrame, metric: str) -> str:
    """The largest effect and the largest interaction, or why there are none."""
    if effects is None:
        return (
            f"{len(switches)} arms, {switches.shape[1]} switches that differ between them: not a full factorial, so "
            "effects are read from the steps of notebook 06."
        )
    rows, lines = effects[effects.metric == metric], []
    for name, part in (("effect", rows[rows.order == 1]), ("interaction", rows[rows.order > 1])):
        if part.gain.notna().any():
            one = part.loc[part.gain.abs().idxmax()]
            lines.append(f"Largest {name}: `{one.term}`, {gain(one)}.")
    return " ".join(lines)


def sweeps(trends: pd.DataFrame, at_zero: pd.DataFrame, learning: pd.DataFrame) -> str:
    """Does a gain grow with its nuisance, what is left of it at zero, and do more patients help?"""
    lines = ["Does the gain grow with what is swept (pp for each unit of the factor)?", ""]
    for row in trends.itertuples():
        claim = "." if row.low > 0 else "; the interval includes zero or less, so we claim no growth."
        lines.append(f"- `{row.sweep}`, {row.metric}: {row.slope:+.1f} ({row.low:+.1f} to {row.high:+.1f}){claim}")
    lines += ["", "What remains where the nuisance is zero?", ""]
    for _, row in at_zero.iterrows():
        control = f" (control of `{row.control_of}`: at zero are also {row.further})" if row.control_of else ""
        lines.append(f"- `{row.sweep}`{control}, `{row.arm}` over `{row.reference}`, {row.metric}: {gain(row)}.")
    for (_, arm, metric), curve in learning.groupby(["sweep", "arm", "metric"], sort=False):
        few, all_ = (curve.loc[getattr(curve.n_train, which)()] for which in ("idxmin", "idxmax"))
        ends = f"{few.estimate:.2f} with {few.n_train} radiographs to {all_.estimate:.2f} with {all_.n_train}"
        lines.append(f"- Learning curve of `{arm}`, {metric}: from {ends}.")
    return "\n".join(lines)


def subgroups(table: pd.DataFrame, reference: str, primary: str, metric: str = "accuracy") -> str:
    """In which parts of the test set the primary arm is above or below the reference, grade by grade where known."""
    wide = table[table.metric == metric].pivot(index=["subgroup", "value"], columns="arm", values="estimate")
    gained = (100 * (wide[primary] - wide[reference])).drop("all").dropna()
    worse = [f"{group} {value} ({size:+.1f} pp)" for (group, value), size in gained[gained < 0].nsmallest(3).items()]
    text = f"`{primary}` is above `{reference}` in {(gained > 0).sum()} of {len(gained)} subgroups"
    text += f"; furthest below in {', '.join(worse)}." if worse else "."
    if "severity" in gained.index.get_level_values(0):
        grades = ", ".join(f"grade {grade} {size:+.1f} pp" for grade, size in gained["severity"].items())
        text += f" By the worst true grade: {grades}."
    return f"{text} None of this was prespecified; it raises questions."


def training(history: pd.DataFrame, results: pd.DataFrame) -> str:
    """Validation AUROC at the end of training beside the test AUROC, and whether losses part."""
    last = (
        history.sort_values("epoch")
        .groupby(["arm", "seed"])
        .last()
        .groupby("arm")[["val_auroc", "train_loss", "val_loss"]]
        .mean()
    )
    test = results[results.metric == "auroc"].set_index("arm").estimate
    both = last.assign(gap=last.val_auroc - test).dropna(subset="gap")
    rows = ", ".join(f"`{arm}` {row.val_auroc:.2f} and {test[arm]:.2f}" for arm, row in both.iterrows())
    apart = (last.val_loss - last.train_loss).idxmax()
    return (
        f"AUROC on validation (last epoch) and test: {rows}. On average validation is {both.gap.mean():+.2f} off the "
        "test set: another draw of patients, and fewer of them. The largest excess of validation over "
        f"training loss: `{apart}` ({last.val_loss[apart]:.2f} against {last.train_loss[apart]:.2f})."
    )


def stages(layers: tuple[str, str], input_size: int) -> str:
    """At which stages the maps are made, and of how many cells they are."""
    cells = " and ".join(
        f"`{name}` ({input_size // STRIDES[name]} × {input_size // STRIDES[name]} cells)" for name in layers
    )
    return f"Of an input of {input_size} pixels the deepest stages that can say where are {cells}."


def maps(found: Mapping[str, np.ndarray]) -> str:
    """How alike the maps of the trained and of the shuffled network are on the radiographs."""
    name = next(iter(found))
    pairs = [(a, b) for a, b in zip(found[name], found[RANDOMISED], strict=True) if np.ptp(a) and np.ptp(b)]
    if not pairs:
        return f"All {len(found[name])} maps of one of the two networks are zero everywhere."
    alike = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs])
    return (
        f"Over the pixels of a radiograph the maps of the trained ({name}) and of the shuffled network correlate by "
        f"{alike:.2f} on average; {len(found[name]) - len(pairs)} of {len(found[name])} could not be compared (zero "
        "everywhere)."
    )


def cascade(table: pd.DataFrame) -> str:
    """What is left of a map once every stage is randomised."""
    row = table.iloc[-1]
    claim = (
        "the maps depend on what was learned" if row.high < 0.5 else "the maps **survive** the loss of what was learned"
    )
    correlation = _plain(row, "similarity")
    return f"With every stage randomised the maps correlate with the trained network's by {correlation}: {claim}."


def overlap(table: pd.DataFrame) -> str:
    """Which maps find the true foramina better than the middle of the image does."""
    lines = []
    for measure, found in table.set_index("method").groupby("measure", sort=False):
        maps, centre = found[found.index.str.startswith(GRAD_CAM)], found.loc[CENTRE]
        better = ", ".join(maps.index[maps.low > centre.high]) or "no map"
        values = ", ".join(f"{name} {_plain(row)}" for name, row in maps.iterrows())
        lines.append(
            f"- {measure.replace('_', ' ')}: {values}; the centre prior {_plain(centre)}. Shown to be better: {better}."
        )
    return "\n".join(lines) or "Only a synthetic cohort knows the true foramina, so there is nothing to compare with."


def errors(rows: pd.DataFrame) -> str:
    """How many of the most confident errors are false negatives, and how many have a wrong label."""
    if not len(rows):
        return "There are no errors to show."
    text = f"{(rows.label == 1).sum()} false negatives, {(rows.label == 0).sum()} false positives"
    wrong = int(rows.note.str.contains("reader's error").sum())
    return f"{text}; in {wrong} of {len(rows)} the *label* is wrong, and the network right." if wrong else f"{text}."


def in_common(table: pd.DataFrame) -> str:
    """The facts in which the errors differ most from the whole test set, relative to its value."""
    known = table.dropna().assign(ratio=lambda t: t.errors / t.test_set.where(t.test_set != 0))
    most = known.reindex((np.log(known.ratio.where(known.ratio > 0))).abs().sort_values(ascending=False).index).head(2)
    facts = "; ".join(
        f"{row.fact}: {row.errors:.2f} among errors, {row.test_set:.2f} in all" for row in most.itertuples()
    )
    return f"Furthest apart, relative to the test set: {facts}." if facts else "There are no errors to compare."


_NAMES = ("majority rule", "without the film", "known ceiling", "no-information rate")


def _arms(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _percent(row: pd.Series) -> str:
    """Estimate and interval in per cent; a dash where there is no estimate."""
    if pd.isna(row.estimate):
        return "–"
    interval = "" if pd.isna(row.low) else f" ({100 * row.low:.1f}–{100 * row.high:.1f})"
    return f"{100 * row.estimate:.1f}{interval}"


def _plain(row: pd.Series, column: str = "estimate") -> str:
    """Estimate and interval as they are."""
    return f"{row[column]:.2f} ({row.low:.2f} to {row.high:.2f})"
