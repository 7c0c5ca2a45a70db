"""Curves of a gain against a nuisance: what differs between their cohorts, and what must come out at zero."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diagnostic_accuracy import comparisons, resample
from foramen import study
from foramen.cohort import step as cohort
from foramen.core.errors import InputError
from foramen.evaluation import learning_curves
from foramen.evaluation.step import measure_sweeps, measure_transfer, measure_variance
from foramen.study import sweeps
from foramen.study.model import Study
from made_up_predictions import predictions

SWEPT = {
    "name": "swept",
    "seeds": [1],
    "cohort": {"image_size": 48, "synthetic": {"patients": 24}},
    "split": {"test": 0.4, "validation": 0.25},
    "arms": {
        "he": {"equalization": "global", "initialisation": "random"},
        "he_flip": {"equalization": "global", "flip": "canonical", "initialisation": "random"},
    },
    "training": {"input": [32, 32], "epochs": 1, "batch_size": 8},
    "plan": {"reference": "he", "primary": {"arm": "he_flip"}, "resamples": 100},
    "sweeps": {
        "laterality": {
            "knobs": ["cohort.synthetic.laterality.right_share"],
            "factors": [0],
            "arm": "he_flip",
            "control": "he",
        }
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("swept")


@pytest.fixture
def output(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of all studies of this module in one folder, so that what they have in common is trained once."""
    monkeypatch.setenv("FORAMEN_OUTPUT", str(folder))


def swept(**sweep: object) -> Study:
    return Study.model_validate(SWEPT | {"sweeps": {"one": SWEPT["sweeps"]["laterality"] | sweep}})


def test_members_differ_in_the_knobs_alone():
    chosen = swept(
        knobs=[f"cohort.synthetic.positioning.{knob}" for knob in ("tilt_sd_deg", "shift_sd_mm")],
        factors=[0, 1.5, 1.501],
    )
    made = sweeps.members(chosen)
    assert list(made) == [("one", 0.0), ("one", 1.0), ("one", 1.5), ("one", 1.501)]
    assert made["one", 1.0] is chosen
    own, more = chosen.cohort.synthetic, made["one", 1.5].cohort.synthetic
    assert more.positioning.tilt_sd_deg == pytest.approx(1.5 * own.positioning.tilt_sd_deg)
    back = {"tilt_sd_deg": own.positioning.tilt_sd_deg, "shift_sd_mm": own.positioning.shift_sd_mm}
    assert more.model_copy(update={"positioning": more.positioning.model_copy(update=back)}) == own
    assert more.positioning != own.positioning
    assert made["one", 0.0].cohort.synthetic.positioning.shift_sd_mm == 0
    assert made["one", 1.5].training == chosen.training and made["one", 1.5].split == chosen.split
    assert len({member.name for member in made.values()}) == 4


def test_a_shape_is_multiplied_on_each_side_and_not_replaced():
    doubled = sweeps.members(swept(knobs=["training.input"], factors=[2]))["one", 2.0]
    assert doubled.training.input == [64, 64] and doubled.arms["he"] == swept().arms["he"]
    with pytest.raises(InputError, match="the study has no number 'training.input'"):
        sweeps.members(swept(knobs=["training.input"], values=[64]))
    with pytest.raises(InputError, match=r"factor 0\.3: training\.input"):
        sweeps.members(swept(knobs=["training.input"], factors=[0.3]))


def test_every_impossible_sweep_is_named_before_anything_runs():
    values = SWEPT["sweeps"]["laterality"]
    chosen = Study.model_validate(
        SWEPT
        | {
            "sweeps": {
                "unknown": values | {"knobs": ["cohort.synthetic.positioning.tilt_sd"]},
                "impossible": values | {"factors": [1.5]},
            }
        }
    )
    with pytest.raises(InputError) as refused:
        sweeps.members(chosen)
    unknown, impossible = refused.value.faults
    assert unknown.startswith("sweeps.unknown: the study has no number 'cohort.synthetic.positioning.tilt_sd'")
    assert unknown.endswith("the nearest is 'tilt_sd_deg'")
    assert impossible.startswith("sweeps.impossible: factor 1.5: cohort.synthetic.laterality.right_share:")


def test_a_sweep_of_an_arm_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "faulty.yaml"
    text = study.dump(swept()).replace("control: he\n", "control: hee\n")
    path.write_text(text)
    with pytest.raises(InputError, match=r"sweeps.one.control: there is no arm 'hee'; the nearest is 'he'"):
        study.load(path)


def test_another_system_cannot_be_swept(tmp_path):
    path = tmp_path / "faulty.yaml"
    path.write_text(
        study.dump(swept())
        .replace("control: he\n", "control: reads\n")
        .replace("external: {}", "external: {reads: r.csv}")
    )
    with pytest.raises(InputError, match="sweeps.one.control: there is no arm 'reads'"):
        study.load(path)


