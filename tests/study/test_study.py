"""Study files: strict, all faults at once, every value can be overridden, stages name what they depend on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from foramen import study
from foramen.core import paths
from foramen.core.errors import InputError
from foramen.study.model import Training

SMOKE = paths.PARAMS / "smoke.yaml"
PLANS = sorted(paths.PARAMS.glob("*.plan.yaml"))
FILES = sorted(set(paths.PARAMS.glob("*.yaml")) - set(PLANS))
READ = ("coverage", "preprocessing")  # stages: what arms read, and what notebook 02 shows of all of them


def faults(*overrides: str, path: Path = SMOKE) -> list[str]:
    """The faults of the smoke study with these overrides, without the file's name."""
    with pytest.raises(InputError) as caught:
        study.load(path, list(overrides))
    assert all(fault.startswith(f"{path}: ") for fault in caught.value.faults)
    return [fault.removeprefix(f"{path}: ") for fault in caught.value.faults]


def faults_of(text: str | bytes, folder: Path) -> list[str]:
    """The faults of a study file with this text."""
    path = folder / "study.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return faults(path=path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_study_file_is_valid_and_annotated(path: Path):
    overrides = ["cohort.manifest.path=films.csv"] if "own_films" in path.stem else []
    assert study.load(path, overrides).name == path.stem
    bare = [line for line in path.read_text().splitlines() if re.search(r":\s+[-\d.]+$", line)]
    assert not bare, f"numbers without a comment: {bare}"


def test_study_survives_being_written_and_read(tmp_path: Path):
    given = study.load(SMOKE, ["training.learning_rate=1e-5"])
    written = tmp_path / "study.yaml"
    written.write_text(study.dump(given))
    assert study.load(written) == given
    assert study.load(written).hash == given.hash


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("training.epoch=3", "training.epoch: unknown key; the nearest is 'epochs'"),
        ("trainin.epochs=3", "trainin: unknown key; the nearest is 'training'"),
        ("arms.basic.equalisation=global", "arms.basic.equalisation: unknown key; the nearest is 'equalization'"),
        ("plan.primary.metrics=f1", "plan.primary.metrics: unknown key; the nearest is 'metric'"),
        ("arms.basic.flip=cannonical", "the nearest is 'canonical'"),
        ("arms.basic.stn=selfsupervised", "the nearest is 'self_supervised'"),
        ("split.test=1.2", "split.test: should be less than 1 (given: 1.2)"),
        ("split.test=.nan", "split.test: should be a finite number"),
        ("training.learning_rate=.inf", "training.learning_rate: should be a finite number"),
        ("training.epochs=many", "training.epochs: should be a valid integer (given: 'many')"),
        ("training.epochs=2.5", "training.epochs: should be a valid integer"),
        ("training.epochs=true", "training.epochs: should be a valid integer"),
        ("training=", "training: should be a valid dictionary"),
        ("seeds=1,2", "seeds: should be a valid list (given: '1,2')"),
        ("seeds=[]", "seeds: List should have at least 1 item"),
        ("seeds=[1, 1]", "seeds: duplicate seed"),
        ("arms={}", "arms: Dictionary should have at least 1 item"),
        ("arms.Basic={}", "arms.Basic: String should match pattern"),
        ("name=../elsewhere", "name: String should match pattern"),
        ("name=pretraining", "name: pretraining is the folder of the weights that all studies share; choose another"),
        ("plan.reference=basik", "plan.reference: there is no arm 'basik'; the nearest is 'basic'"),
        ("plan.steps=[[proposed]]", "plan.steps.0: write [arm, arm before it]"),
        ("plan.steps=3", "plan.steps: should be a valid list"),
        ("evaluation.external=3", "evaluation.external: should be a valid dictionary"),
        ("evaluation.external={basic: reads.csv}", "evaluation.external.basic: an arm has that name, too"),
        ("split={test: 0.6, validation: 0.5}", "split: test and validation share add up to 1.1"),
        ("arms.basic={trainable: head, stn: joint}", "arms.basic.stn: joint learns with the classifier"),
        ("arms.basic={trainable: head, flip: random}", "arms.basic.flip: random changes an image each time"),
        ("cohort.source=manifest", "cohort.manifest.path: give your table"),
        ("cohort.manifest.labels={maybe: 2}", "cohort.manifest.labels.maybe: should be less than or equal to 1"),
        ("pretraining.source=file", "pretraining.file: source is file, but none is named"),
        ("training.epochs.more=3", "--set training.epochs.more=3: training.epochs holds a value, not keys"),
        ("training.epochs", "--set training.epochs: write section.key=value"),
    ],
)
def test_fault_is_named(override: str, fault: str):
    assert any(fault in found for found in faults(override)), faults(override)


def test_true_pose_needs_a_known_pose():
    found = faults("cohort.source=manifest", "cohort.manifest.path=films.csv", "arms.proposed.stn=true_pose")
    assert found == ["arms.proposed.stn: true_pose needs a cohort whose pose is known: the synthetic one, or CSXA"]


