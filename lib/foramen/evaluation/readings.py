"""What the tables of notebooks 06 to 08 say, in a sentence or two: tables in, one Markdown string out.

An interval that includes zero claims no gain, and a p-value is Holm's wherever more than one comparison was made.
Differences are in percentage points (pp).
"""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from foramen.core.tables import p_value
from foramen.evaluation.saliency import CENTRE, GRAD_CAM, RANDOMISED, STRIDES
from foramen.figures.style import METRIC_NAMES

SYNTHETIC = "The cohort is **synthetic**: this says nothing about patients."
BASELINES = {"no-information rate": "Majority class", "without the film": "Metadata alone"}
CEILING = "known ceiling"


def percentages(table: pd.DataFrame, metrics: Iterable[str]) -> pd.DataFrame:
    """Results and baselines as text for people: a row an arm, a column a metric, in per cent with the interval."""
    wide = table.assign(text=[_percent(row) for row in table.itertuples()])
    return wide.pivot(index="arm", columns="metric", values="text").loc[table.arm.unique(), list(metrics)].fillna("–")


def gain(row: pd.Series) -> str:
    """One difference: its size, its interval, and what may be claimed."""
    if pd.isna(row.low):
        return row.note or "not estimable"
    found = f"{row.gain:+.1f} pp (95 % confidence interval {row.low:+.1f} to {row.high:+.1f})"
    if row.low <= 0 <= row.high:
        return f"{found}; the interval includes zero, so we claim no gain"
    kind = "gain" if row.low > 0 else "loss"
    if row.get("p_holm", 0) >= 0.05:
        return f"{found}: a {kind} on its own, **not significant after Holm correction** (p = {p_value(row.p_holm)})"
    return f"{found}: a **{kind}**"


# ---- notebook 06


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


def thresholds(limits: pd.DataFrame) -> str:
    """How far the operating thresholds lie apart, over all runs and within one arm."""
    spread = limits.groupby("arm").threshold.agg(np.ptp)
    return (
        f"Thresholds run from {limits.threshold.min():.2f} to {limits.threshold.max():.2f}. Within one arm the seeds "
        f"differ by up to {spread.max():.2f} (`{spread.idxmax()}`), so each run keeps its own."
    )


def results(table: pd.DataFrame, baselines: pd.DataFrame, reference: str, primary: str) -> str:
    """The most accurate arm and the two of the primary contrast beside what needs no network."""
    accuracy, area = (table[table.metric == metric].set_index("arm") for metric in ("accuracy", "auroc"))
    floor = baselines[baselines.metric == "accuracy"].set_index("arm").estimate
    best = accuracy.estimate.idxmax()
    lines = [f"Most accurate is `{best}`, {_percent(accuracy.loc[best])} per cent."]
    for name, words in BASELINES.items():
        if name in floor:
            beaten = _quoted(accuracy.index[~(accuracy.low > floor[name])])
            lines.append(
                f"{words}: {100 * floor[name]:.1f}" + (f", not clearly exceeded by {beaten}." if beaten else ".")
            )
    lines += [f"Label-noise ceiling: {100 * floor[CEILING]:.1f}."] if CEILING in floor else []
    pair = ", ".join(f"`{arm}` {_plain(area.loc[arm])}" for arm in (reference, primary))
    return f"{' '.join(lines)} AUROC: {pair}."


def headline(gains: pd.DataFrame, synthetic: bool) -> str:
    """The prespecified contrast, and where each gain lies beside the range of the paper's abstract."""
    one = gains[gains.primary].iloc[0]
    lines = [f"**Primary contrast**, {_named(one.metric)} of `{one.arm}` over `{one.reference}`: {gain(one)}.", ""]
    for row in gains[gains.paper_low.notna() & gains.gain.notna()].itertuples():
        place = "below" if row.gain < row.paper_low else "above" if row.gain > row.paper_high else "within"
        paper = f"{place} the {row.paper_low} to {row.paper_high} of the paper (other data)"
        lines.append(f"- {_named(row.metric)}: {row.gain:+.1f} pp, {paper}.")
    return "\n".join([*lines, "", f"{SYNTHETIC} Agreement with the paper is no confirmation." * synthetic])


def steps(table: pd.DataFrame, metrics: Collection[str]) -> str:
    """A line for each step of the ladder."""
    rows = table[table.metric.isin(metrics)]
    return "\n".join(f"- `{r.arm}` over `{r.reference}`, {_named(r.metric)}: {gain(r)}." for _, r in rows.iterrows())


