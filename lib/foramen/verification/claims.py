"""One verdict a claim, a claim being a row of a table: identical, within tolerance, or differs.

The rule (`reports/tolerances.yaml` has its numbers): on the same kind of machine every cell is the same. Elsewhere
arithmetic differs in the last digit and training carries that on, so n repeated seeds are like n other seeds. The mean
of a metric over n seeds, which scatter by s, is then repeated with an error of s √(2/n), a difference of two means with
√2 of that; a number may be some multiple of this away. A standard deviation of such numbers moves no further than they
do. Interval ends and p-values follow from the estimate and from how seeds happen to scatter: elsewhere they are not
judged, but which comparisons have another outcome is told.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from foramen.report.rendering import environment
from foramen.study.section import Section

VERDICTS = IDENTICAL, WITHIN, DIFFERS = "identical", "within tolerance", "differs"
_KEYS = ("sweep", "factor", "trained", "tested", "arm", "reference", "result", "metric", "source", "fact")
_ESTIMATES, _GAINS = ("estimate",), ("gain", "slope")  # shares, and differences in percentage points
# In percentage points, of an arm or of the gain of one over another: levels, their standard deviation, their change.
_LEVELS, _CHANGES = ("at_home", "away", "sd"), ("change",)
_SIZES = ("mm_pixel", "foramen_pixels")  # of what an arm sees
Row = dict[str, str]


class Tolerances(Section):
    """How far a repetition on another kind of machine may be away."""

    spreads: float  # multiples of the error that is expected from the scatter between seeds
    untrained: dict[str, float]  # by table in which no training takes part: relative
    other: dict[str, float]  # by table whose scatter between seeds is not known: absolute


class Claim(NamedTuple):
    """A row of a table, or another thing that is compared, as reported and as repeated."""

    table: str
    what: str
    reported: str
    repeated: str
    verdict: str


@dataclass(frozen=True)
class Rule:
    """What may differ between two reports. `spread` has the scatter between seeds of each metric, 0 to 1."""

    same_machine: bool
    tolerances: Tolerances
    spread: dict[str, float]
    n_seeds: int

    def allowed(self, table: str, row: Row, column: str) -> float:
        """How far the number of a column may be away; 0: not at all."""
        if self.same_machine:
            return 0.0
        if table in self.tolerances.untrained:
            return self.tolerances.untrained[table] * abs(float(row[column]))
        if table in self.tolerances.other:
            return self.tolerances.other[table]
        expected = self.spread.get(row.get("metric", "sensitivity"), 0.0) * math.sqrt(2 / self.n_seeds)
        unit = 1 if column in _ESTIMATES else 100 * math.sqrt(_means(row, column))
        return self.tolerances.spreads * expected * unit


def spread(seeds: pd.DataFrame) -> dict[str, float]:
    """The standard deviation between the seeds of an arm, of each metric, pooled over arms; 0 with a single seed.

    `seeds` is a table of `arm, seed, metric, estimate`. Arms that are the same with every seed are left out.
    """
    variances = seeds.groupby(["metric", "arm"]).estimate.var(ddof=1)
    return variances[variances > 0].groupby("metric").mean().pow(0.5).to_dict()


def compare(table: str, reported: Iterable[Row], repeated: Iterable[Row], rule: Rule) -> Iterator[Claim]:
    """A claim for each row of either table, whose cells are text as in its CSV."""
    first, second = ({_key(row): row for row in rows} for rows in (reported, repeated))
    for key in dict.fromkeys([*first, *second]):
        one, other = first.get(key), second.get(key)
        what, verdict = " ".join(part for part in key if part), _verdict(table, one, other, rule)
        yield Claim(table, what, _numbers(one), _numbers(other), verdict)


def outcomes(table: str, reported: Iterable[Row], repeated: Iterable[Row]) -> tuple[int, list[str]]:
    """How many comparisons of a table are corrected for their number, and those of which the report would say another
    outcome in the repetition: a gain, a loss, not shown (`verdicts.j2`).
    """
    first, second = ({_name(row): _outcome(row) for row in rows if row.get("p_holm")} for rows in (reported, repeated))
    pairs = {name: (first[name], second[name]) for name in first if name in second}
    return len(pairs), [f"{table}: {name}: {one} → {other}" for name, (one, other) in pairs.items() if one != other]


def _name(row: Row) -> str:
    arms = " over ".join(row[name] for name in ("arm", "reference") if row.get(name))
    return f"{arms}, {row['metric']}"


def _outcome(row: Row) -> str:
    numbers = {name: float(row[name] or "nan") for name in ("gain", "low", "high", "p_holm")}
    verdicts: Any = environment(autoescape=False).get_template("verdicts.j2").module
    return str(verdicts.shown(numbers))


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row.get(name, "") for name in _KEYS)


def _means(row: Row, column: str) -> int:
    """How many means of an arm a number in percentage points is made of."""
    of_gain = column in _GAINS or " over " in row.get("result", row.get("arm", ""))
    return (2 if of_gain else 1) * (2 if column in _CHANGES else 1)


def _judged(row: Row) -> list[str]:
    return [column for column in (*_ESTIMATES, *_GAINS, *_LEVELS, *_CHANGES, *_SIZES) if column in row]


def _numbers(row: Row | None) -> str:
    if row is None:
        return "missing"
    return ", ".join(f"{float(row[column]):.4g}" if row[column] else "–" for column in _judged(row))


def _verdict(table: str, one: Row | None, other: Row | None, rule: Rule) -> str:
    if one == other:
        return IDENTICAL
    if one is None or other is None or rule.same_machine:
        return DIFFERS
    if not _judged(one):
        return DIFFERS
    for column in _judged(one):
        texts = one[column], other.get(column, "")
        if not all(texts):
            if any(texts):
                return DIFFERS
        elif abs(float(texts[0]) - float(texts[1])) > rule.allowed(table, one, column):
            return DIFFERS
    return WITHIN
