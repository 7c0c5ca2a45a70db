"""The study of the shortcut: what its cohorts hold, and that it runs to its report."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cervical_phantom import patients
from foramen.core import paths
from foramen.study import load, sweeps
from foramen.workflow import check

SHORTCUT = paths.PARAMS / "shortcut.yaml"
TINY = (
    "seeds=[1]",
    "cohort.image_size=64",
    "cohort.synthetic.patients=40",
    "split={test: 0.5, validation: 0.2}",
    "region={size: 48, epochs: 1}",
    "stn.epochs=1",
    "pretraining={classes: 4, images: 64, image_size: 32}",
    "training={input: [48, 24], epochs: 1, batch_size: 8}",
    "plan.resamples=100",
)


def signs_auroc(truth: pd.DataFrame) -> float:
    """How well disc loss alone tells the label, on the second half of the patients."""
    signs, label = truth.filter(like="disc_loss").to_numpy(), truth["label"].to_numpy()
    half = len(label) // 2
    fitted = LogisticRegression(max_iter=1000).fit(signs[:half], label[:half])
    return float(roc_auc_score(label[half:], fitted.predict_proba(signs[half:])[:, 1]))


def test_signs_say_nothing_some_and_much_of_nearly_the_same_labels():
    cohorts = {
        factor: patients.draw(member.cohort.synthetic)
        for (_, factor), member in sweeps.members(load(SHORTCUT, ["cohort.synthetic.patients=240"])).items()
    }
    assert list(cohorts) == [0, 0.6, 1]
    found = [signs_auroc(truth) for truth in cohorts.values()]
    assert abs(found[0] - 0.5) < 0.1 and found[0] + 0.1 < found[1] < found[2]
    assert all(np.mean(truth["label"] == cohorts[1]["label"]) > 0.97 for truth in cohorts.values())
    default = load(paths.PARAMS / "default.yaml")
    middle = sweeps.members(load(SHORTCUT))["signs", 0.6].cohort.synthetic.disease
    assert middle.signs_follow_narrowing == pytest.approx(default.cohort.synthetic.disease.signs_follow_narrowing)


def test_nothing_is_wrong_with_it(capsys):
    assert check.run(SHORTCUT, ["cohort.synthetic.patients=60"]) == 0
    assert "0 faults" in capsys.readouterr().out


@pytest.mark.slow
def test_it_runs_to_its_report(tmp_path: Path):
    settings = [part for value in TINY for part in ("--set", value)]
    command = [sys.executable, "-m", "foramen", "run", str(SHORTCUT), *settings]
    done = subprocess.run(command, env=os.environ | {"FORAMEN_OUTPUT": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = tmp_path / "reports" / "shortcut"
    with open(report / "tables" / "gain_curves.csv", newline="") as stream:
        assert {row["factor"] for row in csv.DictReader(stream)} == {"0.0", "0.6", "1.0"}
    assert "the plan asks for 1500 patients, the cohort has 40" in (report / "index.html").read_text()
