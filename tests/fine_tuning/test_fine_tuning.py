"""The training loop: the same bytes twice and after kill -9, what trains, what chooses, and what no label can teach."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
import yaml
from PIL import Image
from sklearn.metrics import roc_auc_score

from films import picture
from foramen import study
from foramen.cohort import step as cohort
from foramen.core.training_loop import one_cycle
from foramen.fine_tuning import step as training
from foramen.stn import step as stn
from foramen.training import checkpoints
from foramen.training.early_stopping import EarlyStopping
from foramen.training.step import fine_tuning

TINY = {
    "name": "tiny",
    "seeds": [1, 2],
    "cohort": {"image_size": 64, "synthetic": {"patients": 60}},
    "split": {"validation": 0.2},
    "stn": {"magnification": 1.5, "epochs": 1, "rounds": 1, "joint_learning_rate": 1e-4},
    "arms": {
        "frozen": {"initialisation": "random", "trainable": "head"},
        "proposed": {
            "initialisation": "random",
            "equalization": "global",
            "flip": "canonical",
            "stn": "self_supervised",
        },
        "cropped": {"initialisation": "random", "flip": "random", "stn": "crop"},
    },
    "training": {"input": [48, 48], "epochs": 3, "batch_size": 4, "checkpoint_seconds": 0.0, "device": "cpu"},
    "plan": {"reference": "frozen"},
}
PREDICTIONS = Path("arms/proposed/1/predictions.parquet")
TRAIN = """
import sys

from foramen.fine_tuning import step
from foramen.study import load

step.prepare(load(sys.argv[1]).run("proposed", 1))
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny study's file and, below `undisturbed`, its cohort and one finished training."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    process = start(folder / "undisturbed", folder / "tiny.yaml")
    assert process.wait() == 0
    return folder


def start(output: Path, study_file: Path) -> subprocess.Popen:
    """The training of arm `proposed`, seed 1, in a process of its own."""
    environment = os.environ | {"FORAMEN_OUTPUT": str(output)}
    return subprocess.Popen([sys.executable, "-c", TRAIN, str(study_file)], env=environment)


def with_cohort(outputs: Path, name: str) -> Path:
    """Another output folder that has the same cohort and images, and no training."""
    shutil.copytree(outputs / "undisturbed", outputs / name)
    shutil.rmtree(outputs / name / "runs" / "tiny" / "arms")
    return outputs / name


def kill_when(process: subprocess.Popen, there: callable) -> None:
    """kill -9 as soon as the condition holds."""
    while not there():
        assert process.poll() is None, "the training ended before it could be killed"
        time.sleep(0.001)
    psutil.Process(process.pid).send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_the_same_training_gives_the_same_bytes(outputs: Path):
    again = with_cohort(outputs, "again")
    shutil.rmtree(again / "runs" / "tiny" / "stn")
    assert start(again, outputs / "tiny.yaml").wait() == 0
    same = [(outputs / name / "runs" / "tiny" / PREDICTIONS).read_bytes() for name in ("undisturbed", "again")]
    assert same[0] == same[1]


def test_killed_at_every_bad_moment_it_ends_with_the_same_bytes(outputs: Path):
    """Killed while a checkpoint is written, then amid an epoch, its newest checkpoint then cut short."""
    killed = with_cohort(outputs, "killed")
    home = killed / "runs" / "tiny" / "arms" / "proposed" / "1"
    held = home / "checkpoints"

    kill_when(start(killed, outputs / "tiny.yaml"), lambda: any(held.glob(".epoch_0001.*")))
    assert not (held / "epoch_0001.json").exists()

    process = start(killed, outputs / "tiny.yaml")
    kill_when(process, (held / "epoch_0002.json").exists)
    assert not (home / "run.json").exists()
    first = torch.load(held / "epoch_0001.pt", weights_only=True)["history"][0]
    os.truncate(held / "epoch_0002.pt", 1000)

    assert start(killed, outputs / "tiny.yaml").wait() == 0
    assert not held.exists()
    history = pd.read_csv(home / "history.csv")
    assert history["seconds"][0] == pytest.approx(first["seconds"], rel=1e-12)  # not trained again
    expected = (outputs / "undisturbed" / "runs" / "tiny" / PREDICTIONS).read_bytes()
    assert (killed / "runs" / "tiny" / PREDICTIONS).read_bytes() == expected


