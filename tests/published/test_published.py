"""A published archive: the same bytes, refused before anything is written where something is wrong, never mistaken for
one's own training, and enough, without PyTorch, for the notebooks that read predictions.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import load, save_file
from sklearn.metrics import roc_auc_score

from foramen import cli, study
from foramen.core import paths
from foramen.core.errors import InputError
from foramen.core.files import digest_file, read_json, write_frame
from foramen.evaluation import step as evaluation
from foramen.published import archive, step
from foramen.study import Study, make, provenance, sweeps
from foramen.workflow import run
from stand_in import STUDY

BLOCK = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"captum", "timm", "torch", "torchvision"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Block())
"""


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Study]:
    """The stand-in study with outputs in that folder, which may be a new one."""
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))

    def put(place: str | Path, *overrides: str) -> Study:
        monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / place))
        return study.load(tmp_path / "study.yaml", overrides)

    return put


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of the stand-in study, finished, and own.zip, its archive."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORAMEN_OUTPUT", str(folder))
        step.make(finish(study.load(folder / "study.yaml")), folder / "own.zip")
    return folder


@pytest.fixture
def made(own: Path, tmp_path: Path) -> Path:
    """The archive of the stand-in study."""
    return shutil.copy(own / "own.zip", tmp_path / "made.zip")


