"""Everything that a study will read is looked at by `foramen check`, and by `foramen run` before its first job."""

import pickle
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_file

import films
from foramen import study
from foramen.cohort import step as cohort
from foramen.core import paths
from foramen.core.errors import InputError
from foramen.study import provenance
from foramen.training import backbone, hub
from foramen.workflow import check
from foramen.workflow import run as workflow

SYNTHETIC = {
    "name": "checked",
    "seeds": [1],
    "cohort": {"image_size": 48, "synthetic": {"patients": 40}},
    "split": {"test": 0.4, "validation": 0.25},
    "arms": {"basic": {}},
    "plan": {"reference": "basic", "primary": {"arm": "basic"}},
}


class Harm:
    """Unpickled, it would run code."""

    def __reduce__(self):
        return Path.touch, (Path("harm"),)


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(yaml.safe_dump(SYNTHETIC))
    return tmp_path


def faults(capsys, *overrides: str, path: str = "study.yaml") -> list[str]:
    """What `check` lists; `run` stops at the same before anything is written."""
    assert check.run(path, overrides) == 1
    listed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("fault")]
    with pytest.raises(InputError) as stopped:
        workflow.run(study.load(path, list(overrides)))
    assert stopped.value.faults[:-1] == listed and stopped.value.faults[-1].endswith("nothing was run.")
    assert not Path("output").exists()
    return [line.removeprefix("fault   ") for line in listed]


def write_weights(name: str) -> None:
    state = backbone.create("resnet50").state_dict()
    match name:
        case "harm.pth":
            Path(name).write_bytes(pickle.dumps(Harm()))
        case "text.safetensors":
            Path(name).write_text("no weights")
        case "numbers.pth":
            torch.save({"epoch": 3}, name)
        case "other.safetensors":
            save_file({"conv1.weight": torch.zeros(8, 3, 3, 3)}, name)
        case "part.safetensors":
            save_file({k: v for k, v in state.items() if k != "layer4.0.conv1.weight"}, name)
        case "good.safetensors":
            save_file(state, name)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("missing.pth", "no such weights file"),
        ("harm.pth", "holds more than tensors or is damaged; not loaded, so no code was run"),
        ("text.safetensors", "not readable as a weights file"),
        ("numbers.pth", "holds no table of named tensors"),
        ("other.safetensors", "does not fit resnet50: tensor conv1.weight is (8, 3, 3, 3), resnet50 has (64, 1, 7, 7)"),
        ("part.safetensors", "does not fit resnet50: tensor layer4.0.conv1.weight (512, 1024, 1, 1) is missing"),
    ],
)
def test_a_weights_file_that_would_fail_later(place, capsys, name, fault):
    write_weights(name)
    (found,) = faults(capsys, "pretraining.source=file", f"pretraining.file={name}")
    assert Path(found.split(": ")[0]).name == name and fault in found
    assert not Path("harm").exists()


def test_weights_that_fit_and_weights_that_nobody_starts_from(place, capsys):
    write_weights("good.safetensors")
    assert check.run("study.yaml", ["pretraining.source=file", "pretraining.file=good.safetensors"]) == 0
    unused = ["pretraining.source=file", "pretraining.file=none.pth", "arms.basic.initialisation=random"]
    assert check.run("study.yaml", unused) == 0


def test_weights_of_the_hub(place, capsys, monkeypatch):
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: None)
    (found,) = faults(capsys, "pretraining.source=hub", "pretraining.hub_name=resnet50.tv_in2k")
    assert "timm has no resnet50 weights 'resnet50.tv_in2k'" in found
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in faults(capsys, "pretraining.source=hub")[0]


def predictions(given: study.Study) -> pd.DataFrame:
    """A faultless table of another system for the test set."""
    known = cohort.beforehand(given)
    rows = known if (known["split"] == "").all() else known[known["split"] == "test"]
    return rows[["image_id", "patient_id", "label"]].assign(split="test", score=0.5).reset_index(drop=True)


def spoilt(table: pd.DataFrame, **cells: object) -> pd.DataFrame:
    """The table with another first row."""
    table = table.astype(object)
    for column, value in cells.items():
        table.loc[0, column] = value
    return table


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda t: t.drop(columns="score"), "column 'score' is missing"),
        (lambda t: spoilt(t, score="high"), "score is not a number: row 2 ('high')"),
        (lambda t: spoilt(t, score=1.5), "score outside 0 to 1"),
        (lambda t: spoilt(t, image_id="nobody"), "image is not in the manifest"),
        (lambda t: spoilt(t, label=1 - t["label"][0]), "label contradicts the manifest"),
        (lambda t: t[1:], "image of the test split is missing"),
        (lambda t: pd.concat([t, t[:1]]), "more than one row for image"),
        (lambda t: t.assign(split="train"), "image of the training split"),
        (lambda t: t[:0], "other.csv: the table has no rows"),
        (lambda t: pd.concat([t.assign(arm="one"), t.assign(arm="two")]), "other.csv: no rows of arm 'other'"),
    ],
)
def test_a_table_of_another_system_that_would_fail_later(place, capsys, spoil, fault):
    spoil(predictions(study.load("study.yaml"))).to_csv("other.csv", index=False)
    assert any(fault in found for found in faults(capsys, "evaluation.external.other=other.csv"))