def test_without_right_views_the_flip_gains_exactly_nothing(output):
    """The control that must come out: two trainings on the same images give the same bytes."""
    chosen = Study.model_validate(SWEPT)
    table = measure_sweeps(chosen).set_index(["metric", "factor"])
    assert table.loc["auroc", 0.0]["gain"] == 0 and table.loc["accuracy", 0.0]["gain"] == 0
    assert table.loc["auroc", 1.0]["n_images"] > table.loc["auroc", 0.0]["n_images"] > 0
    waited_for = sweeps.done_markers(chosen)
    assert len(waited_for) == 2 and all("swept_laterality_0" in str(path) for path in waited_for)


def test_a_learning_curve_has_the_same_test_set_and_nested_training_patients(output):
    sweep = {"knobs": ["training.share"], "factors": [0.25, 0.5], "arm": "he_flip", "control": "he"}
    chosen = Study.model_validate(SWEPT | {"sweeps": {"patients": sweep}})
    measured = measure_sweeps(chosen)
    table = measured[measured["metric"] == "auroc"].set_index("factor")
    assert table["n_images"].nunique() == 1
    assert 0 < table.loc[0.25, "n_train"] < table.loc[0.5, "n_train"] < table.loc[1.0, "n_train"]
    assert len(learning_curves.learning(measured, chosen.sweeps)) == len(measured)
    assert learning_curves.at_zero(measured, chosen.sweeps).empty
    members = sweeps.members(chosen)
    films = cohort.load(chosen)
    few, half, whole = (
        set(films.included.loc[cohort.learned_from(members["patients", share], films), "patient_id"])
        for share in (0.25, 0.5, 1.0)
    )
    assert few < half < whole == set(films.included.query("split == 'train'")["patient_id"])


def test_a_trend_is_the_slope_of_the_gains_with_their_own_errors():
    chosen = Study.model_validate(SWEPT)
    known = np.array([0.0, 1.0, 3.0])  # gains at these factors, each with a standard error of 2 points
    measured = pd.DataFrame({"sweep": "laterality", "metric": "auroc", "factor": known, "gain": 1 + 4 * known})
    half = 2 * 1.959964
    measured = measured.assign(low=measured["gain"] - half, high=measured["gain"] + half)
    row = learning_curves.trends(measured, chosen.sweeps).iloc[0]
    error = 2 / np.sqrt(((known - known.mean()) ** 2).sum())
    assert row.slope == pytest.approx(4)
    assert (row.low, row.high) == pytest.approx((4 - 1.959964 * error, 4 + 1.959964 * error))


def test_what_a_control_takes_to_zero_besides_is_named():
    own = SWEPT["sweeps"]["laterality"]
    chosen = Study.model_validate(
        SWEPT
        | {
            "sweeps": {
                "laterality": own,
                "laterality_body": own | {"knobs": [*own["knobs"], "cohort.synthetic.anatomy_sd"]},
                "body": own | {"knobs": ["cohort.synthetic.anatomy_sd"]},
            }
        }
    )
    measured = pd.DataFrame(
        [
            (name, factor, metric)
            for name in chosen.sweeps
            for factor in (0.0, 1.0)
            for metric in learning_curves.METRICS
        ],
        columns=["sweep", "factor", "metric"],
    )
    rows = learning_curves.at_zero(measured, chosen.sweeps)
    assert len(rows) == 6 and (rows["factor"] == 0).all()
    assert list(rows["control_of"]) == ["", "", "laterality", "laterality", "", ""]
    assert set(rows.loc[rows["sweep"] == "laterality_body", "further"]) == {"cohort.synthetic.anatomy_sd"}


@pytest.mark.slow
def test_one_command_makes_the_members_and_the_curve(tmp_path):
    """A second time there is nothing to do."""
    path = tmp_path / "swept.yaml"
    path.write_text(study.dump(Study.model_validate(SWEPT)))
    command = [sys.executable, "-m", "foramen", "run", str(path)]
    environment = os.environ | {"FORAMEN_OUTPUT": str(tmp_path)}
    for last in ("The report: ", "swept: nothing to do"):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and last in done.stdout, done.stdout + done.stderr
    report = tmp_path / "reports" / "swept"
    assert (report / "figures" / "gain_curves.png").exists()
    assert set(pd.read_csv(report / "tables" / "gain_curves.csv")["factor"]) == {0.0, 1.0}
    assert "Gain against nuisance" in (report / "index.html").read_text()
    assert not (tmp_path / "reports" / "swept_laterality_0").exists()


def elsewhere(**sweep: object) -> Study:
    values = {"arm": "he_flip", "control": "he"} | sweep
    return Study.model_validate(SWEPT | {"seeds": [1, 2], "keep_weights": True, "sweeps": {"other": values}})


def test_members_may_take_values_the_studys_own_among_them():
    knobs = ["cohort.synthetic.seed", "split.seed"]
    chosen = elsewhere(knobs=knobs, values=[0, 3], shows="variance")
    own, other = sweeps.members(chosen).values()
    assert own is chosen
    assert (other.cohort.synthetic.seed, other.split.seed, other.keep_weights) == (3, 3, True)
    with pytest.raises(InputError, match="the study's own is not one of them"):
        sweeps.members(elsewhere(knobs=knobs, values=[3, 4], shows="variance"))


