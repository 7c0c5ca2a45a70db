"""The numbers at the top of the page and in the README, read from the study's tables: nothing is computed here."""

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import diagnostic_accuracy as accuracy
from foramen.evaluation import step
from foramen.figures import METRIC_NAMES
from foramen.study.model import Study


def read(folder: Path, name: str) -> pd.DataFrame:
    """A table of arms and metrics; without rows where there is none."""
    path = folder / f"{name}.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["arm", "metric"])


def baselines(folder: Path) -> pd.DataFrame:
    """The table of that name; the no-information rate has a row of its own only where it is another number than the
    accuracy of the majority class, which is that of the validation images."""
    frame, (majority, rate) = read(folder, "baselines"), ("majority class", "no-information rate")
    accuracy = {row["arm"]: row["estimate"] for row in rows(frame) if row["metric"] == "accuracy"}
    if {majority, rate} <= accuracy.keys() and math.isclose(accuracy[majority], accuracy[rate]):
        frame = frame[frame["arm"] != rate].replace({"arm": {majority: f"{majority} = {rate}"}})
    return frame


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, each as a dictionary."""
    return [{str(column): cell for column, cell in row.items()} for row in frame.to_dict("records")]


def row_of(folder: Path, name: str, arm: str, metric: str | None = None) -> dict[str, Any]:
    """The row of an arm (and metric) in a table; empty where there is none."""
    found = (row for row in rows(read(folder, name)) if row["arm"] == arm and metric in (None, row.get("metric")))
    return next(found, {})


def points(value: float) -> str:
    """A difference in percentage points."""
    return "–" if pd.isna(value) else f"{0.0 if abs(value) < 1e-9 else value:+.1f}"  # what rounding left is zero


def percent(row: Mapping[str, Any]) -> tuple[str, str]:
    """Estimate and interval of a row in per cent."""
    if pd.isna(row["estimate"]):
        return "–", "not estimable"
    interval = "" if pd.isna(row["low"]) else f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
    return f"{100 * row['estimate']:.1f}", interval


def pair(row: Mapping[str, Any]) -> str:
    """Which arm is compared with which."""
    return f"`{row['arm']}` over `{row['reference']}`"


def leaning(follows: list[dict[str, Any]], arm: str) -> str:
    """Does the score of an arm follow narrowness more than the signs? In the words of `follows.leaning`."""
    return accuracy.follows.leaning(pd.DataFrame(follows), arm, "narrowness", "signs")


def headline(study: Study) -> dict[str, Any]:
    """The primary contrast: its row of gains.csv, what its interval allows to say, the test set's size, what the scores
    of both arms follow.

    A gain over a reference arm that does not beat chance for certain (AUROC) is marked as such, and so is an arm whose
    spatial transformer collapsed.
    """
    primary, folder = study.plan.primary, study.paths.tables
    row = row_of(folder, "gains", primary.arm, primary.metric)
    size = row_of(folder, "results", primary.arm, primary.metric)
    facts: dict[str, Any] = {name: int(size[name]) for name in ("n_images", "n_patients", "n_seeds") if name in size}
    facts["detectable"] = row_of(folder, "detectable", primary.arm, primary.metric).get("detectable")
    reference = row_of(folder, "results", study.plan.reference, "auroc")
    if reference and not reference["low"] > 0.5:
        facts["reference_at_chance"] = "{estimate:.2f}, {low:.2f} to {high:.2f}".format(**reference)
    facts["collapsed"] = collapsed(study).get(primary.arm, "")
    facts["held"] = row_of(folder, "equal_specificity", primary.arm)
    facts["follows"] = rows(read(folder, "score_follows"))
    return {**row, **facts, "verdict": verdict(row.get("low"), row.get("high"))}


def verdict(low: float | None, high: float | None) -> str:
    """What the interval of a gain allows to say."""
    if low is None or high is None or pd.isna(low):
        return "not estimable"
    return "better" if low > 0 else "worse" if high < 0 else "no gain claimed"


def collapsed(study: Study) -> dict[str, str]:
    """What to know of the arms whose spatial transformer collapsed, in words by arm."""
    counts = Counter(arm for arm, _ in step.collapsed(study))
    seeds = len(study.seeds)
    return {
        arm: "its spatial transformer collapsed with every seed: no more than a fixed crop"
        if count == seeds
        else f"its spatial transformer collapsed with {count} of {seeds} seeds, which are left out"
        for arm, count in counts.items()
    }


def results_table(study: Study) -> list[dict[str, Any]]:
    """A row for each arm, and for each rule without a network: name, cells by metric, kind, what to know of it."""
    frames = {"arm": read(study.paths.tables, "results"), "baseline": baselines(study.paths.tables)}
    lines, warnings = [], collapsed(study)
    for kind, frame in frames.items():
        for arm in map(str, frame["arm"].unique()):
            cells = {row["metric"]: percent(row) for row in rows(frame[frame["arm"] == arm])}
            about = study.arms[arm].description if arm in study.arms else ""
            lines.append({"name": arm, "kind": kind, "cells": cells, "about": about, "warning": warnings.get(arm, "")})
    return lines


def comparison(study: Study) -> list[dict[str, Any]]:
    """The gains of the primary arm, a row a metric, with the paper's range where it claims one.

    `p` is the p-value as it is for the primary metric, and Holm's for the others.
    """
    gains = read(study.paths.tables, "gains")
    of_primary = gains[(gains["arm"] == study.plan.primary.arm) & gains["metric"].isin(METRIC_NAMES)]
    own = of_primary["metric"] == study.plan.primary.metric
    of_primary = of_primary.assign(p=of_primary["p_value"].where(own, of_primary["p_holm"]), adjusted=~own)
    return sorted(rows(of_primary), key=lambda row: list(METRIC_NAMES).index(row["metric"]))