def test_a_table_of_another_system_that_is_missing_or_right(place, capsys):
    assert "other.csv: no such table" in faults(capsys, "evaluation.external.other=other.csv")[0]
    right = predictions(study.load("study.yaml"))
    several = pd.concat([right.assign(arm="other"), right.assign(arm="one", score=2)])
    for table in (right, right.assign(arm="its own name"), several):
        table.to_csv("other.csv", index=False)
        assert check.run("study.yaml", ["evaluation.external.other=other.csv"]) == 0


@pytest.mark.parametrize("made", [False, True])
def test_a_table_of_another_system_whose_image_id_went_through_excel(place, made):
    films.cohort_folder(place / "own", patients=16, image_id=[f"{k}" for k in range(32)])
    path = films.study_file(place / "own")
    given = study.load(path)
    if made:
        cohort.prepare(given)
    predictions(given).assign(image_id=lambda t: t["image_id"] + ".0").to_csv("other.csv", index=False)
    assert check.run(path, ["evaluation.external.other=other.csv"]) == 0


@pytest.mark.parametrize("made", [False, True])
def test_file_names_that_a_mac_has_decomposed(place, made):
    films.cohort_folder(place / "own", patients=16)
    path, table = films.study_file(place / "own"), place / "own/manifest.csv"
    (place / "own/films").rename(place / "own/Ro\u0308ntgen")
    (place / "own/Ro\u0308ntgen/003_R.png").rename(place / "own/Ro\u0308ntgen/cafe\u0301.png")
    table.write_text(table.read_text().replace("films/", "R\u00f6ntgen/").replace("003_R", "caf\u00e9"))
    given = study.load(path)
    if made:
        assert len(cohort.prepare(given).included) == 32
    other = predictions(given)
    assert other["image_id"].str.contains("o\u0308").all()
    other.assign(image_id=other["image_id"].str.normalize("NFC")).to_csv("other.csv", index=False)
    assert check.run(path, ["evaluation.external.other=other.csv"]) == 0


@pytest.mark.parametrize("made", [False, True])
def test_a_table_for_own_radiographs_names_images_as_their_table_does(place, capsys, made):
    films.cohort_folder(place / "own", patients=16)
    path = films.study_file(place / "own")
    given = study.load(path)
    if made:
        cohort.prepare(given)
        wrong = cohort.beforehand(given).assign(split="test", score=0.5)
        wrong.to_csv("wrong.csv", index=False)
        assert check.run(path, ["evaluation.external.other=wrong.csv"]) == 1
        assert "split contradicts the manifest" in capsys.readouterr().out
    table = predictions(given).assign(patient_id="a name of their own")
    table.to_csv("other.csv", index=False)
    assert check.run(path, ["evaluation.external.other=other.csv"]) == 0
    spoilt(table, image_id="films/999_L.png").to_csv("other.csv", index=False)
    assert check.run(path, ["evaluation.external.other=other.csv"]) == 1
    assert "image is not in the manifest" in capsys.readouterr().out


def test_faults_of_all_files_come_at_once(place, capsys):
    films.cohort_folder(place / "own", patients=16)
    path = films.study_file(place / "own")
    (place / "own" / "films" / "003_L.png").unlink()
    sweep = "sweeps.share={knobs: [training.shares], arm: basic, control: basic}"
    wanted = ["pretraining.source=file", "pretraining.file=none.pth", "evaluation.external.other=none.csv", sweep]
    found = faults(capsys, *wanted, path=str(path))
    assert [
        any(words in line for line in found) for words in ("training.shares", "no such file", "none.pth", "none.csv")
    ]
    assert len(found) == 4


def test_what_was_read_already_is_not_looked_at_again(place, monkeypatch):
    """A finished study is told so at once, with none of the heavy packages; a newer file is looked at."""
    Path("weights.pth").touch()
    Path("other.csv").touch()
    wanted = ["pretraining.source=file", "pretraining.file=weights.pth", "evaluation.external.other=other.csv"]
    given = study.load("study.yaml", wanted)
    for folder in (given.paths.pretraining, given.paths.evaluation):
        folder.mkdir(parents=True)
        paths.done_marker(folder).touch()
    code = "import sys; from foramen import study; from foramen.workflow import check\n"
    code += f"check.before_run(study.load('study.yaml', {wanted})); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "pandas", "numpy"} & set(loaded)
    Path("other.csv").touch()
    with pytest.raises(InputError, match=r"other.csv: empty file"):
        check.before_run(given)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("title=new", ["the detector is unsure", "an arm cuts"]),
        ("arms.basic.stn=crop", ["the detector is unsure"]),
        ("training.input=[64, 32]", ["the detector is unsure"]),
        ("arms.basic.region=film", []),
        ("cohort.synthetic.patients=50", []),
    ],
)
def test_what_does_not_fit_the_films_is_a_warning_while_films_and_arms_are_these(place, capsys, changed, told):
    given = study.load("study.yaml", detected := ["arms.basic.region=detected"])
    made, found = given.paths, iter(["the detector is unsure", "an arm cuts"])
    provenance.write_run(made.cohort, given, "cohort", [], {}, 0.0)
    for folder, stage, inputs in ((made.regions, "regions", []), (made.coverage, "coverage", [made.regions])):
        provenance.write_run(folder, given, stage, [made.cohort, *inputs], {"misfit": next(found)}, 0.0)
    check.run("study.yaml", [*detected, changed])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("warning")] == [f"warning {misfit}" for misfit in told]