def test_a_finished_training_is_left_alone(outputs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(outputs / "undisturbed"))
    monkeypatch.setattr(training.training, "fine_tuning", lambda *_: pytest.fail("trained again"))
    training.prepare(study.load(outputs / "tiny.yaml").run("proposed", 1))


def test_results_are_what_the_evaluation_reads(outputs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(outputs / "undisturbed"))
    tiny = study.load(outputs / "tiny.yaml")
    rows = cohort.load(tiny).included
    table = pd.read_parquet(tiny.paths.runs / PREDICTIONS)
    assert list(table) == ["image_id", "patient_id", "split", "arm", "seed", "label", "score"]
    expected = rows.loc[rows["split"].isin(["val", "test"])].set_index("image_id")
    assert set(table["image_id"]) == set(expected.index) and table["image_id"].is_unique
    assert (expected.loc[table["image_id"], "label"].to_numpy() == table["label"]).all()
    assert table["score"].between(0, 1).all()
    history = pd.read_csv(tiny.paths.arm("proposed", 1) / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("arm", ["proposed", "cropped"])
def test_the_kept_model_gives_the_predictions(outputs: Path, arm: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(outputs / "undisturbed"))
    tiny = study.load(outputs / "tiny.yaml")
    table = pd.read_parquet(training.prepare(tiny.run(arm, 1)) / "predictions.parquet").head(8)
    rows = cohort.load(tiny).included
    index = np.array([rows.index[rows["image_id"] == name][0] for name in table["image_id"]])
    model = training.load_model(tiny.run(arm, 1))
    with torch.inference_mode():
        scores = torch.sigmoid(model(training.inputs(tiny.run(arm, 1), index)))
    np.testing.assert_allclose(scores, table["score"], atol=0.03)  # float32 here, perhaps bfloat16 there


def test_test_labels_change_no_score(outputs: Path, monkeypatch: pytest.MonkeyPatch):
    scores = []
    for name, turn in (("as_they_are", False), ("turned", True)):
        monkeypatch.setenv("FORAMEN_OUTPUT", str(with_cohort(outputs, name)))
        tiny = study.load(outputs / "tiny.yaml")
        manifest = tiny.paths.cohort / "manifest.parquet"
        rows = pd.read_parquet(manifest)
        rows["label"] = (rows["label"] ^ (turn & (rows["split"] == "test"))).astype("int8")
        rows.to_parquet(manifest)
        table = pd.read_parquet(training.prepare(tiny.run("frozen", 1)) / "predictions.parquet")
        scores.append(table["score"].to_numpy())
    np.testing.assert_array_equal(*scores)


def easy_study(folder: Path, permuted: bool) -> study.Study:
    """240 patients, one radiograph each, the positive ones with a bright patch; or the same with labels permuted."""
    labels = np.arange(240) % 2
    for i, label in enumerate(labels):
        image = picture(i, 48, 48)
        image[12:30, 12:30] += 0.5 * label
        Image.fromarray((image.clip(0, 1) * 255).astype(np.uint8)).save(folder / f"{i}.png")
    if permuted:
        labels = np.random.default_rng(3).permutation(labels)
    table = {"image_path": [f"{i}.png" for i in range(240)], "patient_id": range(240), "label": labels}
    pd.DataFrame(table).to_csv(folder / "manifest.csv", index=False)
    easy = {
        "name": "permuted" if permuted else "easy",
        "cohort": {"source": "manifest", "image_size": 32, "manifest": {"path": str(folder / "manifest.csv")}},
        "arms": {"basic": {"initialisation": "random"}},
        "training": {"input": [32, 32], "batch_size": 16, "epochs": 12, "device": "cpu"},  # a checkpoint a minute
        "plan": {"primary": {"arm": "basic"}},
    }
    return study.Study.model_validate(easy)


def test_permuted_labels_teach_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The same loop that learns a visible sign ends at chance where the labels were permuted among patients."""
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    auroc = {}
    for permuted in (False, True):
        home = training.prepare(easy_study(tmp_path, permuted).run("basic", 1))
        test = pd.read_parquet(home / "predictions.parquet").query("split == 'test'")
        auroc[permuted] = roc_auc_score(test["label"], test["score"])
        positive, n = int(test["label"].sum()), len(test)
    spread = np.sqrt((n + 1) / (12 * positive * (n - positive)))  # of the Mann-Whitney statistic under no effect
    assert abs(auroc[True] - 0.5) < 2.58 * spread
    assert auroc[False] > 0.5 + 4 * spread


def test_checkpoint_on_a_full_disk_is_named_as_that_and_leaves_nothing(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # a file may grow to 1 MiB, the nearest to a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OSError, match=r"epoch_0001\.pt cannot be written; its disk has [\d,]+ MB left"):
            checkpoints.save(tmp_path, 1, {"key": "k", "weights": torch.zeros(1 << 20)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_two_newest_checkpoints_are_kept_and_a_damaged_one_passed_over(tmp_path: Path):
    for epoch in (1, 2, 3):
        checkpoints.save(tmp_path, epoch, {"key": "k", "epoch": epoch, "weights": torch.full((1000,), epoch)})
    assert sorted(p.name for p in tmp_path.glob("*.pt")) == ["epoch_0002.pt", "epoch_0003.pt"]
    assert checkpoints.latest(tmp_path, "k")["epoch"] == 3
    whole = (tmp_path / "epoch_0003.pt").read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    for content in (whole[:-10], bytes(damaged), b""):
        checkpoints.save(tmp_path, 3, {"key": "k"})
        (tmp_path / "epoch_0003.pt").write_bytes(content)
        assert checkpoints.latest(tmp_path, "k")["epoch"] == 2
    assert checkpoints.latest(tmp_path, "other parameters") is None


def test_checkpoints_of_other_parameters_push_out_none_of_a_changed_training(tmp_path: Path):
    """Killed at epoch 10, changed, killed again at epoch 2."""
    for key, epochs in (("before", (9, 10)), ("changed", (1, 2))):
        checkpoints.TrainingState(12, tmp_path, key).resume()
        for epoch in epochs:
            checkpoints.save(tmp_path / "checkpoints", epoch, {"key": key, "history": [{}] * epoch})
    killed = checkpoints.TrainingState(12, tmp_path, "changed")
    killed.resume()
    assert killed.remaining == range(2, 12)


def test_early_stopping_keeps_the_epoch_of_the_lowest_validation_loss():
    model, stopping = torch.nn.Linear(1, 1), EarlyStopping(patience=2)
    for epoch, loss in enumerate((0.7, 0.5, 0.6, 0.55), start=1):
        assert not stopping.stale
        with torch.no_grad():
            model.weight.fill_(epoch)
        stopping.note(epoch, loss, model)
    assert stopping.stale
    assert stopping.best["epoch"] == 2
    stopping.restore(model)
    assert model.weight.item() == 2


def test_learning_rate_rises_then_falls_to_nothing():
    rates = [one_cycle(p, 0.1) for p in np.linspace(0, 1, 101)]
    assert np.argmax(rates) == 10 and max(rates) == 1 and min(rates) >= 0 and rates[-1] < 1e-6
    assert np.all(np.diff(rates[10:]) <= 0)


def test_localisation_learns_slowly_and_without_weight_decay(outputs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(outputs / "undisturbed"))
    tiny = study.load(outputs / "tiny.yaml")
    run = tiny.run("proposed", 1)
    films, pretrained, _ = training.upstream(run)
    tuning = fine_tuning(run, films, stn.initial_transformer(run), pretrained)
    groups = {group["name"]: group for group in tuning.optimizer.param_groups}
    transformer, head = groups["transformer"], groups["head weights"]
    assert (transformer["weight_decay"], transformer["initial_lr"]) == (0.0, tiny.stn.joint_learning_rate)
    assert head["initial_lr"] == pytest.approx(tiny.training.learning_rate * tiny.training.head_factor)
    assert all(p.ndim == 1 for name, g in groups.items() if name.endswith("biases") for p in g["params"])