def confusion(table: pd.DataFrame, reference: str, primary: str) -> str:
    """How the errors of two arms divide into false negatives and false positives."""
    rows = table[table.arm.isin([reference, primary])].itertuples()
    found = [f"`{row.arm}` has {row.fn:.0f} false negatives and {row.fp:.0f} false positives" for row in rows]
    return f"Means over seeds: {'; '.join(found)}."


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
    cell = results.set_index(["metric", "arm"])
    area, precision = cell.loc["auroc"], cell.loc["auprc"].estimate
    best, worst, chance = area.estimate.idxmax(), area.estimate.idxmin(), _quoted(area.index[~(area.low > 0.5)])
    return (
        f"The largest area under the ROC curve is {_plain(area.loc[best])} (`{best}`), the smallest "
        f"{_plain(area.loc[worst])} (`{worst}`); average precision of `{best}` is {precision[best]:.2f}, by chance "
        f"{prevalence:.2f}. {f'Not above chance: {chance}' if chance else 'Every interval lies above chance'}."
    )


def calibration(results: pd.DataFrame) -> str:
    """Which arms are over- or under-confident by their calibration slope, and which score too high or too low."""
    cell = results.set_index(["metric", "arm"])
    slope, shift = cell.loc["calibration_slope"], cell.loc["calibration_intercept"]
    kinds = {
        "over-confident (slope below 1)": slope[slope.high < 1],
        "under-confident (slope above 1)": slope[slope.low > 1],
        "scores too low on the whole (intercept above 0)": shift[shift.low > 0],
        "scores too high on the whole (intercept below 0)": shift[shift.high < 0],
    }
    rows = {kind: [f"`{arm}` {_plain(row)}" for arm, row in found.iterrows()] for kind, found in kinds.items()}
    found = "; ".join(f"{kind}: {', '.join(arms)}" for kind, arms in rows.items() if arms)
    return f"{found[0].upper()}{found[1:]}." if found else "No interval leaves out perfect calibration."


def decision(curve: pd.DataFrame, prevalence: float, primary: str) -> str:
    """At which threshold probabilities the primary arm does more good than treating everybody or nobody."""
    own = curve[curve.arm == primary]
    treat_all = prevalence - (1 - prevalence) * own.threshold / (1 - own.threshold)
    useful = own.threshold[own.low > np.maximum(treat_all, 0)]
    if not len(useful):
        return f"At no threshold probability is `{primary}` shown to do more good than treating everybody or nobody."
    return (
        f"`{primary}` does more good than treating everybody or nobody at {len(useful)} of {len(own)} threshold "
        f"probabilities, between {useful.min():.2f} and {useful.max():.2f} (its 95 % band lies above both there)."
    )


# ---- notebook 07


def collapsed(found: Collection[tuple[str, int]], used: Collection[tuple[str, int]], trained: int) -> str:
    """Which runs have a collapsed transformer, which of them are left out, which had to stay."""
    left_out = ", ".join(f"`{arm}` seed {seed}" for arm, seed in sorted(set(found) - set(used))) or "none"
    kept = _quoted(sorted({arm for arm, _ in set(found) & set(used)}))
    warning = f" **Collapsed with every seed, so no more than a fixed crop: {kept}.**" if kept else ""
    return f"{len(found)} of {trained} runs have a collapsed transformer. Left out: {left_out}.{warning}"


def rank_swaps(table: pd.DataFrame, metric: str) -> str:
    """How many pairs of arms keep their order with every seed, and which pair is the least stable."""
    rows = table[table.metric == metric].dropna(subset="swaps")
    if not len(rows):
        return "Not estimable: that takes two seeds or more."
    least = rows.loc[rows.swaps.idxmax()]
    text = f"{(rows.swaps == 0).sum()} of {len(rows)} pairs of arms keep their order with every seed."
    if not least.swaps:
        return text
    return f"{text} Least stable: `{least.arm}` and `{least.other}`; {least.swaps:.0%} of pairs of seeds disagree."


