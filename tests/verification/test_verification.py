"""`foramen verify`: one verdict a claim, by a rule that is declared before anyone repeats a study."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from foramen import cli
from foramen.core import paths, tables
from foramen.core.errors import InputError
from foramen.core.files import write_json
from foramen.report import index, made_by, readme
from foramen.study import Study, load
from foramen.verification import claims, step
from foramen.verification.claims import DIFFERS, IDENTICAL, WITHIN, Rule, Tolerances
from foramen.workflow import run

SMOKE = paths.PARAMS / "smoke.yaml"
DECLARED = Tolerances.model_validate(yaml.safe_load((paths.ROOT / "reports" / "tolerances.yaml").read_text()))
MACHINE = {"processor": "A", "device": "cpu", "packages": {"torch": "2"}}


def rule(same_machine: bool = False) -> Rule:
    """Two seeds that scatter by .01: a mean is repeated to .01, a gain to 1.41 points, times the declared spreads."""
    return Rule(same_machine, DECLARED, {"accuracy": 0.01, "sensitivity": 0.01}, n_seeds=2)


def verdict(table: str, reported: dict, repeated: dict, same_machine: bool = False) -> str:
    rows = [{name: str(cell) for name, cell in row.items()} for row in (reported, repeated)]
    (claim,) = claims.compare(table, [rows[0]], [rows[1]], rule(same_machine))
    return claim.verdict


def test_the_scatter_between_seeds_is_pooled_over_arms_and_leaves_out_what_never_varies():
    seeds = pd.DataFrame(
        [("a", 1, 0.70), ("a", 2, 0.72), ("b", 1, 0.80), ("b", 2, 0.84), ("frozen", 1, 0.5), ("frozen", 2, 0.5)],
        columns=["arm", "seed", "estimate"],
    ).assign(metric="accuracy")
    assert claims.spread(seeds)["accuracy"] == pytest.approx(((0.0002 + 0.0008) / 2) ** 0.5)
    assert claims.spread(seeds[seeds.seed == 1]) == {}


@pytest.mark.parametrize(
    ("table", "column", "change", "expected"),
    [
        ("results", "estimate", 0.0, IDENTICAL),
        ("results", "estimate", 0.9 * DECLARED.spreads * 0.01, WITHIN),
        ("results", "estimate", 1.1 * DECLARED.spreads * 0.01, DIFFERS),
        ("gains", "gain", -0.9 * DECLARED.spreads * 2**0.5, WITHIN),
        ("gains", "gain", -1.1 * DECLARED.spreads * 2**0.5, DIFFERS),
        ("baselines", "estimate", 1e-9, WITHIN),
        ("baselines", "estimate", 0.001, DIFFERS),
        ("score_follows", "estimate", 0.09, WITHIN),
        ("score_follows", "estimate", 0.11, DIFFERS),
        ("transfer", "away", 0.9 * DECLARED.spreads, WITHIN),
        ("transfer", "at_home", 1.1 * DECLARED.spreads, DIFFERS),
        ("transfer", "change", 0.9 * DECLARED.spreads * 2**0.5, WITHIN),
        ("transfer", "change", 1.1 * DECLARED.spreads * 2**0.5, DIFFERS),
        ("variance", "sd", 0.9 * DECLARED.spreads, WITHIN),
        ("variance", "sd", 1.1 * DECLARED.spreads, DIFFERS),
        ("scale", "mm_pixel", 0.09, WITHIN),
        ("scale", "foramen_pixels", 0.11, DIFFERS),
    ],
)
def test_a_number_may_move_as_far_as_the_seeds_scatter(table: str, column: str, change: float, expected: str):
    row = {"arm": "a", "metric": "accuracy", column: 0.8, "low": 0.7, "p_value": 0.03}
    assert verdict(table, row, row | {column: 0.8 + change}) == expected
    assert verdict(table, row, row | {column: 0.8 + change}, same_machine=True) in (IDENTICAL, DIFFERS)


@pytest.mark.parametrize(("name", "column", "means"), [("arm", "away", 2), ("arm", "change", 4), ("result", "sd", 2)])
def test_what_is_of_a_gain_may_move_further_than_what_is_of_an_arm(name: str, column: str, means: int):
    row = {name: "a over b", "metric": "accuracy", column: 8.0}
    for times, expected in ((0.9, WITHIN), (1.1, DIFFERS)):
        moved = 8 + times * DECLARED.spreads * means**0.5
        assert verdict("any", row, row | {column: moved}) == expected


def test_interval_ends_are_judged_on_the_same_machine_only():
    row = {"arm": "a", "metric": "accuracy", "estimate": 0.8, "low": 0.7}
    assert verdict("results", row, row | {"low": 0.71}) == WITHIN
    assert verdict("results", row, row | {"low": 0.71}, same_machine=True) == DIFFERS


def test_a_number_or_row_that_is_missing_differs():
    row = {"arm": "a", "metric": "accuracy", "estimate": 0.8}
    assert verdict("results", row, row | {"estimate": ""}) == DIFFERS
    assert verdict("results", row | {"estimate": "", "low": 1}, row | {"estimate": "", "low": 2}) == WITHIN
    found = list(claims.compare("results", [{"arm": "a", "estimate": "1"}], [{"arm": "b", "estimate": "1"}], rule()))
    assert [(claim.what, claim.reported, claim.repeated, claim.verdict) for claim in found] == [
        ("a", "1", "missing", DIFFERS),
        ("b", "missing", "1", DIFFERS),
    ]


def test_a_metric_without_known_scatter_must_be_the_same():
    row = {"arm": "a", "metric": "f1", "estimate": 0.8}
    assert verdict("results", row, row | {"estimate": 0.8000001}) == DIFFERS


def test_a_row_without_a_number_that_is_judged_must_be_the_same():
    row = {"arm": "a", "input": "64 x 32"}
    assert verdict("scale", row, row | {"input": "128 x 64"}) == DIFFERS


def test_comparisons_with_another_outcome_are_told():
    row = {"arm": "a", "reference": "b", "metric": "f1", "gain": "2", "low": "1", "high": "3"}
    row["p_holm"] = "0.01"
    lost, uncorrected = row | {"gain": "-2", "low": "-3", "high": "-1"}, row | {"p_holm": ""}
    for one, other, told in [
        (row, row, []),
        (row, row | {"p_holm": "0.05"}, ["steps: a over b, f1: gain → not shown"]),
        (row | {"low": "-1"}, lost, ["steps: a over b, f1: not shown → loss"]),
        (row, row | {"low": "", "high": ""}, ["steps: a over b, f1: gain → not estimable"]),
    ]:
        assert claims.outcomes("steps", [one], [other]) == (1, told)
    assert claims.outcomes("steps", [row], [uncorrected]) == claims.outcomes("steps", [row], []) == (0, [])


def test_every_table_of_the_readme_is_compared():
    assert set(readme.quoted("default")) >= {"results", "gains", "steps", "baselines", "score_follows"}
    assert readme.quoted("between") == ["cohorts", "variance"] and readme.quoted("shift") == ["transfer"]
    assert {"gain_curves", "gain_trends"} <= {*readme.quoted("budget_full")}  # on the page of budget
    assert readme.quoted("smoke") == []


@pytest.mark.parametrize("study", dict.fromkeys(of for blocks in readme.PAGES.values() for _, of in blocks))
def test_every_row_of_the_tables_of_the_readme_is_a_claim(study: str):
    folder = paths.ROOT / "reports" / study
    for name in step._compared(folder):
        rows = step._rows(folder, name)
        assert len([*claims.compare(name, rows, rows, rule())]) == len(rows), name


def report(folder: Path, gain: float) -> None:
    """The tables of a report whose primary gain is this; it is shown from five points on."""
    results = pd.DataFrame({"arm": ["basic", "proposed"], "metric": "accuracy", "estimate": [0.7, 0.7 + gain / 100]})
    gains = pd.DataFrame({"arm": ["proposed"], "metric": ["accuracy"], "gain": [gain]})
    gains = gains.assign(low=gain - 1, high=gain + 1, p_holm=0.01 if gain >= 5 else 0.2)
    seeds = pd.DataFrame({"arm": ["a", "a"], "seed": [1, 2], "metric": "accuracy", "estimate": [0.69, 0.71]})
    for name, table in {"results": results, "gains": gains, "steps": gains, "seeds": seeds}.items():
        tables.save(table, folder / "tables", name)


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a committed report of the smoke study, made on a machine A, and where a repetition goes."""
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "tolerances.yaml").write_text((paths.ROOT / "reports" / "tolerances.yaml").read_text())
    monkeypatch.setattr(step, "COMMITTED", folder)
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "elsewhere"))
    report(folder / "smoke", 5.0)
    return folder / "smoke"


