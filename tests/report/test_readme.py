"""README and docs say what the committed reports say, and lead to what is there."""

import itertools
import math
import re
from pathlib import Path

import pytest

from foramen.core.paths import ROOT
from foramen.report import readme
from foramen.report.rendering import environment

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_results_are_those_of_the_committed_reports():
    assert readme.stale() == []


def test_missing_marks_are_told():
    with pytest.raises(ValueError, match=r"README\.md: the marks around findings of reference are missing"):
        readme.current("README.md", "a page without marks")


def test_a_step_that_loses_or_is_within_the_margin_is_listed():
    row = {"metric": "auroc", "reference": "he", "p_equivalence": 0.4, "p_holm": 0.9}
    steps = [
        row | {"arm": "a", "gain": 2.0, "low": 1.0, "high": 3.0, "p_holm": 0.01},
        row | {"arm": "b", "gain": -2.0, "low": -3.0, "high": -1.0, "p_holm": 0.01},
        row | {"arm": "c", "gain": 0.0, "low": -0.5, "high": 0.5, "p_equivalence": 0.001},
        row | {"arm": "d", "gain": 2.0, "low": 1.0, "high": 3.0, "p_holm": 0.06},
        row | {"arm": "e", "gain": math.nan, "low": math.nan, "high": math.nan, "p_equivalence": math.nan},
    ]
    listed = environment(autoescape=False).get_template("verdicts.j2").module.listed
    kinds = {"gain": "a", "loss": "b", "within the margin": "c"}
    assert {kind: listed(steps, "auroc", kind).strip() for kind in kinds} == {
        kind: f"`{arm}` over `he`" for kind, arm in kinds.items()
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text(page)) if not re.match(r"https?:", link)]
    for link in links:
        file, _, heading = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not heading or heading in anchors(target), link


def test_named_study_files_exist():
    named = {name for page in PAGES for name in re.findall(r"params/\w+\.yaml", text(page))}
    assert {"params/default.yaml", "params/own_films.yaml"} <= named
    assert [name for name in named - {"params/yours.yaml"} if not (ROOT / name).exists()] == []


def test_the_readme_stays_short():
    assert len(re.sub(r"<!--.*?-->", "", text(ROOT / "README.md")).split()) < 1000


def budget(gain_of: dict[tuple[int, int, int], float]) -> dict[str, dict[str, list]]:
    """Tables of budget and budget_full whose gains are those of (pixels, passes, patients), 0 few and 1 all."""
    made = {}
    for study, form, factor in (("budget", 0, 2.0), ("budget_full", 1, 0.5)):
        curves, trends = [], []
        for i, sweep in enumerate(("pixels", "passes", "training_patients")):
            cell = (form,) * i + (1 - form,) + (form,) * (2 - i)
            for at, place in ((1.0, (form,) * 3), (factor, cell)):
                row = {"sweep": sweep, "factor": at, "gain": gain_of[place], "n_train": 1000 * (1 + place[2])}
                row |= {"low": gain_of[place] - 1, "high": gain_of[place] + 1}
                levels = {"reference_estimate": 0.8, "estimate": 0.8 + gain_of[place] / 100}
                curves += [row | levels | {"metric": metric} for metric in ("accuracy", "auroc")]
            slope = (gain_of[cell] - gain_of[(form,) * 3]) / (factor - 1)
            trend = {"sweep": sweep, "slope": slope, "low": slope - 1, "high": slope + 2, "p_holm": 0.01}
            trends += [trend | {"metric": metric} for metric in ("accuracy", "auroc") if sweep != "training_patients"]
        made[study] = {"gain_curves": sorted(curves, key=lambda row: row["factor"]), "gain_trends": trends}
    return made


def test_two_studies_together_hold_all_combinations():
    gains = {cell: float(4 * cell[0] + 2 * cell[1] + cell[2] + 1) for cell in itertools.product((0, 1), repeat=3)}
    template = environment(autoescape=False).get_template("readme_budget.md.j2")
    lines = template.render(tables=budget(gains).get, study="budget").splitlines()
    words = (("half", "all"), ("half", "all"), ("1,000", "2,000"))
    for (cell, gain), line in zip(gains.items(), lines[2:10], strict=True):
        assert line.startswith(f"| {' | '.join(word[i] for word, i in zip(words, cell, strict=True))} | 80.0 |")
        assert f"| +{gain:.1f} (+{gain - 1:.1f} to" in line
    found = {line.split(" |")[1].strip(" |"): line for line in lines if line.startswith("| the")}
    assert "| -4.0 (-5.0 to -3.5) | 0.010 |" in found["half the pixels on each side"]
    assert "| +2.0 (+1.0 to +4.0) | 0.010 |" in found["twice the passes"]


def test_why_has_the_gains_with_few_pixels_and_with_all():
    gains = {cell: 2.0 if cell == (1, 1, 1) else 9.0 + cell[1] for cell in itertools.product((0, 1), repeat=3)}
    template = environment(autoescape=False).get_template("readme_why.md.j2")
    text = template.render(tables=budget(gains).get)
    assert "+9.0 to +10.0 points with half the pixels on each side" in text
    assert "with all pixels +9.0" in text and "+2.0 (+1.0 to +3.0)" in text
