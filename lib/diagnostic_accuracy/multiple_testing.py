"""Correction of p-values for the number of comparisons: Holm's step-down procedure (notebooks 06 and 07).

Holm 1979, Scandinavian Journal of Statistics 6, 65-70: the k-th smallest of m p-values is multiplied by m - k + 1, and
no adjusted value is smaller than the one before it. The chance of any false positive in the family stays at 5 %.
"""

from collections.abc import Collection

import pandas as pd
from statsmodels.stats.multitest import multipletests


def holm(p_values: pd.Series, apart: pd.Series | None = None) -> pd.Series:
    """Holm-adjusted p-values of the rows not set `apart`; NaN stays NaN, rows apart keep their p-value."""
    family = p_values.notna() if apart is None else p_values.notna() & ~apart
    adjusted = p_values.astype(float).copy()
    if family.any():
        adjusted[family] = multipletests(p_values[family], method="holm")[1]
    return adjusted


def in_families(table: pd.DataFrame, planned: Collection[str] | None = None, by_metric: bool = False) -> pd.Series:
    """Holm-adjusted p-values of a table of comparisons: its `p_value`, all together or those of each `metric`.

    A comparison that is `primary` stands apart. Metrics that are not among those `planned` get none.
    """
    tested = table.p_value if planned is None else table.p_value.where(table.metric.isin(planned))
    apart = table.get("primary", pd.Series(False, table.index))
    families = table.metric if by_metric else pd.Series("all", table.index)
    return tested.groupby(families).transform(lambda family: holm(family, apart[family.index]))
