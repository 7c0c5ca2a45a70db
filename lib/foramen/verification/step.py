"""The committed report of a study and its repetition: claims, verdicts, and the record that the report shows."""

import csv
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from foramen.core import paths
from foramen.core.errors import InputError
from foramen.core.files import write_json
from foramen.report import made_by, readme
from foramen.study.model import Study
from foramen.study.provenance import read_run
from foramen.verification import claims
from foramen.verification.claims import Claim, Rule, Tolerances

COMMITTED = paths.ROOT / "reports"
TABLES = ("results", "gains", "steps")  # compared where a report has them, with all that README and docs quote


def committed(study: Study) -> Path:
    """The folder of the report to be verified. InputError where there is none, or where the repetition would be it,
    or what was published of it.
    """
    folder = COMMITTED / study.name
    if not _compared(folder):
        raise InputError(f"{folder}: there is no report to compare with (no table of results or that the pages quote)")
    if folder == study.paths.report:
        raise InputError("FORAMEN_OUTPUT: a report cannot be compared with itself; name another folder")
    if any("published" in read_run(run.folder) for run in study.runs):
        raise InputError(f"{study.paths.runs}: published results repeat nothing; remove that folder")
    return folder


def verify(study: Study) -> list[Claim]:
    """Compare the finished repetition of a study with its committed report; both keep the record."""
    folder, own = committed(study), study.paths.report
    rule, found = _rule(folder, own), _made_of(folder, own)
    for name in _compared(folder):
        found += claims.compare(name, _rows(folder, name), _rows(own, name), rule)
    if readme.quoted(study.name):
        same = claims.DIFFERS if readme.stale() else claims.IDENTICAL
        found.append(Claim("README", "quotes the committed report", "", "", same))
    record = {
        "verified": time.strftime("%Y-%m-%d"),
        "kind": "the same kind of machine" if rule.same_machine else "another kind of machine",
        "machines": made_by.read(own)["machines"],
        "counts": counted(found),
        **_outcomes(folder, own),
        "differs": [f"{claim.table}: {claim.what}" for claim in found if claim.verdict == claims.DIFFERS],
        "of": [made_by.tables_digest(folder), made_by.tables_digest(own)],
    }
    for place in (folder, own):
        others = [made for made in made_by.verifications(place) if made["kind"] != record["kind"]]
        write_json(place / made_by.VERIFICATIONS, [*others, record])
    return found


def lines(study: Study, found: list[Claim]) -> list[str]:
    """What `foramen verify` prints: each claim, each comparison with another outcome, and the counts."""
    others = made_by.verifications(study.paths.report)[-1]["other_outcomes"]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in counted(found).items())
    return [
        *(f"{claim.verdict:<18}{claim.table}: {claim.what}  {claim.reported} → {claim.repeated}" for claim in found),
        *(f"{'another outcome':<18}{line}" for line in others),
        f"{study.name}: {counts}.",
    ]


def _outcomes(folder: Path, own: Path) -> dict[str, Any]:
    """Of gains and steps: `comparisons` that are corrected for their number, and `other_outcomes` among them."""
    pairs = [claims.outcomes(name, _rows(folder, name), _rows(own, name)) for name in ("gains", "steps")]
    return {"comparisons": sum(n for n, _ in pairs), "other_outcomes": [line for _, lines in pairs for line in lines]}


def _compared(folder: Path) -> list[str]:
    """The tables of a committed report that are compared."""
    names = dict.fromkeys([*TABLES, *readme.quoted(folder.name)])
    return [name for name in names if (folder / "tables" / f"{name}.csv").exists()]


def counted(found: list[Claim]) -> dict[str, int]:
    """How many claims have each verdict."""
    counts = Counter(claim.verdict for claim in found)
    return {verdict: counts[verdict] for verdict in claims.VERDICTS}


def _rule(folder: Path, own: Path) -> Rule:
    """The tolerances, and the scatter between seeds as the report itself has it (the repetition's, if it has none)."""
    declared = Tolerances.model_validate(yaml.safe_load((COMMITTED / "tolerances.yaml").read_text(encoding="utf-8")))
    seeds = next(path for home in (folder, own) if (path := home / "tables" / "seeds.csv").exists())
    table = pd.read_csv(seeds)
    same = made_by.read(folder).get("machines") == made_by.read(own)["machines"]
    return Rule(same, declared, claims.spread(table), table["seed"].nunique())


def _made_of(folder: Path, own: Path) -> list[Claim]:
    """Were both made of the same patients, arms and recipe? Nothing where the report is too old to say."""
    reported, repeated = made_by.read(folder), made_by.read(own)
    pairs = {name: (reported[name], repeated[name]) for name in ("cohort", "design") if reported}
    return [
        Claim("made of", name, *pair, claims.IDENTICAL if pair[0] == pair[1] else claims.DIFFERS)
        for name, pair in pairs.items()
    ]


def _rows(folder: Path, name: str) -> list[claims.Row]:
    """The rows of a table as text; none where there is no such table."""
    path = folder / "tables" / f"{name}.csv"
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
