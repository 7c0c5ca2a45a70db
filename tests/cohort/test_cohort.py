"""The finished cohort: one split by patient, images in order, pseudonyms, resumption, scale."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import films
from foramen import study
from foramen.cohort import audit
from foramen.cohort import step as cohort
from foramen.core import files
from foramen.core.display import readings
from foramen.core.errors import InputError
from labelled_radiographs import pseudonyms, read, table_one
from labelled_radiographs.adapters import example
from radiographs import decoding, inspection, parallel


@pytest.fixture(autouse=True)
def output(tmp_path, monkeypatch):
    """Results of a test go below its own folder."""
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    return tmp_path / "output"


def load(folder, *overrides: str, **manifest):
    return study.load(films.study_file(folder, **manifest), list(overrides))


@pytest.fixture
def folder(tmp_path):
    films.cohort_folder(tmp_path / "own", patients=24)
    return tmp_path / "own"


def test_a_folder_of_films_becomes_a_cohort(folder):
    made = cohort.prepare(load(folder))
    table = pd.read_csv(folder / "manifest.csv")
    assert made.images.shape == (48, 64, 64) and made.images.dtype == np.uint16
    assert made.boxes.shape == (48, 4) and made.boxes.dtype == np.int16
    assert made.included["label"].to_list() == table["label"].to_list()
    assert made.included["side"].to_list() == table["side"].to_list()
    assert (made.included.groupby("patient_id")["split"].nunique() == 1).all()
    assert made.truth is None and made.masks is None and made.poses is None
    assert "24 patients" in repr(made)


def test_images_are_in_the_order_of_the_table_without_the_unreadable(folder):
    whole = np.array(cohort.prepare(load(folder, "name=whole")).images)
    (folder / "films/003_R.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    with pytest.raises(InputError, match="003_R.png: damaged"):
        cohort.prepare(load(folder))
    made = cohort.prepare(load(folder, unreadable_share=0.05))
    assert np.array_equal(made.images, np.delete(whole, 7, axis=0))
    assert made.manifest["excluded"].to_numpy().nonzero()[0].tolist() == [7]
    assert [reason["images"] for reason in made.audit["reasons"]] == [1]
    assert audit.flow(made)["images"].to_list()[:3] == [48, 1, 47]


def test_excluded_rows_are_counted_and_never_opened(folder):
    table = pd.read_csv(folder / "manifest.csv").assign(excluded="")
    table.loc[:2, "excluded"] = "motion"
    table.to_csv(folder / "manifest.csv", index=False)
    (folder / "films/000_L.png").unlink()
    made = cohort.prepare(load(folder))
    assert len(made.images) == 45
    assert made.audit["reasons"] == [{"reason": "by the table", "images": 3, "patients": 2}]


def test_an_own_split_is_kept_and_validation_carved_from_training(folder):
    table = pd.read_csv(folder / "manifest.csv")
    table["split"] = np.where(table["patient_id"] < "P008", "test", "train")
    table.to_csv(folder / "manifest.csv", index=False)
    made = cohort.prepare(load(folder))
    ours = made.included["split"].to_numpy()
    assert ((ours == "test") == (table["split"] == "test")).all()
    assert set(ours) == {"train", "val", "test"}
    assert (made.included.groupby("patient_id")["split"].nunique() == 1).all()


def test_copies_under_different_patients_stay_in_one_split(tmp_path):
    folder = tmp_path / "own"
    table = films.cohort_folder(folder, patients=30)
    for k in range(0, 20, 2):  # a mirrored copy of every second patient's film under the next patient
        films.save_png(folder / f"films/{k + 1:03d}_L.png", films.picture(2 * k)[:, ::-1])
    made = cohort.prepare(load(folder))
    split = dict(zip(table["image_path"], made.included["split"], strict=True))
    assert all(split[f"films/{k:03d}_L.png"] == split[f"films/{k + 1:03d}_L.png"] for k in range(0, 20, 2))
    assert made.audit["linked_patients"] == 10
    assert any("10 pairs of near-identical" in f["message"] for f in made.audit["findings"])


def test_different_patients_are_not_taken_for_copies(folder):
    assert cohort.prepare(load(folder)).audit["linked_patients"] == 0


def test_identifiers_become_pseudonyms_and_the_key_leads_back(folder, output):
    made = cohort.prepare(load(folder))
    table = pd.read_csv(folder / "manifest.csv")
    assert not made.manifest["patient_id"].isin(table["patient_id"]).any()
    assert (made.manifest["image_path"] == "").all()
    key = pd.read_parquet(made.folder / "key.parquet")
    assert key["given_patient"].to_list() == table["patient_id"].to_list()
    assert key["patient_id"].to_list() == made.manifest["patient_id"].to_list()
    assert cohort.pseudonym_of(load(folder))["films/000_L.png"] == made.manifest["image_id"][0]
    assert pseudonyms.pseudonym("P000", "pat", b"another salt") != made.manifest["patient_id"][0]


def test_an_adapter_of_ones_own(tmp_path, monkeypatch):
    for number in range(40):
        label = "stenosis" if number % 2 else "normal"
        films.save_png(tmp_path / f"own/{label}/{number // 2:04d}_{'LR'[number % 2]}_1.png", films.picture(number))
    shutil.copy(example.__file__, tmp_path / "my_adapter.py")
    monkeypatch.chdir(tmp_path)  # where the study is started, its paths are read from
    made = cohort.prepare(load(tmp_path / "own", path="own", adapter="my_adapter.py"))
    assert len(made.included) == 40 and made.included["label"].sum() == 20
    assert made.audit["source"] == "own adapter"


def test_a_finished_cohort_is_not_made_again_and_a_new_split_decodes_nothing(folder, monkeypatch):
    made = cohort.prepare(load(folder))
    images = np.array(made.images)
    monkeypatch.setattr(inspection, "inspect", None)
    assert np.array_equal(cohort.prepare(load(folder)).images, images)
    again = cohort.prepare(load(folder, "split.seed=5"))
    assert np.array_equal(again.images, images)
    assert not (again.included["split"] == made.included["split"]).all()


def test_a_changed_table_makes_a_new_cohort(folder):
    before = cohort.prepare(load(folder)).included["label"].to_numpy()
    table = pd.read_csv(folder / "manifest.csv")
    table["label"] = 1 - table["label"]
    table.to_csv(folder / "manifest.csv", index=False)
    assert (cohort.prepare(load(folder)).included["label"].to_numpy() == 1 - before).all()


@pytest.fixture
def decoded(monkeypatch) -> list[int]:
    """The slots of the films that are decoded, in order."""
    slots, over_files = [], parallel.over_files

    def noted(function, items, *rest):
        slots.extend(item.slot for item in items)
        return over_files(function, items, *rest)

    monkeypatch.setattr(parallel, "over_files", noted)
    return slots


def test_a_replaced_film_makes_a_new_cohort_and_a_touched_one_the_same(folder, decoded):
    made = cohort.prepare(load(folder))
    before, images = files.read_json(made.folder / "run.json")["key"], np.array(made.images)
    film = folder / "films/003_R.png"
    film.write_bytes(film.read_bytes())
    os.utime(film, (1, 1))
    decoded.clear()
    made = cohort.prepare(load(folder))
    assert decoded == [7] and files.read_json(made.folder / "run.json")["key"] == before
    films.save_png(film, films.picture(99))
    made = cohort.prepare(load(folder))
    assert (made.images != images).any(axis=(1, 2)).nonzero()[0].tolist() == [7]
    assert files.read_json(made.folder / "run.json")["key"] != before


def test_a_finished_cohort_does_without_its_films(folder):
    made = cohort.prepare(load(folder))
    before = files.read_json(made.folder / "run.json")
    shutil.rmtree(folder / "films")
    assert files.read_json(cohort.prepare(load(folder)).folder / "run.json") == before


def test_an_unreadable_film_that_is_mended_comes_in(folder):
    film = folder / "films/003_R.png"
    good = film.read_bytes()
    film.write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    assert len(cohort.prepare(load(folder, unreadable_share=0.05)).images) == 47
    film.write_bytes(good)
    assert len(cohort.prepare(load(folder, unreadable_share=0.05)).images) == 48


def test_an_interrupted_decoding_goes_on_where_it_stopped(folder, decoded):
    parameters = load(folder)
    whole = np.array(cohort.prepare(load(folder, "name=whole")).images)
    target = parameters.paths.cohort
    target.mkdir(parents=True)
    source = read(parameters.cohort.manifest)
    names = source.table["image_path"].to_list()
    decoding.decode(names, source.images, parameters.cohort.image_size, target)
    lines = (target / "decoded.jsonl").read_text().splitlines()
    (target / "decoded.jsonl").write_text("\n".join(lines[:21]) + "\n" + lines[21][:30])
    decoded.clear()
    cohort.prepare(parameters)
    assert decoded == list(range(20, 48))
    assert np.array_equal(cohort.load(parameters).images, whole)


def test_films_that_an_older_version_decoded_are_decoded_again(folder, output, decoded):
    source = read(load(folder).cohort.manifest)
    names = source.table["image_path"].to_list()
    decoding.decode(names, source.images, 64, output)
    log = output / "decoded.jsonl"
    _, *lines = log.read_text().splitlines()
    older = json.dumps({"key": decoding._digest([str(source.images), names, 64])})  # which said less of each file
    log.write_text("\n".join([older, *lines]) + "\n")
    decoded.clear()
    decoding.decode(names, source.images, 64, output)
    assert decoded == list(range(48))


STORED: tuple[dict, ...] = (
    *({"orientation": orientation} for orientation in (1, 2, 3, 5, 6, 8)),
    {"PatientOrientation": ["R", "F"]},
    {"PatientOrientation": ["L", "H"]},
    {"PixelSpacing": [0.3, 0.15]},
    {"PatientOrientation": ["F", "L"], "PixelSpacing": [0.3, 0.15]},
)


def test_a_box_of_the_table_lies_about_what_it_marks_however_a_film_is_stored(folder):
    table = pd.read_csv(folder / "manifest.csv")
    box = {"region_left": 8, "region_top": 20, "region_right": 24, "region_bottom": 36}  # of 72 x 96 pixels
    table.assign(**box).to_csv(folder / "manifest.csv", index=False)
    for number, (name, stored) in enumerate(zip(table["image_path"], STORED, strict=False)):
        marked = films.picture(number) / 2
        marked[20:36, 8:24] = 1
        if "orientation" in stored:
            exif = Image.Exif()
            exif[274] = stored["orientation"]
            Image.fromarray(np.rint(marked * 255).astype(np.uint8)).save(folder / name, "JPEG", quality=97, exif=exif)
        else:
            films.save_dicom(folder / name, marked, **stored)
    made = cohort.prepare(load(folder))
    regions = pd.read_parquet(made.folder / "regions.parquet")
    for image, region, side, stored in zip(made.images, regions.itertuples(), made.side_mm, STORED, strict=False):
        rows, columns = np.nonzero(image > 0.8 * 65535)
        seen = [(columns.mean() + 0.5) / 32 - 1, (rows.mean() + 0.5) / 32 - 1]
        assert [region.x, region.y] == pytest.approx(seen, abs=0.02), stored
        assert region.half == pytest.approx(1 / 6)  # where a pixel is twice as tall as wide, so are box and film
        known = 96 * 0.3 if "PixelSpacing" in stored else np.nan  # the longer side of the film, whatever its pixels
        assert side == pytest.approx(known, nan_ok=True), stored


KILLED = """
import os, signal, sys
from foramen import study
from foramen.cohort import step as cohort
from radiographs import parallel