def repeat(gain: float, processor: str, study: Study | None = None) -> None:
    """What a repetition on a processor leaves, the same processor having made the committed report where it is A."""
    study = study or load(SMOKE)
    report(study.paths.report, gain)
    write_json(study.paths.cohort / "run.json", {"key": "patients"})
    for training in study.runs:
        write_json(training.folder / "run.json", MACHINE | {"processor": processor})
    made_by.write(study)


@pytest.mark.parametrize(
    ("gain", "processor", "code", "last"),
    [
        (5.0, "A", 0, "smoke: 6 identical, 0 within tolerance, 0 differs."),
        (5.2, "B", 0, "smoke: 3 identical, 3 within tolerance, 0 differs."),
        (4.8, "B", 0, "smoke: 3 identical, 3 within tolerance, 0 differs."),
        (5.2, "A", 1, "smoke: 3 identical, 0 within tolerance, 3 differs."),
        (50.0, "B", 1, "smoke: 3 identical, 0 within tolerance, 3 differs."),
    ],
)
def test_verify_prints_a_verdict_a_claim_and_leaves_a_record(
    committed: Path, monkeypatch: pytest.MonkeyPatch, capsys, gain: float, processor: str, code: int, last: str
):
    repeat(5.0, "A")
    own = load(SMOKE).paths.report
    (committed / made_by.MADE_BY).write_text((own / made_by.MADE_BY).read_text())
    monkeypatch.setattr(run, "run", lambda study: repeat(gain, processor) or True)
    monkeypatch.setattr(index, "prepare", lambda study: None)
    before = (committed / "tables" / "results.csv").read_bytes()
    assert cli.main(["verify", str(SMOKE)]) == code
    lines = capsys.readouterr().out.splitlines()
    others = [f"{name}: proposed, accuracy: gain → not shown" for name in ("gains", "steps") if gain < 5]
    assert lines[-1] == last and len(lines) == 7 + len(others)
    assert [line.removeprefix("another outcome").strip() for line in lines if line.startswith("another")] == others
    assert (committed / "tables" / "results.csv").read_bytes() == before
    for place in (committed, own):
        (shown,) = made_by.verifications(place)
        assert [shown] == json.loads((committed / made_by.VERIFICATIONS).read_text())
        assert (shown["comparisons"], shown["other_outcomes"]) == (2, others)
        assert bool(shown["differs"]) == bool(code) and f"processor {processor}," in shown["machines"][0]
    report(committed, 6.0)  # the committed report is made anew: the record is of other results
    assert made_by.verifications(committed) == []


