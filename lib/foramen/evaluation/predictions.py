"""Which of a study's predictions are evaluated (notebooks 06 to 09)."""

from collections.abc import Collection

import pandas as pd


def drop_collapsed(frame: pd.DataFrame, collapsed: Collection[tuple[str, int]]) -> pd.DataFrame:
    """The predictions without the `collapsed` runs (arm, seed); an arm of which nothing would be left stays."""
    runs = pd.MultiIndex.from_frame(frame[["arm", "seed"]])
    left = {arm for arm, _ in set(runs) - set(collapsed)}
    return frame[~runs.isin([run for run in collapsed if run[0] in left])]