def until_the_twentieth(function, items, *rest):
    for done, facts in enumerate(over_files(function, items, *rest)):
        if done == 20:
            os.kill(os.getpid(), signal.SIGKILL)
        yield facts

if __name__ == "__main__":
    over_files, parallel.over_files = parallel.over_files, until_the_twentieth
    cohort.prepare(study.load(sys.argv[1]))
"""


def test_a_killed_study_goes_on(folder, output, decoded):
    path = films.study_file(folder)
    script = folder / "kill.py"
    script.write_text(KILLED)
    assert subprocess.run([sys.executable, script, path], check=False).returncode == -9
    target = study.load(path).paths.cohort
    assert not (target / "run.json").exists()
    assert len((target / "decoded.jsonl").read_text().splitlines()) == 21
    cohort.prepare(study.load(path))
    assert decoded == list(range(20, 48))


def test_a_mended_film_is_decoded_and_nothing_else(folder, decoded):
    whole = np.array(cohort.prepare(load(folder, "name=whole")).images)
    good = (folder / "films/003_R.png").read_bytes()
    (folder / "films/003_R.png").write_bytes(b"")
    with pytest.raises(InputError, match="empty file"):
        cohort.prepare(load(folder))
    (folder / "films/003_R.png").write_bytes(good)
    decoded.clear()
    made = cohort.prepare(load(folder))
    assert decoded == [7]
    assert np.array_equal(made.images, whole)


def test_canonical_flip_without_sides_is_a_fault(folder):
    table = pd.read_csv(folder / "manifest.csv").drop(columns="side")
    table.to_csv(folder / "manifest.csv", index=False)
    cohort.prepare(load(folder))
    cohort.prepare(load(folder, "arms.basic.flip=random"))
    with pytest.raises(InputError, match=r"cohort: 48 images: no side, which arms with flip: canonical need \(basic\)"):
        cohort.prepare(load(folder, "arms.basic.flip=canonical"))
    with pytest.raises(InputError, match="rows 2, 3, 4, 5, 6 and 43 more: no side"):
        cohort.prepare(load(folder, "name=new", "arms.basic.flip=canonical"))


def test_memory_does_not_grow_with_the_cohort(tmp_path):
    """A cohort six times as large takes no more memory: images never stay in it."""
    code = (
        "import resource, sys; from foramen.cohort import step as cohort; from foramen import study\n"
        "if __name__ == '__main__':\n"
        "    cohort.prepare(study.load(sys.argv[1]))\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    (tmp_path / "run.py").write_text(code)
    peaks = []
    for patients in (20, 120):
        folder = tmp_path / str(patients)
        films.cohort_folder(folder, patients)
        path = films.study_file(folder, name=f"films{patients}")
        text = path.read_text().replace("image_size: 64", "image_size: 512")
        path.write_text(text)
        done = subprocess.run([sys.executable, tmp_path / "run.py", path], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    decoded = 200 * 512 * 512 * 2 / 2**20
    assert peaks[1] - peaks[0] < decoded / 4


def test_the_synthetic_cohort_has_the_same_form(output):
    made = cohort.prepare(study.load("params/smoke.yaml", ["cohort.synthetic.patients=12", "cohort.image_size=48"]))
    assert list(made.manifest.columns) == cohort.MANIFEST
    assert made.images.shape[1:] == (48, 48) and made.masks.shape == made.images.shape
    assert len(made.poses) == len(made.truth) == len(made.images) == len(made.acquisition)
    for table in (audit.flow, audit.findings, audit.leakage, audit.acquisition):
        assert isinstance(table(made), pd.DataFrame)
    assert "is synthetic" in readings("cohort").questions(made, table_one.prevalence(made.included)).splitlines()[0]
    wanted = {name: np.array(getattr(made, name)) for name in ("images", "masks")}
    for name in wanted:
        (made.folder / f"{name}.npy").unlink()  # as in a published archive: rendered as they are read
    bare = cohort.load(study.load("params/smoke.yaml", ["cohort.synthetic.patients=12", "cohort.image_size=48"]))
    for name, whole in wanted.items():
        np.testing.assert_array_equal(getattr(bare, name)[[7, 2]], whole[[7, 2]])
        np.testing.assert_array_equal(getattr(bare, name)[-1], whole[-1])
    assert len(bare.images) == len(wanted["images"]) and "(48 px)" in repr(bare)


def test_copies_in_a_synthetic_cohort_are_found_and_look_alikes_called_false_alarms(output):
    made = cohort.prepare(study.load("params/smoke.yaml", ["cohort.synthetic.patients=12", "cohort.image_size=48"]))
    before = audit.leakage(made).set_index("check")
    copied = made.images.copy()
    copied[2] = copied[0]  # of the second patient
    changed = replace(made)
    vars(changed)["images"] = copied
    after = audit.leakage(changed).set_index("check")
    alike = "pairs of synthetic patients whose pictures look like copies"
    assert before.loc["identical pictures"].tolist() == [0, "clean"]
    assert after.loc["identical pictures"].tolist() == [1, "LEAK"]
    assert after.found[alike] > before.found[alike] and after.verdict[alike].startswith("false alarms, ")
    assert audit.lookalikes(made)[1] == 24 * 22 // 2


def test_run_json_is_written_last(folder):
    made = cohort.prepare(load(folder))
    record = files.read_json(made.folder / "run.json")
    assert record["images"] == 48 and record["stage"] == "cohort"
    assert json.dumps(record)


def test_a_synthetic_cohort_written_as_dicom_comes_back(tmp_path, output):
    from cervical_phantom import dicom

    drawn = cohort.prepare(study.load("params/smoke.yaml", ["cohort.synthetic.patients=16"]))
    dicom.write_dicom_folder(drawn.folder, tmp_path / "dicom")
    path = films.study_file(tmp_path / "dicom")
    read = cohort.prepare(study.load(path, ["arms.basic.flip=canonical"]))
    assert read.included["label"].to_list() == drawn.included["label"].to_list()
    assert read.included["side"].to_list() == drawn.included["side"].to_list()
    assert {"MONOCHROME1", "MONOCHROME2"} == set(read.acquisition["grey"])
    for ours, theirs, box in zip(read.images, drawn.images, drawn.boxes, strict=True):
        top, left, bottom, right = box
        a, b = (x[top:bottom, left:right].astype(float).ravel() for x in (ours, theirs))
        assert np.corrcoef(a, b)[0, 1] > 0.97


ASK = """
import sys
from foramen.cohort.step import prepare
from foramen.study import load
from radiographs import parallel

def counted(function, items, *rest):
    read.extend(items)
    return over_files(function, items, *rest)

if __name__ == "__main__":
    read, over_files, parallel.over_files = [], parallel.over_files, counted
    prepare(load(sys.argv[1]))
    print(len(read))
"""


def test_two_processes_on_one_empty_study_make_the_cohort_once_and_both_succeed(folder, output):
    (folder / "ask.py").write_text(ASK)
    command = [sys.executable, folder / "ask.py", films.study_file(folder)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=120)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(told) == ["0", "48"]


def test_importing_the_package_is_light():
    heavy = "import sys, foramen.cohort; print({'pandas', 'torch', 'scipy', 'sklearn', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
