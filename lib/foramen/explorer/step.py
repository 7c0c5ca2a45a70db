"""The case explorer of a finished study: from its files to one page (`foramen explore`)."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cervical_phantom.anatomy import LEVELS
from diagnostic_accuracy import operating_point
from foramen.cohort import step as cohort
from foramen.cohort.step import Cohort
from foramen.core import compute
from foramen.core.errors import InputError
from foramen.core.files import read_frame, write_text
from foramen.evaluation import confident_errors, saliency
from foramen.evaluation import step as evaluation
from foramen.explorer import drawing, page
from foramen.fine_tuning.step import ATTENTION
from foramen.preprocessing import step as preprocessing
from foramen.report import beside
from foramen.study import provenance
from foramen.study.model import Study

PAGE = "explorer.html"
RADIOGRAPHS = 240  # that a page shows at most: 3 MB


def write(study: Study, folder: Path, own: bool = False, most: int = RADIOGRAPHS) -> Path:
    """Write the explorer of a finished study into `folder`; its file. A report in that folder gets a link to it.

    The page holds at most so many radiographs of the test set, by the rule of `saliency.choose`, and the scores of all.
    Radiographs of a user are shown only where `own` says so, without their identifiers and without those in which text
    seems to be burnt. InputError where that was not said, or the study is not finished.
    """
    if study.cohort.source != "synthetic" and not own:
        raise InputError(f"{study.name}: the page would show radiographs of patients; say --radiographs to write it")
    _require_finished(study)
    compute.deterministic(study.training.threads)
    films = cohort.load(study)
    frame = evaluation.gather(study, films)
    hidden = set(films.included["image_id"]) - set(films.showable["image_id"])
    chosen = saliency.choose(frame, study.plan.primary.arm, study.seeds[0], most, hidden)
    tested = films.included.loc[films.included["split"] == "test", "image_id"]
    facts = {
        "arms": list(study.arms),
        "primary": study.plan.primary.arm,
        "seed": study.seeds[0],
        "minimum_grade": study.cohort.synthetic.label.minimum_grade,
        "labels": films.included.loc[tested.index, "label"].tolist(),
        "networks": _networks(frame, tested),
        "cases": _cases(study, films, chosen, tested),
    }
    write_text(folder / PAGE, page.render(study, facts))
    beside.link(folder)
    return folder / PAGE


def _require_finished(study: Study) -> None:
    """InputError where a result of the study is missing, older than its study file, or published without its arrays."""
    results = [study.paths.cohort, *(run.folder for run in study.runs)]
    stale = [folder for folder in results if not provenance.stands(folder, study)]
    bare = [folder for folder in results if provenance.left_out(folder)]
    for folders, why in (
        (stale, "missing, or older than the study file; foramen run makes it"),
        (bare, "published without its arrays; the page needs a run of your own, in another FORAMEN_OUTPUT"),
    ):
        if folders:
            raise InputError([f"{study.name}: {folder.relative_to(study.paths.runs)}: {why}" for folder in folders])


def _networks(frame: pd.DataFrame, tested: pd.Series) -> list[dict[str, Any]]:
    """Each arm and seed: the threshold chosen on the validation set, and the score of every test radiograph."""
    test = frame[frame["split"] == "test"]
    scores = test.pivot(index="image_id", columns=["arm", "seed"], values="score").loc[tested]
    runs = operating_point.thresholds(frame).drop(columns="source").to_dict("records")
    return [run | {"scores": scores[run["arm"], run["seed"]].tolist()} for run in runs]


def _cases(study: Study, films: Cohort, chosen: pd.DataFrame, tested: pd.Series) -> list[dict[str, Any]]:
    """The radiographs that the page shows: `test`, the place in the test set, what is known of each, and its layers."""
    levels = study.cohort.synthetic.label.levels
    index = films.included.set_index("image_id").index.get_indexer(chosen["image_id"])
    known = evaluation.subgroup_facts(study, films).iloc[index].drop(columns="level", errors="ignore")
    known["note"] = confident_errors.with_truth(chosen, films.included, films.truth, levels)["note"].to_numpy()
    known["test"] = pd.Index(tested).get_indexer(chosen["image_id"])
    views = [_views(study, films, arm, chosen, index) for arm in study.arms]
    return [
        {
            **{name: None if pd.isna(value) else value for name, value in row.items()},
            "film": drawing.film(films.images[i]),
            "foramina": _foramina(study, films, i),
            "views": list(seen),
        }
        for row, i, *seen in zip(known.to_dict("records"), index, *views, strict=True)
    ]


def _foramina(study: Study, films: Cohort, i: int) -> list[dict[str, Any]]:
    """The true foramina that the label is about, where they are known: level, grade, outline."""
    if films.truth is None or films.masks is None:
        return []
    grades = confident_errors.grades(films.truth.iloc[[i]], study.cohort.synthetic.label.levels).iloc[0]
    return [
        {"level": level, "grade": int(grade), "path": drawing.outline((films.masks[i] >> LEVELS.index(level)) & 1 == 1)}
        for level, grade in grades.items()
    ]


def _views(study: Study, films: Cohort, arm: str, rows: pd.DataFrame, index: np.ndarray) -> list[dict[str, Any]]:
    """What the arm's first network reads of each radiograph, and what of it speaks for label 1.

    region (x, y, half) on the film; frames, an SVG matrix a head; with one head `evidence`, Grad-CAM at the deepest
    stage that can say where, and `shuffled`, the same of the network whose values are shuffled; with several,
    `attention`, how much each counts.
    """
    seed, places = study.seeds[0], preprocessing.place(study, films, study.arms[arm].region)[index]
    network, seen = evaluation.seen_by(study, arm, seed, rows.assign(called=1))
    frames = drawing.on_film(seen.theta, seen.mirrored, places)
    layers = {"region": places.round(4).tolist(), "frames": frames.round(4).tolist()}
    if study.arms[arm].heads > 1:
        weights = read_frame(study.paths.arm(arm, seed) / ATTENTION).set_index("image_id").loc[rows["image_id"]]
        layers["attention"] = weights.round(4).to_numpy().tolist()
    else:
        stage, _ = saliency.layers(seen.inputs.shape[-2:])
        *_, (_, shuffled) = saliency.randomised(network, seed)
        maps = {"evidence": network, "shuffled": shuffled}
        found = {name: saliency.grad_cam(one, seen.inputs, saliency.last(one, stage)) for name, one in maps.items()}
        found = {"evidence": found["evidence"] * seen.sign[:, None, None], "shuffled": np.abs(found["shuffled"])}
        layers |= {name: list(map(drawing.evidence, cells)) for name, cells in found.items()}
    return [dict(zip(layers, one, strict=True)) for one in zip(*layers.values(), strict=True)]
