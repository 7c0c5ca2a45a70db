"""Published data sets in their published layouts, and an adapter of one's own, from table to split rows."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import films
from labelled_radiographs import Expectations, Layout, decode, findings, read
from labelled_radiographs.adapters import Source, example
from labelled_radiographs.split import own_or_assigned
from user_tables import InputError

BOX = {"xmin": 10.0, "ymin": 20.0, "xmax": 30.0, "ymax": 40.0}


def prepare(folder, adapter, **layout):
    """Source and usable rows of `folder`, with their facts and split, and the summary of what was found."""
    source = read(Layout(path=str(folder), adapter=adapter, **layout))
    (folder.parent / "decoded").mkdir()
    facts, verdict = decode(source, Expectations(64, test_share=0.55), folder.parent / "decoded")
    rows = verdict.usable.assign(split=own_or_assigned(verdict.usable, 0.55, 0.15, seed=0))
    return source, rows, findings.summary(source, facts, verdict)


def vindr(root, annotations: str = "annotations", patients: int = 30) -> None:
    """A small folder in exactly the layout of VinDr-SpineXR 1.0.0; every third training study is positive."""
    columns = ["study_id", "series_id", "image_id", "rad_id", "lesion_type", "xmin", "ymin", "xmax", "ymax"]
    number = 0
    for split, count in (("train", patients), ("test", patients // 2)):
        rows = []
        for k in range(count):
            study_id = f"{split}{k:027d}"[:32]
            for _ in range(2):
                image_id = f"{number:032x}"
                films.save_dicom(
                    root / f"{split}_images/{image_id}.dicom",
                    1 - films.picture(number),
                    PhotometricInterpretation="MONOCHROME1",
                )
                lesion = "Foraminal stenosis" if k % 3 == 0 else "Osteophytes" if k % 3 == 1 else "No finding"
                base = {"study_id": study_id, "series_id": f"s{k}", "image_id": image_id, "rad_id": "rad1"}
                rows.append(base | {"lesion_type": lesion} | (BOX if lesion != "No finding" else {}))
                number += 1
        path = root / annotations / f"{split}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows, columns=columns).to_csv(path, index=False)


@pytest.mark.parametrize("annotations", ["annotations", "annotation"])
def test_vindr_spinexr_as_published(tmp_path, annotations):
    root = tmp_path / "vindr"
    vindr(root, annotations)
    _, rows, summary = prepare(root, "vindr_spinexr")
    assert len(rows) == 90 and rows["label"].sum() == 30
    assert rows["split"].value_counts()["test"] == 30
    assert set(rows["split"]) == {"train", "val", "test"}
    assert (rows.groupby("patient_id")["split"].nunique() == 1).all()
    assert rows["grey"].eq("MONOCHROME1").all()
    notes = " ".join(finding["message"] for finding in summary["findings"])
    assert "study is taken as a patient" in notes and "carved from the training set" in notes


@pytest.mark.parametrize(
    ("rule", "expected"), [("any", [1, 1, 1, 0]), ("majority", [1, 1, 0, 0]), ("all", [1, 0, 0, 0])]
)
def test_vindr_readers_are_combined_by_the_stated_rule(tmp_path, rule, expected):
    marked = {"a": "111", "b": "110", "c": "10", "d": "00"}
    rows = []
    for image, readers in marked.items():
        for reader, positive in enumerate(readers):
            base = {"study_id": f"study_{image}", "series_id": "s", "image_id": image, "rad_id": f"rad{reader}"}
            rows += [base | {"lesion_type": "Foraminal stenosis"} | BOX] * 2 if positive == "1" else []
            rows.append(base | {"lesion_type": "Osteophytes"} | BOX)
    (tmp_path / "annotations").mkdir()
    for split in ("train", "test"):
        boxes = pd.DataFrame(rows)
        boxes["image_id"] += f"_{split}"
        boxes.to_csv(tmp_path / f"annotations/{split}.csv", index=False)
    source = read(Layout(path=str(tmp_path), adapter="vindr_spinexr", readers=rule))
    train = source.table[source.table["split"] == "train"]
    assert train["label"].to_list() == expected


def test_vindr_headers_that_share_a_patient_join_studies(tmp_path):
    root = tmp_path / "vindr"
    vindr(root)
    boxes = pd.read_csv(root / "annotations/train.csv")
    images = boxes.groupby("study_id")["image_id"].first().iloc[:2]
    for k, name in enumerate(images):
        films.save_dicom(root / f"train_images/{name}.dicom", films.picture(900 + k), PatientID="the same")
    assert prepare(root, "vindr_spinexr")[2]["linked_patients"] == 1


def test_vindr_with_a_lesion_that_was_never_published(tmp_path):
    root = tmp_path / "vindr"
    vindr(root)
    path = root / "annotations/train.csv"
    path.write_text(path.read_text().replace("Foraminal stenosis", "Foraminal stenosys"))
    with pytest.raises(InputError, match="'Foraminal stenosys' is not one of the published; the nearest is"):
        prepare(root, "vindr_spinexr")


def csxa(root, cases: int = 40) -> None:
    """A small folder in the layout of CSXA; the keypoints lie on two lines 0.3 radians off the vertical."""
    rows = []
    for number in range(1, cases + 1):
        name = f"{number:04d}{20 + number}"
        films.save_png(root / f"datasets-PNG/{name}.png", films.picture(number, 120, 90))
        along = np.linspace(-40, 40, 23)
        points = np.stack([45 - along * np.sin(0.3), 60 + along * np.cos(0.3)], axis=1)
        shapes = [{"label": str(k), "points": [p.tolist()], "shape_type": "point"} for k, p in enumerate(points)]
        path = root / f"datasets-JSON/{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"shapes": shapes}))
        rows.append({"Number": number, "Gender": "F", "Curvature: 1.Lordotic, 2.Straight, 3.Sigmoid1": 1 + number % 5})
    pd.DataFrame(rows).to_excel(root / "datasets.xlsx", sheet_name="Sheet1", index=False)


def test_csxa_as_published(tmp_path):
    root = tmp_path / "csxa"
    csxa(root)
    source, rows, _ = prepare(root, "csxa")
    poses = source.poses(rows)
    assert len(rows) == 40 and rows["label"].sum() == 32
    assert rows["age"].to_list() == [20.0 + number for number in range(1, 41)]
    assert (rows["view"] == "LATERAL").all()
    assert poses["pose_angle"].to_numpy() == pytest.approx(0.3, abs=1e-6)
    assert poses["pose_scale"].to_numpy() == pytest.approx(40 / 60, abs=1e-6)
    assert poses[["pose_x", "pose_y"]].abs().to_numpy().max() < 1e-6


def test_csxa_with_stated_classes(tmp_path):
    root = tmp_path / "csxa"
    csxa(root, 60)
    _, rows, summary = prepare(root, "csxa", labels={"1": 0, "5": 1})
    assert len(rows) == 24 and rows["label"].sum() == 12
    assert [reason["reason"] for reason in summary["reasons"]] == ["curvature class without a label"]


def test_csxa_with_a_case_that_is_not_in_the_workbook(tmp_path):
    root = tmp_path / "csxa"
    csxa(root)
    films.save_png(root / "datasets-PNG/999950.png", films.picture(1))
    with pytest.raises(InputError, match="no row with the Number of 999950.png"):
        prepare(root, "csxa")


def test_csxa_with_a_number_of_two_rows(tmp_path):
    csxa(tmp_path, 6)
    book = tmp_path / "datasets.xlsx"
    cases = pd.read_excel(book)
    pd.concat([cases, cases.iloc[[1, 3]].assign(Number=["2", "0004"]), cases.assign(Number="7.5")[:1]]).to_excel(
        book, index=False
    )
    with pytest.raises(InputError) as caught:
        read(Layout(path=str(tmp_path), adapter="csxa"))
    assert caught.value.faults == [
        f"{book}: row 10: no Number",
        f"{book}: row 3 (2), row 8 (2), row 5 (4), row 9 (4): Number stands more than once",
    ]


@pytest.mark.parametrize(
    ("shapes", "fault"),
    [
        ("", "no keypoints in labelme's layout"),
        ("[" * 10_000, "no keypoints in labelme's layout"),
        ('{"shapes": [{"points": [[1, 1%s]]}]}' % ("0" * 400), "no keypoints in labelme's layout"),
        ('{"shapes": [{"points": [[1, 2]]}]}', "1 keypoints, 23 are expected"),
    ],
)
def test_csxa_with_keypoints_that_are_none(tmp_path, shapes, fault):
    csxa(tmp_path)
    path = tmp_path / "datasets-JSON/000424.json"
    path.write_text(shapes)
    with pytest.raises(InputError, match=f"{path.name}: .*{fault}"):
        read(Layout(path=str(tmp_path), adapter="csxa"))


@pytest.mark.parametrize(
    ("stored", "expected"),  # orientation and aspect of a stored film; angle and centre of its spine once upright
    [
        ((1, 1), (0.3, 0.25, -0.5)),
        ((2, 1), (-0.3, -0.25, -0.5)),
        ((3, 1), (0.3, -0.25, 0.5)),
        ((6, 1), (0.3 - np.pi / 2, 0.5, 0.25)),
        ((1, 2), (0.3, 0.25, -0.5)),
        ((6, 2), (0.3 - np.pi / 2, 0.5, 0.25)),
    ],
)
def test_poses_are_those_of_the_upright_film(tmp_path, stored, expected):
    orientation, aspect = stored
    along = np.linspace(-20, 20, 23)
    points = np.stack([60 - along * np.sin(0.3), 30 + along * np.cos(0.3)], axis=1) / [1, aspect]
    source = Source(pd.DataFrame(), tmp_path, tmp_path, keypoints={"film.png": points})
    film = {
        "image_path": "film.png",
        "width": 90,
        "height": 120 // aspect,
        "aspect": aspect,
        "orientation": orientation,
    }
    pose = source.poses(pd.DataFrame([film])).iloc[0]
    assert pose[["pose_angle", "pose_x", "pose_y"]].to_list() == pytest.approx(expected)
    assert pose["pose_scale"] == pytest.approx(20 / 60)


@pytest.mark.parametrize("point", ["[1, 121]", "[-1, 2]", "[1, NaN]", "[1e400, 2]"])
def test_csxa_with_keypoints_of_another_image(tmp_path, point):
    root = tmp_path / "csxa"
    csxa(root)
    path = root / "datasets-JSON/000424.json"
    path.write_text('{"shapes": [{"points": [' + "[1, 2]," * 22 + point + "]}]}")
    source, rows, summary = prepare(root, "csxa")
    assert source.poses(rows)["pose_scale"].isna().to_list() == [row == 3 for row in range(40)]
    (found,) = [finding for finding in summary["findings"] if "keypoints" in finding["message"]]
    assert found["message"].startswith("1 image: keypoints outside the image")


def test_an_adapter_of_ones_own(tmp_path):
    root = tmp_path / "films"
    for number in range(40):
        label = "stenosis" if number % 2 else "normal"
        films.save_png(root / f"{label}/{number // 2:04d}_{'LR'[number % 2]}_1.png", films.picture(number))
    shutil.copy(example.__file__, tmp_path / "my_adapter.py")
    rows = prepare(root, str(tmp_path / "my_adapter.py"))[1]
    assert len(rows) == 40 and rows["label"].sum() == 20
    assert rows["patient_id"].nunique() == 20
    assert rows["side"].value_counts().to_dict() == {"L": 20, "R": 20}


def test_an_adapter_that_is_none(tmp_path):
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "broken.py").write_text("def table(section):\n    return 1 / 0\n")
    for name, message in (
        ("vindr", "is none of general"),
        (str(tmp_path / "empty.py"), "needs a function table"),
        (str(tmp_path / "broken.py"), "the adapter failed: ZeroDivisionError"),
    ):
        with pytest.raises(InputError, match=message):
            read(Layout(path=str(tmp_path), adapter=name))