def finish(given: Study) -> Study:
    """The study with a stub in place of each result that notebooks 01 to 05 make."""
    where, weights = given.paths, {"layer": np.float32([0.1, 2.0]), "seen": np.int64([3])}

    def put(folder: Path, stage: str, inputs: list[Path], *files: str) -> Path:
        def work(facts: dict) -> None:
            for name in files:
                match Path(name).suffix:
                    case ".parquet":
                        write_frame(folder / name, pd.DataFrame({"score": [0.5]}))
                    case ".npy":
                        np.save(folder / name, np.zeros((1, 4), np.int16))
                    case _:
                        save_file(weights, folder / name)

        return make(folder, given, stage, inputs, work)

    films = put(where.cohort, "cohort", [], "manifest.parquet", "images.npy", "masks.npy", "boxes.npy")
    treated = {v: put(where.variant(v), f"variant_{v}", [films], "images.npy") for v in given.variants}
    put(where.augmentation, "augmentation", [films])
    for each in given.runs:
        inputs = [films, treated[each.switches.variant]]
        if each.localisation_folder:
            inputs.append(put(each.localisation_folder, "stn", inputs, "poses.parquet", "localisation.safetensors"))
        first = ["weights.safetensors"] if each.seed == given.seeds[0] else []
        put(each.folder, each.stage, inputs, "predictions.parquet", *first)
    return given


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def repacked(path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A copy of an archive with other files in it, and what published.json says left as it was."""
    with zipfile.ZipFile(path) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    change(files)
    other = path.with_name("other.zip")
    with zipfile.ZipFile(other, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return other


def forged(path: Path, name: str, content: bytes) -> Path:
    """A copy of an archive with one more file, which published.json lists with its right digest."""

    def change(files: dict[str, bytes]) -> None:
        contents = json.loads(files[archive.CONTENTS])
        contents["files"][name] = hashlib.sha256(content).hexdigest()
        files |= {name: content, archive.CONTENTS: json.dumps(contents).encode()}

    return repacked(path, change)


def test_the_same_study_makes_the_same_bytes_and_no_arrays_are_in_them(at, own: Path, tmp_path: Path):
    given = at(own)
    assert step.make(given, tmp_path / "again.zip").read_bytes() == (own / "own.zip").read_bytes()
    read = archive.read(own / "own.zip")
    assert {Path(name).name for name in read.files} == {
        "run.json",
        "manifest.parquet",
        "boxes.npy",
        "poses.parquet",
        "predictions.parquet",
    }
    assert read.contents.left_out["stand_in/cohort"] == ["images.npy", "masks.npy"]
    assert (read.contents.study_hash, read.contents.halved) == (given.hash, [])


def test_one_network_goes_along_in_half_precision(at, own: Path, tmp_path: Path):
    read = archive.read(step.make(at(own), tmp_path / "a.zip", weights=True))
    name = "stand_in/arms/sharp/1/weights.safetensors"
    assert read.contents.halved == [name] == [name for name in read.files if name.endswith("weights.safetensors")]
    tensors = load(read.files[name])
    assert (tensors["layer"].dtype, tensors["seen"].dtype) == (np.float16, np.int64)
    assert np.allclose(tensors["layer"], [0.1, 2.0], rtol=1e-3)
    assert "stand_in/arms/sharp/1" not in read.contents.left_out


def test_unpacked_results_stand_and_are_marked(at, made: Path):
    given = at("class")
    step.use(given, made)
    for each in given.runs:
        mark = read_json(each.folder / "run.json")["published"]
        assert mark["archive"] == digest_file(made)[:12]
        assert mark["left_out"] == (["weights.safetensors"] if each.seed == 1 else [])
        assert provenance.stands(each.folder, given)
    assert evaluation.train_missing(given) == {(each.arm, each.seed): each.folder for each in given.runs}
    with pytest.raises(InputError, match="made without this network's weights"):
        evaluation.require_weights(given.run("sharp", 1))
    with pytest.raises(InputError, match="comes from an archive itself"):
        step.make(given)


def test_the_workflow_repeats_no_training(at, made: Path):
    given = at("class")
    step.use(given, made)
    assert run.run(given, run.Means(arguments=("--dry-run",)))
    jobs = [line for line in given.paths.log.read_text().splitlines() if line.startswith("rule ")]
    assert {job.split()[1].rstrip(":") for job in jobs} == {
        *(name[3:] for name in paths.NOTEBOOK_NAMES[5:]),
        "report",
        "all",
    }


def test_other_values_make_published_results_stale(at, made: Path):
    step.use(at("class"), made)
    longer, other_patients = at("class", "training.epochs=2"), at("class", "cohort.synthetic.seed=5")
    assert not any(provenance.stands(each.folder, longer) for each in longer.runs)
    assert not any(provenance.stands(each.folder, other_patients) for each in other_patients.runs)
    more = at("class", "arms.third={initialisation: random, flip: random}")
    assert {each.arm for each in more.runs if not provenance.stands(each.folder, more)} == {"third"}


def test_what_was_left_out_is_made_where_it_is_needed_and_the_rest_stands(at, made: Path):
    given = at("class")
    step.use(given, made)
    folder, seen = given.paths.cohort, []
    assert not provenance.is_current(folder, given, "cohort", [])

    def work(facts: dict) -> None:
        seen.append(provenance.stands(given.runs[0].folder, given))  # another notebook reads meanwhile
        np.save(folder / "images.npy", np.zeros(3))

    make(folder, given, "cohort", [], work)
    assert seen == [True] and provenance.is_current(folder, given, "cohort", [])
    assert "published" not in read_json(folder / "run.json")
    assert all(provenance.stands(each.folder, given) for each in given.runs)


def test_published_results_verify_nothing(at, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from foramen.verification import step as verification

    given = at("class")
    (tmp_path / "reports" / "stand_in" / "tables").mkdir(parents=True)
    (tmp_path / "reports" / "stand_in" / "tables" / "results.csv").touch()
    monkeypatch.setattr(verification, "COMMITTED", tmp_path / "reports")
    verification.committed(given)
    step.use(given, made)
    with pytest.raises(InputError, match="published results"):
        verification.committed(given)


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda path: path.with_name("none.zip"), "there is no such archive"),
        (lambda path: path.write_bytes(b"PK") and path, "not readable as an archive"),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]) and path, "not readable as an archive"),
        (lambda path: forged(path, "../../outside.json", b"{}"), "../../outside.json: not the name of a result"),
        (lambda path: forged(path, "/tmp/outside.json", b"{}"), "/tmp/outside.json: not the name of a result"),
        (lambda path: forged(path, "stand_in/arms/.hidden.json", b"{}"), "not the name of a result"),
        (lambda path: forged(path, "stand_in/arms/code.py", b"1"), "not the name of a result"),
        (lambda path: forged(path, "default/cohort/run.json", b"{}"), "default/cohort/run.json: not of this study"),
        (lambda path: forged(path, "stand_in/cohort/run.json", b"[1]"), "stand_in/cohort/run.json: not a run.json"),
        (lambda path: forged(path, "stand_in/cohort/run.json", b"{}"), "made with other values"),
        (
            lambda path: repacked(path, lambda files: files.update({"stand_in/arms/plain/1/predictions.parquet": b""})),
            "stand_in/arms/plain/1/predictions.parquet: damaged or changed",
        ),
        (
            lambda path: repacked(path, lambda files: files.pop("stand_in/cohort/boxes.npy")),
            "stand_in/cohort/boxes.npy: missing",
        ),
        (
            lambda path: repacked(path, lambda files: files.update({"stand_in/cohort/more.csv": b""})),
            "stand_in/cohort/more.csv: not listed in published.json",
        ),
        (lambda path: repacked(path, lambda files: files.pop(archive.CONTENTS)), "published.json"),
        (lambda path: repacked(path, lambda files: files.update({archive.CONTENTS: b"{}"})), "machines"),
    ],
)
def test_a_broken_or_hostile_archive_is_refused_and_nothing_is_written(
    at, made: Path, tmp_path: Path, break_it, said: str
):
    broken, before = break_it(made), tree(tmp_path)
    with pytest.raises(InputError) as raised:
        step.use(at("class"), broken)
    assert said in str(raised.value)
    assert {name for name in tree(tmp_path) - before if not name.endswith("/.lock")} == set()


def test_a_compressed_archive_is_refused_unread(at, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("stand_in/arms/plain/1/predictions.parquet", bytes(10**8))
    with pytest.raises(InputError, match="it is compressed"):
        step.use(at("class"), tmp_path / "bomb.zip")


def test_another_studys_archive_and_own_results_are_refused(at, own: Path, made: Path):
    with pytest.raises(InputError, match="an archive of the study stand_in, not of another"):
        step.use(at("class", "name=another"), made)
    with pytest.raises(InputError, match="made with other values than the study file's"):
        step.use(at("class", "training.epochs=2"), made)
    with pytest.raises(InputError, match="there are files already"):
        step.use(at(own), made)


def test_what_an_interrupted_study_left_is_not_mixed_with_published_results(at, made: Path):
    given = at("class")
    left = given.run("sharp", 1).folder / "weights.safetensors"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"of another training")
    with pytest.raises(InputError, match="there are files already"):
        step.use(given, made)


def test_results_that_name_each_other_as_inputs_are_refused(at, made: Path):
    def circle(files: dict[str, bytes]) -> None:
        name = "stand_in/arms/plain/1/run.json"
        files[name] = json.dumps(json.loads(files[name]) | {"inputs": ["."]}).encode()
        contents = json.loads(files[archive.CONTENTS])
        contents["files"][name] = hashlib.sha256(files[name]).hexdigest()
        files[archive.CONTENTS] = json.dumps(contents).encode()

    with pytest.raises(InputError, match="missing, or made with other values"):
        step.use(at("class"), repacked(made, circle))


def test_the_members_of_a_sweep_go_along_and_share_what_they_shared(at):
    sweep = "sweeps={learning: {knobs: [training.share], factors: [0.5], arm: sharp, control: plain}}"
    given = finish(at("own", sweep))
    (member,) = sweeps.others(given)
    member.paths.runs.mkdir()
    sweeps.share_images(member, given)
    finish(member)
    packed = step.make(given)
    given = at("class", sweep)
    step.use(given, packed)
    (member,) = sweeps.others(given)
    assert all(provenance.stands(each.folder, each.study) for each in [*given.runs, *member.runs])
    assert member.paths.cohort == given.paths.cohort and (member.paths.runs / "cohort").is_symlink()


def test_unfinished_studies_and_radiographs_of_patients_make_no_archive(at, own: Path, tmp_path: Path):
    shutil.copytree(own / "runs", tmp_path / "broken" / "runs")
    given = at("broken")
    (given.run("plain", 2).folder / "run.json").unlink()
    with pytest.raises(InputError, match="plain/2: missing or stale"):
        step.make(given, tmp_path / "a.zip")
    with pytest.raises(InputError, match="radiographs of patients"):
        step.make(at("own", "cohort.source=manifest", "cohort.manifest.path=x.csv"), tmp_path / "a.zip")
    with pytest.raises(InputError, match="an archive has one at most"):
        step.make(at("own", "keep_weights=true"), tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of the committed archive of `default`, unpacked."""
    folder = tmp_path_factory.mktemp("classroom")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORAMEN_OUTPUT", str(folder))
        assert cli.main(["use-published", "params/default.yaml"]) == 0
    return folder


@pytest.mark.parametrize("name", ["default", "reference"])
def test_the_committed_archive_is_of_the_committed_report(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    report, given = paths.ROOT / "reports" / name, study.load(f"params/{name}.yaml")
    assert cli.main(["use-published", f"params/{name}.yaml"]) == 0
    made_by = read_json(report / "made_by.json")
    assert made_by["design"] == archive.read(report / step.FILE).contents.design
    assert made_by["cohort"] == read_json(given.paths.cohort / "run.json")["key"]
    seeds = pd.read_csv(report / "tables" / "seeds.csv").query("metric == 'auroc'")
    for row in seeds.itertuples():
        scores = pd.read_parquet(given.run(row.arm, row.seed).folder / "predictions.parquet").query("split == 'test'")
        assert np.isclose(roc_auc_score(scores.label, scores.score), row.estimate), (row.arm, row.seed)


def test_notebooks_that_read_predictions_need_no_pytorch(classroom: Path, tmp_path: Path):
    """Their cells up to the table of predictions, on the published runs of `default`; what is missing is told."""
    lessons = []
    for name in (name for name in paths.NOTEBOOK_NAMES if name[:2] in ("06", "07", "09")):
        notebook = nbformat.read(paths.NOTEBOOKS / f"{name}.ipynb", as_version=4)
        cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        needed = next(i for i, source in enumerate(cells) if "train_missing(" in source)
        lesson = "\n".join([*cells[: needed + 1], "assert len(frame)"])
        lessons.append(lesson.replace("load(study)", "load('params/default.yaml', ['plan.resamples=100'])"))
    run_all = f"for lesson in {lessons!r}:\n    exec(lesson, {{}})\nassert not {{'torch', 'timm'}} & {{*sys.modules}}\n"
    ask = "from foramen import study; from foramen.evaluation import step; step.train_missing(study.load(sys.argv[1]))"
    (tmp_path / "lessons.py").write_text(BLOCK + run_all + ask)
    environment = os.environ | {"FORAMEN_OUTPUT": str(classroom)}
    command = [sys.executable, tmp_path / "lessons.py", "params/smoke.yaml"]
    last = subprocess.run(command, env=environment, capture_output=True, text=True).stderr.splitlines()[-1]
    assert "InputError" in last and "no training that fits the study, and no torch: pip install -e .[train]" in last