def test_all_faults_come_at_once():
    """What is impossible by itself does not hide what contradicts something else, and makes no fault of its own."""
    found = faults("split.test=1.2", "training.epoch=3", "arms.basic.flip=sideways", "seeds=[1, 1]", "plan.reference=x")
    assert len(found) == 5
    found = faults("arms.basic=3", "arms.Third={}", "name=..", "plan.reference=x", "sweeps.one={arm: basic}")
    assert [fault.split(":")[0] for fault in found if "missing" not in fault] == [
        "name",
        "arms.basic",
        "arms.Third",
        "plan.reference",
    ]
    assert len(found) == 6  # a sweep without its knobs and its control


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "holds keys and values"),
        ("- a list", "holds keys and values"),
        ("name: a\nname: b\n", "line 2: duplicate key 'name'"),
        ("arms:\n  basic: {}\n  basic: {}\n", "line 3: duplicate key 'basic'"),
        ("name: [unclosed", "not readable as YAML"),
        ("? [a, b]\n: 1\n", "not readable as YAML"),
        ("[" * 5000, "not readable as YAML"),
        ("name: !!python/object/apply:os.system [true]", "not readable as YAML"),
        (b"name: \xff\xfe", "not readable as YAML"),
        (b"\x00\x01", "not readable as YAML"),
        ("name: x\n", "arms: missing"),
        (f"name: {'x' * 5000}\narms: {{basic: {{}}}}\n", "String should have at most 40 characters"),
    ],
)
def test_broken_file_gives_one_clear_line(text: str | bytes, fault: str, tmp_path: Path):
    found = faults_of(text, tmp_path)
    assert any(fault in line for line in found), found
    assert all(len(line) < 400 and "\n" not in line for line in found)


def test_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path):
    for file in (SMOKE, SMOKE.with_suffix(".plan.yaml")):
        (tmp_path / file.name).write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert study.load(tmp_path / SMOKE.name).hash == study.load(SMOKE).hash


def test_unknown_file_names_the_nearest():
    with pytest.raises(InputError, match=r"no such study file; the nearest is 'params/smoke.yaml'"):
        study.load("params/smoek.yaml")


def test_overrides_win_and_create_sections():
    given = study.load(SMOKE, ["training.epochs=7", "augmentation.rotation=5", "arms.extra={flip: random}", "title="])
    assert given.training.epochs == 7
    assert given.augmentation.rotation == 5.0
    assert given.arms["extra"].flip == "random"
    assert given.title == ""


def test_number_in_scientific_notation_is_a_number():
    assert study.load(SMOKE, ["training.learning_rate=3e-4"]).training.learning_rate == 3e-4
    assert study.load(SMOKE, ["training.learning_rate=1E-05"]).training.learning_rate == 1e-5


def test_files_of_the_reader_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "films.csv").touch()
    (tmp_path / "reads.csv").touch()
    monkeypatch.chdir(tmp_path)
    given = study.load(
        SMOKE,
        ["cohort.manifest.path=films.csv", "evaluation.external={reader: reads.csv}", "pretraining.file=none.pth"],
    )
    assert given.cohort.manifest.path == str(tmp_path / "films.csv")
    assert given.evaluation.external == {"reader": str(tmp_path / "reads.csv")}
    assert given.pretraining.file == "none.pth"