def test_the_last_verification_on_each_kind_of_machine_is_kept(committed: Path):
    repeat(5.0, "A")
    given = load(SMOKE)
    (committed / made_by.MADE_BY).write_text((given.paths.report / made_by.MADE_BY).read_text())
    for gain, processor in [(5.0, "A"), (5.2, "B"), (5.4, "C")]:
        repeat(gain, processor)
        step.verify(given)
    kept = [(made["kind"], made["machines"][0].split(",")[0]) for made in made_by.verifications(committed)]
    assert kept == [("the same kind of machine", "processor A"), ("another kind of machine", "processor C")]
    assert len(made_by.verifications(given.paths.report)) == 1  # those before were of other results of the repetition


@pytest.mark.parametrize("study", ["between", "shift"])
def test_a_report_of_sweeps_alone_is_compared_too(committed: Path, study: str):
    """Neither has the results of its own study."""
    given, folder = load(paths.PARAMS / f"{study}.yaml"), committed.with_name(study)
    shutil.copytree(paths.ROOT / "reports" / study, folder)
    repeat(5.0, "B", given)
    assert step.committed(given) == folder
    for name in readme.quoted(study):
        shutil.copy(folder / "tables" / f"{name}.csv", given.paths.tables)
    found = step.verify(given)
    assert {claim.table for claim in found} == {*readme.quoted(study), "made of", "README"}
    assert all(claim.verdict == IDENTICAL for claim in found if claim.table != "made of")
    assert [made["counts"] for made in made_by.verifications(folder)] == [step.counted(found)]
    tables.save(pd.DataFrame({"arm": ["a"]}), folder / "tables", "another")  # the report is made anew
    assert made_by.verifications(folder) == []


def test_a_report_is_not_compared_with_itself_or_with_none(committed: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="there is no report to compare with"):
        step.committed(load(SMOKE, ["name=other"]))
    monkeypatch.setenv("FORAMEN_OUTPUT", str(committed.parents[1]))
    with pytest.raises(InputError, match="cannot be compared with itself"):
        step.committed(load(SMOKE))
