"""The analysis plan: strict, all faults at once, dated by git, and no change of it goes unsaid."""

import datetime
import subprocess
from pathlib import Path

import pytest
import yaml

from foramen import study
from foramen.core import paths
from foramen.core.errors import InputError
from foramen.core.files import write_json
from foramen.study import prespecification

SMOKE = paths.PARAMS / "smoke.yaml"
PLAN = SMOKE.with_suffix(".plan.yaml")
DRAWN = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
BEFORE, AFTER = "2026-02-01T00:00:00+00:00", "2026-04-01T00:00:00+00:00"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the smoke study and its plan, and where results go."""
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    for file in (SMOKE, PLAN):
        (tmp_path / file.name).write_text(file.read_text())
    return tmp_path


def change(folder: Path, **values: object) -> study.Study:
    """The study after keys of its plan's file were changed."""
    file = folder / PLAN.name
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | values))
    return study.load(folder / SMOKE.name)


def commit(folder: Path, when: str) -> None:
    """Commit all study files of the folder at a time."""
    git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false"]
    if not (folder / ".git").exists():
        subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", SMOKE.name, PLAN.name], check=True)
    dates = {"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when, "PATH": "/usr/bin:/bin"}
    subprocess.run([*git, "commit", "-qm", "plan"], check=True, env=dates)


def draw(chosen: study.Study, **other: object) -> None:
    """The run.json of a cohort that was drawn at DRAWN."""
    made = {"plan": chosen.plan.hash, "design": chosen.design, "wall_seconds": 60.0}
    finished = (DRAWN + datetime.timedelta(seconds=60)).strftime("%Y-%m-%dT%H:%M:%S%z")
    write_json(chosen.paths.cohort / "run.json", made | {"finished": finished} | other)


def test_every_plan_belongs_to_a_study_and_says_how_it_is_sized():
    plans = sorted(paths.PARAMS.glob("*.plan.yaml"))
    assert PLAN in plans
    for file in plans:
        planned = study.load(file.with_name(file.name.replace(".plan", "")))
        assert planned.plan.file == str(file) and planned.plan.hash
        assert planned.plan.sample_size.patients == planned.cohort.synthetic.patients
        assert planned.plan.sample_size.seeds == len(planned.seeds)


def test_a_study_takes_the_plan_of_its_base_and_has_none_without_hypotheses():
    default, imagenet = (study.load(paths.PARAMS / f"{name}.yaml") for name in ("default", "imagenet"))
    assert imagenet.plan == default.plan
    assert not study.load(paths.PARAMS / "own_films.yaml", ["cohort.manifest.path=x.csv"]).plan.hash


def test_all_faults_of_a_plan_come_at_once(folder: Path):
    wrong = {"margin": {"acuracy": 2.0}, "smallest_efect": 5.3, "smallest_effect": None, "primary": {"arm": "propose"}}
    with pytest.raises(InputError) as caught:
        change(folder, **wrong, metrics=["auroc"])
    text = "\n".join(caught.value.faults)
    for part in (
        "plan.margin.acuracy: 'acuracy' is none of accuracy, ",
        "plan.smallest_efect: unknown key; the nearest is 'smallest_effect'",
        "plan.primary.arm: there is no arm 'propose'; the nearest is 'proposed'",
        "plan.metrics: accuracy, that of the primary comparison, is missing",
        "plan.smallest_effect: missing; a plan with hypotheses has it",
    ):
        assert part in text
    assert len(caught.value.faults) == 6  # a plan without a valid margin has none


def test_a_plan_stands_in_one_place(folder: Path):
    path = folder / SMOKE.name
    path.write_text(path.read_text() + "\nplan: {reference: basic}\n")
    with pytest.raises(InputError, match=r"plan: stands in smoke\.plan\.yaml, too; keep one of them"):
        study.load(path)


def test_deviations_leave_the_hash_and_all_else_changes_it(folder: Path):
    first = study.load(folder / SMOKE.name).plan
    deviation = {"date": datetime.date(2026, 3, 2), "what": "One seed was lost.", "reason": "The disk was full."}
    second = change(folder, deviations=[deviation])
    assert second.plan.hash == first.hash and second.plan.deviations[0].date == deviation["date"]
    (folder / "dumped.yaml").write_text(study.dump(second))  # as the workflow hands it to the notebooks
    assert study.load(folder / "dumped.yaml") == second
    assert change(folder, margin={"accuracy": 3.0}).plan.hash != first.hash


def test_git_dates_the_plan_by_the_first_commit_that_says_the_same(folder: Path):
    path = folder / SMOKE.name
    assert prespecification.committed(study.load(path).plan) is None  # no git
    commit(folder, "2025-12-01T00:00:00+00:00")
    planned = change(folder, smallest_effect=4.0)
    assert prespecification.committed(planned.plan) is None  # not committed
    commit(folder, BEFORE)
    assert prespecification.committed(planned.plan) == datetime.datetime.fromisoformat(BEFORE)
    deviation = {"date": "2026-03-02", "what": "One seed was lost.", "reason": "The disk was full."}
    later = change(folder, deviations=[deviation])
    commit(folder, AFTER)
    assert prespecification.committed(later.plan) == datetime.datetime.fromisoformat(BEFORE)


def test_a_plan_in_force_when_the_cohort_was_drawn_makes_the_study_prespecified(folder: Path):
    commit(folder, BEFORE)
    chosen = study.load(folder / SMOKE.name)
    draw(chosen)
    found = prespecification.examine(chosen)
    assert (found.reasons, found.drawn) == ([], DRAWN)


@pytest.mark.parametrize(
    ("overrides", "drawn_with", "reason"),
    [
        (["plan={reference: basic}"], {}, "no analysis plan was written"),
        ([], {"plan": ""}, "no plan was in force when the cohort was drawn"),
        (["plan.margin={accuracy: 5.0}"], {}, "the plan was changed after the cohort was drawn"),
        (["training.epochs=2"], {}, "arms, seeds or recipe were changed after the cohort was drawn"),
        (["seeds=[1]"], {}, "the plan asks for 2 seeds, the study has 1"),
        (["cohort.synthetic.patients=30"], {}, "the plan asks for 40 patients, the cohort has 30"),
    ],
)
def test_what_makes_a_study_exploratory_is_said(folder: Path, overrides: list[str], drawn_with: dict, reason: str):
    draw(study.load(folder / SMOKE.name), **drawn_with)
    found = prespecification.examine(study.load(folder / SMOKE.name, overrides))
    assert any(reason in one for one in found.reasons), found.reasons


def test_a_plan_that_was_committed_after_the_cohort_is_younger(folder: Path):
    commit(folder, AFTER)
    chosen = study.load(folder / SMOKE.name)
    draw(chosen)
    assert prespecification.examine(chosen).reasons == ["the plan was committed after the cohort was drawn"]
