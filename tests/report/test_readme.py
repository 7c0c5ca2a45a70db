"""README and docs say what the committed reports say, and lead to what is there."""

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


@pytest.mark.parametrize(("high", "said"), [(-1.0, "More is gained with fewer passes:"), (1.0, "Not known:")])
def test_a_cause_is_named_only_where_a_fall_is_shown(high, said):
    own = {"metric": "accuracy", "factor": 1.0, "gain": 5.0, "low": 4.0, "high": 6.0}
    own |= {"estimate": 0.85, "reference_estimate": 0.8}
    less = own | {"factor": 0.5, "gain": 9.0, "reference_estimate": 0.76}
    curves = [row | {"sweep": sweep} for sweep in ("pixels", "passes", "training_patients") for row in (own, less)]
    trends = [{"sweep": "passes", "metric": "accuracy", "high": high, "p_holm": 0.01}]
    template = environment(autoescape=False).get_template("readme_why.md.j2")
    text = template.render(gain_curves=curves, gain_trends=trends)
    assert f"**Why?** {said} on further patients +5.0 (+4.0 to +6.0) in the full form, +9.0 with half the pixels" in text
    assert "`proposed` has 85.0 to 85.0 per cent, `basic` 76.0 to 80.0" in text


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_setting_is_compared_with_the_row_of_the_study_itself_which_is_the_first(factor):
    row = {"sweep": "passes", "metric": "accuracy", "low": 1.0, "high": 9.0, "estimate": 0.9, "reference_estimate": 0.8}
    curves = [row | {"factor": value, "gain": 10 - 2 * value} for value in sorted((1.0, factor))]
    trends = [{"sweep": "passes", "metric": "accuracy", "slope": -2.0, "low": -4.0, "high": -1.0, "p_holm": 0.01}]
    template = environment(autoescape=False).get_template("readme_budget.md.j2")
    lines = template.render(gain_curves=curves, gain_trends=trends, study="budget").splitlines()
    found = [line for line in lines if line.startswith(("| like", "| passes"))]
    assert found[0].startswith("| like the quick form | 80.0 | 90.0 | +8.0")
    assert {0.5: "| +1.0 (+0.5 to +2.0) |", 2.0: "| -2.0 (-4.0 to -1.0) |"}[factor] in found[1]