def paired_tests(table: pd.DataFrame, primary: str, metric: str = "accuracy") -> str:
    """How many single trainings of the primary arm differ significantly from the reference's."""
    rows = table[(table.arm == primary) & (table.metric == metric)].dropna(subset="p_value")
    if not len(rows):
        return "Not estimable on this test set."
    return (
        f"{(rows.p_value < 0.05).sum()} of {len(rows)} single trainings of `{primary}` differ from "
        f"`{rows.reference.iloc[0]}` in {metric} at p < 0.05 ({rows.method.iloc[0]}); the differences run from "
        f"{rows.difference.min():+.1f} to {rows.difference.max():+.1f} pp. Another seed, another table."
    )


def detectable(table: pd.DataFrame, gains: pd.DataFrame, primary: tuple[str, str]) -> str:
    """The smallest true gain that the primary contrast can see, beside the gain that was found."""
    row, found = (one.set_index(["arm", "metric"]).loc[primary] for one in (table, gains))
    if pd.isna(row.detectable):
        return f"Not estimable: {row.note}."
    return (
        f"With {row.n_patients:.0f} patients and {row.n_seeds:.0f} seeds the primary contrast detects a true gain of "
        f"{row.detectable:.1f} pp of {_named(primary[1])} with 80 % power; found were {found.gain:+.1f} pp."
    )


def factorial(effects: pd.DataFrame | None, switches: pd.DataFrame, metric: str) -> str:
    """The largest effect and the largest interaction, or why there are none."""
    if effects is None:
        shape = f"{len(switches)} arms, {switches.shape[1]} switches that differ between them"
        return f"{shape}: not a full factorial, so effects are read from the steps of notebook 06."
    rows = effects[(effects.metric == metric) & effects.gain.notna()]
    largest = [part.loc[part.gain.abs().idxmax()] for _, part in rows.groupby("order")]
    return "\n".join(f"- Largest of order {row.order}: `{row.term}`, {gain(row)}." for row in largest)


def sweeps(trends: pd.DataFrame, at_zero: pd.DataFrame, learning: pd.DataFrame) -> str:
    """Does a gain grow with its nuisance, what is left of it at zero, and do more patients help?"""
    lines = ["Does the gain grow with what is swept (pp for each unit of the factor)?", ""]
    for row in trends.itertuples():
        claim = "" if row.low > 0 else "; we claim no growth"
        interval = f"{row.slope:+.1f} ({row.low:+.1f} to {row.high:+.1f})"
        lines.append(f"- `{row.sweep}`, {_named(row.metric)}: {interval}{claim}.")
    lines += ["", "What remains where the nuisance is zero?", ""]
    for _, row in at_zero.iterrows():
        control = f" (control of `{row.control_of}`: at zero are also {row.further})" if row.control_of else ""
        lines.append(f"- `{row.sweep}`{control}, `{row.arm}`, {_named(row.metric)}: {gain(row)}.")
    for (_, arm, metric), curve in learning.groupby(["sweep", "arm", "metric"], sort=False):
        few, most = curve.loc[curve.n_train.idxmin()], curve.loc[curve.n_train.idxmax()]
        ends = f"{few.estimate:.2f} with {few.n_train} radiographs to {most.estimate:.2f} with {most.n_train}"
        lines.append(f"- Learning curve of `{arm}`, {_named(metric)}: from {ends}.")
    return "\n".join(lines)


def subgroups(table: pd.DataFrame, reference: str, primary: str, metric: str = "accuracy") -> str:
    """In which parts of the test set the primary arm is above or below the reference, grade by grade where known."""
    wide = table[table.metric == metric].pivot(index=["subgroup", "value"], columns="arm", values="estimate")
    gained = (100 * (wide[primary] - wide[reference])).drop("all").dropna()
    worse = [f"{group} {value} ({size:+.1f} pp)" for (group, value), size in gained[gained < 0].nsmallest(3).items()]
    parts = [f"`{primary}` is above `{reference}` in {(gained > 0).sum()} of {len(gained)} subgroups"]
    parts += [f"furthest below in {', '.join(worse)}"] if worse else []
    if "severity" in gained.index.get_level_values("subgroup"):
        grades = [f"grade {grade} {size:+.1f} pp" for grade, size in gained["severity"].items()]
        parts.append(f"by the worst true grade: {', '.join(grades)}")
    return f"{'; '.join(parts)}. None of this was prespecified; it raises questions."


