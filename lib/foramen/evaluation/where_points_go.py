"""From what is known without a radiograph to a perfect reader: what each measured control adds (notebook 06)."""

from collections.abc import Iterable, Sequence

import pandas as pd

# Baselines. SIGNS sees no foramen, OPENING nothing but the narrowest one, measured without noise; CEILING errs by the
# labels' noise alone.
BLIND, SIGNS, OPENING, CEILING = "metadata only", "signs and age", "opening alone", "label-noise ceiling"


def ladder(steps: Iterable[Sequence[str]], last: str) -> list[str]:
    """The arms from the first to `last`, each the arm before the next one in `steps` ([arm, arm before it])."""
    before: dict[str, str] = {}
    for arm, other in steps:
        before.setdefault(arm, other)
    arms = [last]
    while arms[0] in before and before[arms[0]] not in arms:
        arms.insert(0, before[arms[0]])
    return arms


def measure(results: pd.DataFrame, baselines: pd.DataFrame, steps: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """A row a bar: what, start and end (per cent), low and high of a tested step's gain (points), kind (step or gap).

    All three tables hold one metric: `results` and `baselines` arm and estimate, `steps` arm, reference, low and high.
    `arms` is a `ladder`. What is not known, such as a ceiling, has no bar, nor what the last arm exceeds.
    """
    level = 100 * pd.concat([results, baselines]).set_index("arm")["estimate"].dropna()
    reached = level.get(arms[-1], 0.0)
    level = level[[name not in (OPENING, CEILING) or at > reached for name, at in level.items()]]
    tested = steps.set_index(["arm", "reference"])[["low", "high"]]
    bars = [name for name in (BLIND, *arms, OPENING, CEILING) if name in level]
    rows = []
    for before, what in zip(bars, bars[1:], strict=False):
        low, high = tested.loc[(what, before)] if (what, before) in tested.index else (None, None)
        rows.append((what, level[before], level[what], low, high, "step" if what in arms else "gap"))
    rest = "without label noise" if bars[-1] == CEILING else "not reached"
    rows.append((rest, level[bars[-1]], 100.0, None, None, "gap"))
    table = pd.DataFrame(rows, columns=["what", "start", "end", "low", "high", "kind"])
    return table.astype({"low": float, "high": float})