def test_networks_tested_elsewhere_must_be_kept(tmp_path):
    file = tmp_path / "away.yaml"
    values = {"knobs": ["cohort.synthetic.seed"], "shows": "variance", "arm": "he_flip", "control": "he"}
    file.write_text(json.dumps(SWEPT | {"sweeps": {"other": values}}))
    with pytest.raises(
        InputError, match=r"keep_weights: must be true, networks are tested elsewhere \(sweeps: other\)"
    ):
        study.load(file)


@pytest.mark.parametrize(("shows", "knob"), [("variance", "split.seed"), ("transfer", "cohort.synthetic.seed")])
@pytest.mark.parametrize("source", ["synthetic", "manifest"])
def test_variance_is_of_other_patients_and_transfer_of_the_same(tmp_path, shows, knob, source):
    """A split alone leaves each training its own patients everywhere: a variance of 0.00 (0.00 to 0.00)."""
    file, cohort = tmp_path / "away.yaml", SWEPT["cohort"] | {"source": source, "manifest": {"path": "films.csv"}}
    sweep = {"knobs": [knob], "values": [0, 3], "shows": shows, "arm": "he_flip", "control": "he"}
    file.write_text(json.dumps(SWEPT | {"cohort": cohort, "keep_weights": True, "sweeps": {"other": sweep}}))
    with pytest.raises(InputError) as refused:
        study.load(file)
    assert refused.value.faults[0].endswith(
        "sweeps.other.knobs: variance needs other patients (cohort.synthetic.seed), transfer the same ones"
    )


def test_every_network_is_tested_on_every_cohort(output):
    chosen = elsewhere(knobs=["cohort.synthetic.seed", "split.seed"], values=[0, 3], shows="variance")
    parts = measure_variance(chosen)
    assert set(parts["result"]) == {"he", "he_flip", "he_flip over he"}
    assert (parts["low"] <= parts["high"]).all()
    own, other = sweeps.members(chosen).values()
    away = pd.read_parquet(own.paths.arm("he", 1) / "elsewhere" / other.name / "predictions.parquet")
    known = cohort.load(other).included.set_index("image_id")
    assert (known.loc[away["image_id"], "split"].to_numpy() == away["split"]).all()
    assert measure_transfer(chosen).empty and measure_sweeps(chosen).empty
    assert len(measure_sweeps(chosen, "variance")) == 4  # two cohorts, two metrics


def test_a_shift_is_tested_on_the_networks_own_test_patients(output):
    shifted = {"knobs": ["cohort.synthetic.disease.onset"], "values": [-0.7, -1.5], "shows": "transfer"}
    chosen = elsewhere(**shifted, trained=False)
    table = measure_transfer(chosen)
    assert table[["trained", "tested"]].drop_duplicates().to_numpy().tolist() == [[-0.7, -1.5]]
    other = sweeps.others(chosen)[0]
    assert not (other.paths.runs / "arms").exists()
    away = pd.read_parquet(chosen.paths.arm("he", 1) / "elsewhere" / other.name / "predictions.parquet")
    own = cohort.load(chosen).included.set_index("image_id")["split"]
    assert (own[away["image_id"]].to_numpy() == away["split"]).all()
    change = table.set_index(["arm", "metric"])
    assert change.change["he_flip over he", "auroc"] == pytest.approx(
        change.change["he_flip", "auroc"] - change.change["he", "auroc"]
    )
    assert change.away["he", "auroc"] - change.at_home["he", "auroc"] == pytest.approx(change.change["he", "auroc"])


def test_at_the_study_itself_a_gain_has_the_interval_of_the_study_and_its_other_arms(output, monkeypatch):
    """Two seeds tell little of how trainings vary, so what the study's arms tell together is used there."""
    arms = SWEPT["arms"] | {"third": {"initialisation": "random"}}
    chosen = Study.model_validate(SWEPT | {"seeds": [1, 2], "arms": arms})
    made = predictions(skills=dict.fromkeys(arms, 1.0), seeds=2)

    def at_home(study: Study, member: Study, asked: list[str]) -> object:
        return resample(made[made["arm"].isin(asked)], 100, 0, learning_curves.METRICS)

    monkeypatch.setattr("foramen.evaluation.step._at_home", at_home)
    monkeypatch.setattr("foramen.evaluation.step.cohort.learned_from", lambda member, films: np.ones(3))
    whole = resample(made, 100, 0, learning_curves.METRICS)
    step = comparisons.differences(whole, [("he_flip", "he")]).set_index("metric")
    table = measure_sweeps(chosen).query("factor == 1").set_index("metric")
    assert whole.between("auroc") is not None
    assert table["low"].to_dict() == step["low"].to_dict()