def training(history: pd.DataFrame, results: pd.DataFrame) -> str:
    """Validation AUROC at the end of training beside the test AUROC, and where the losses part most."""
    last = history.sort_values("epoch").groupby(["arm", "seed"]).last().groupby("arm").mean()
    last["test"] = results[results.metric == "auroc"].set_index("arm").estimate
    apart = last.loc[(last.val_loss - last.train_loss).idxmax()]
    rows = ", ".join(f"`{row.Index}` {row.val_auroc:.2f} and {row.test:.2f}" for row in last.itertuples())
    return (
        f"AUROC on validation (last epoch) and test: {rows}. On average validation is "
        f"{(last.val_auroc - last.test).mean():+.2f} off the test set: other patients, and fewer of them. Validation "
        f"loss lies furthest above training loss in `{apart.name}` ({apart.val_loss:.2f}, {apart.train_loss:.2f})."
    )


# ---- notebook 08


def stages(layers: Iterable[str], input_size: int) -> str:
    """At which stages the maps are made, and of how many cells they are."""
    cells = [f"`{name}` ({input_size // STRIDES[name]} × {input_size // STRIDES[name]} cells)" for name in layers]
    return f"Of an input of {input_size} pixels the deepest stages that can say where are {' and '.join(cells)}."


def maps(found: Mapping[str, np.ndarray]) -> str:
    """How alike the maps of the trained and of the shuffled network are on the radiographs."""
    name = next(iter(found))
    pairs = zip(found[name], found[RANDOMISED], strict=True)
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs if np.ptp(a) and np.ptp(b)]
    if not alike:
        return "There is nothing to compare: one of the two maps is always zero everywhere."
    return (
        f"Over the pixels of a radiograph the maps of the trained ({name}) and of the shuffled network correlate by "
        f"{np.mean(alike):.2f} on average ({len(alike)} of {len(found[name])} pairs; in the others a map is zero)."
    )


def cascade(table: pd.DataFrame) -> str:
    """What is left of a map once every stage is randomised."""
    row = table.iloc[-1]
    claim = "depend on what was learned" if row.high < 0.5 else "**survive** the loss of what was learned"
    correlation = f"{row.similarity:.2f} ({row.low:.2f} to {row.high:.2f})"
    return f"With every stage randomised the maps correlate with the trained network's by {correlation}: they {claim}."


def overlap(table: pd.DataFrame) -> str:
    """Which maps find the true foramina better than the middle of the image does."""
    lines = []
    for measure, found in table.set_index("method").groupby("measure", sort=False):
        maps, centre = found[found.index.str.startswith(GRAD_CAM)], found.loc[CENTRE]
        values = ", ".join(f"{name} {_plain(row)}" for name, row in maps.iterrows())
        better = ", ".join(maps.index[maps.low > centre.high]) or "no map"
        lines.append(f"- {measure.replace('_', ' ')}: {values}; centre prior {_plain(centre)}. Better: {better}.")
    return "\n".join(lines) or "Only a synthetic cohort knows the true foramina, so there is nothing to compare with."


def errors(rows: pd.DataFrame) -> str:
    """How many of the most confident errors are false negatives, and how many have a wrong label."""
    text = f"{(rows.label == 1).sum()} false negatives, {(rows.label == 0).sum()} false positives"
    wrong = int(rows.note.str.contains("reader's error").sum())
    return f"{text}; in {wrong} of {len(rows)} the *label* is wrong, and the network right." if wrong else f"{text}."


def in_common(table: pd.DataFrame) -> str:
    """The facts in which the errors differ most from the whole test set, relative to its value."""
    known = table[(table.errors > 0) & (table.test_set > 0)]
    most = known.loc[np.log(known.errors / known.test_set).abs().nlargest(2).index]
    facts = [f"{row.fact} {row.errors:.2f} among errors, {row.test_set:.2f} in all" for row in most.itertuples()]
    return f"Furthest apart, relative to the test set: {'; '.join(facts)}." if facts else "There is nothing to compare."


def _named(metric: str) -> str:
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _percent(row: pd.Series) -> str:
    """Estimate and interval in per cent; a dash where there is no estimate."""
    if pd.isna(row.estimate):
        return "–"
    return f"{100 * row.estimate:.1f}" + ("" if pd.isna(row.low) else f" ({100 * row.low:.1f}–{100 * row.high:.1f})")


def _plain(row: pd.Series) -> str:
    """Estimate and interval as they are."""
    return f"{row.estimate:.2f} ({row.low:.2f} to {row.high:.2f})"