def git(*arguments: object) -> str:
    return subprocess.run(["git", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def own(name: str) -> list[str]:
    return [f"name={name}", "cohort.source=manifest", "cohort.manifest.path=my films.csv"]


@pytest.mark.skipif(not (paths.ROOT / ".git").exists(), reason="no git checkout")
def test_own_radiographs_never_go_to_a_committed_report(monkeypatch: pytest.MonkeyPatch):
    """Whatever is committed below reports/, its name is refused; every other name is ignored by git."""
    monkeypatch.delenv("FORAMEN_OUTPUT", raising=False)
    committed = {line.split("/")[1] for line in git("-C", paths.ROOT, "ls-files", "reports/*/*").splitlines()}
    assert {"default", "nuisance"} <= committed
    for name in sorted(committed):
        (fault,) = faults(*own(name))
        assert fault.startswith(f"name: git does not ignore {paths.ROOT / 'reports' / name}, radiographs of patients")
        works = f"make reproduce STUDY={SMOKE} COHORT='my films.csv' SET=name={name}_own"
        assert fault.endswith(works) and study.load(SMOKE, own(f"{name}_own")).name == f"{name}_own"


def test_own_radiographs_go_where_git_would_ignore_them_in_any_repository(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    assert study.load(SMOKE, own("mine")).name == "mine"  # no repository
    git("init", "--quiet", tmp_path)
    for output in ("", "not yet there"):
        monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / output))
        assert faults(*own("mine"))[0].endswith(f"let it ignore {tmp_path / output / 'reports'}")
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    (tmp_path / ".gitignore").write_text("reports/\n")
    assert study.load(SMOKE, own("mine")).name == "mine"
    page = tmp_path / "reports" / "mine" / "figures" / "gains.png"
    page.parent.mkdir(parents=True)
    page.touch()
    git("-C", tmp_path, "add", "--force", page)
    assert faults(*own("mine"))[0].endswith("SET=name=mine_own")


@pytest.mark.parametrize(
    ("given", "chosen"),
    [("", "default"), ("COHORT=films.csv", "own_films"), ("STUDY=params/full.yaml COHORT=f", "full")],
)
def test_make_takes_the_study_of_own_radiographs_for_a_cohort(given: str, chosen: str):
    for target in ("reproduce", "check"):
        command = ["make", "--dry-run", "-C", str(paths.ROOT), target, *given.split()]
        assert f" params/{chosen}.yaml" in subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("override", "stages"),
    [
        ("cohort.synthetic.seed=1", {"cohort"}),
        ("split.seed=1", {"cohort"}),
        ("cohort.manifest.unreadable_share=0.1", set()),
        ("preprocessing.clahe_tiles=4", {"variant_film_clahe", "preprocessing"}),
        ("region.margin=1.5", {"regions", "variant_fixed_global", "variant_detected_global", *READ}),
        ("arms.basic.region=fixed", {*READ, "arm_basic", "evaluation"}),
        ("plan.primary.arm=basic", {"preprocessing", "evaluation"}),
        ("stn.epochs=9", {*READ, "stn", "arm_proposed"}),
        ("training.input=[64, 32]", {*READ, "arm_basic", "arm_proposed"}),
        ("pretraining.images=99", {"pretraining", "arm_basic", "arm_proposed"}),
        ("training.epochs=9", {"arm_basic", "arm_proposed"}),
        ("arms.basic.trainable=head", {"arm_basic", "evaluation"}),
        ("arms.basic.description=new words", {"evaluation"}),
        ("plan.resamples=300", {"evaluation"}),
        ("plan.margin={accuracy: 1.0}", {"evaluation"}),
        ("plan.deviations=[{date: 2026-01-02, what: none of note, reason: none of note}]", set()),
        ("seeds=[1, 2, 3]", {"evaluation"}),
        ("title=new", set()),
    ],
)
def test_stages_change_with_what_they_depend_on_and_no_more(override: str, stages: set[str]):
    before, after = study.load(SMOKE), study.load(SMOKE, [override])
    names = [
        "cohort",
        "regions",
        "variant_film_none",
        "variant_film_clahe",
        "variant_film_global",
        "variant_fixed_global",
        "variant_detected_global",
        *READ,
        "augmentation",
        "pretraining",
        "stn",
        "evaluation",
    ]
    names += [f"arm_{arm}" for arm in before.arms]
    assert {name for name in names if before.stage(name) != after.stage(name)} == stages
    assert before.hash != after.hash


def test_study_reads_fast_because_it_imports_nothing_heavy():
    code = "import sys, foramen.cli, foramen.workflow.run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "pandas", "matplotlib", "numpy", "scipy", "papermill"} & set(loaded)


def test_dump_writes_every_value(tmp_path: Path):
    values = yaml.safe_load(study.dump(study.load(SMOKE)))
    assert values.keys() == study.Study.model_fields.keys()
    assert values["training"].keys() == Training.model_fields.keys()


def write(folder: Path, name: str, text: str) -> Path:
    """A study file in `folder`."""
    path = folder / name
    path.write_text(text)
    return path


def test_a_study_says_only_what_differs_from_its_base(tmp_path: Path):
    write(tmp_path, "first.yaml", SMOKE.read_text())
    text = "base: first.yaml\nname: second\ntraining: {epochs: 7}\narms: {basic: {}}\n"
    text += "plan: {primary: {arm: basic}, steps: []}\n"
    found = study.load(write(tmp_path, "second.yaml", text))
    first = study.load(SMOKE)
    assert (found.name, found.training.epochs, list(found.arms)) == ("second", 7, ["basic"])
    assert found.training.batch_size == first.training.batch_size
    assert found.cohort == first.cohort
    assert "base" not in study.dump(found)


def test_a_base_that_is_missing_or_goes_in_a_circle_is_named(tmp_path: Path):
    write(tmp_path, "a.yaml", "base: b.yaml\n")
    path = write(tmp_path, "b.yaml", "base: a.yaml\n")
    with pytest.raises(InputError, match=r"b.yaml is, in the end, based on this file"):
        study.load(path)
    assert faults_of("base: nowhere.yaml\n", tmp_path) == ["base: there is no study file 'nowhere.yaml' beside it"]
    assert faults_of("base: [a]\n", tmp_path) == ["base: there is no study file ['a'] beside it"]


def test_a_run_knows_its_arm_and_its_places():
    given = study.load(SMOKE)
    run = given.run("proposed", 1)
    assert run in given.runs and len(given.runs) == len(given.arms) * len(given.seeds)
    assert run.switches == given.arms["proposed"]
    assert run.folder == given.paths.arm("proposed", 1)
    assert run.localisation_folder == given.paths.localisation(run.switches.localisation_key, 1)
    assert given.run("basic", 1).localisation_folder is None
