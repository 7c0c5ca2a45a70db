"""What the notebooks 06 to 08 take from a study: its checked predictions, sweeps, and networks to explain."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from diagnostic_accuracy import bootstrap, transfer, variance
from diagnostic_accuracy.multiple_testing import holm
from foramen import figures
from foramen.cohort import step as cohort
from foramen.cohort.step import Cohort
from foramen.core.errors import InputError, each
from foramen.core.files import read_frame, read_json
from foramen.evaluation import confident_errors, learning_curves, shortcuts, where_points_go
from foramen.evaluation.predictions import drop_collapsed
from foramen.figures.overview import Station
from foramen.study import provenance, sweeps
from foramen.study.model import Arm, Run, Study, Sweep
from labelled_radiographs import predictions
from labelled_radiographs.manifest import identifier
from labelled_radiographs.pseudonyms import pool_rare

if TYPE_CHECKING:
    from foramen.evaluation.saliency import Explained, Seen
    from foramen.training.backbone import Network

WITHOUT = "pip install -e .[train] has what trains; foramen use-published unpacks trainings"

# Functions that train, or look into a network, import PyTorch themselves: what reads predictions runs without it.


def train_missing(study: Study) -> dict[tuple[str, int], Path]:
    """The folder of every training (arm, seed) of the study, made where it is missing or stale.

    A published one (`foramen use-published`) is taken as it is. So the cohort's tables are there, too: `cohort.load`.
    """
    for run in study.runs:
        _train_where_missing(run)
    return {(run.arm, run.seed): run.folder for run in study.runs}


def _train_where_missing(run: Run) -> None:
    if provenance.stands(run.folder, run.study):
        return
    try:
        from foramen.fine_tuning import step as fine_tuning
    except ModuleNotFoundError as error:
        raise InputError(f"{run.folder}: no training that fits the study, and no {error.name}: {WITHOUT}") from None
    fine_tuning.prepare(run)


def require_weights(run: Run) -> None:
    """InputError where the network of a finished training was left out of the published archive that it came in."""
    if not (run.folder / "weights.safetensors").exists():
        missing = f"{run.folder}: the published archive was made without this network's weights"
        raise InputError(f"{missing}; unpack one made with --weights, or remove {run.study.paths.runs} and train")


def gather(study: Study, films: Cohort) -> pd.DataFrame:
    """All predictions of a study, those of its trainings, then those of other systems, checked.

    A table of another system names images as its user does; they and their patients get the cohort's pseudonyms, like
    everything else in a report. Raises InputError that lists every fault.
    """
    tables = [predictions.read(run.folder / "predictions.parquet") for run in study.runs]
    pseudonyms = cohort.pseudonym_of(study)
    patients = films.included.set_index("image_id")["patient_id"]
    for arm, path in study.evaluation.external.items():
        table = _external(path, arm, pseudonyms)
        if pseudonyms:
            table["image_id"] = table["image_id"].map(pseudonyms).fillna(table["image_id"])
            table["patient_id"] = table["image_id"].map(patients).fillna(table["patient_id"])
        tables.append(table)
    frame = pd.concat(tables, ignore_index=True)
    predictions.validate(frame, films.manifest)
    return frame


def check(study: Study) -> None:
    """InputError with all faults of other systems' tables that can be known before the cohort is made.

    A split that is not settled yet is believed to be what the table says; `gather` looks again.
    """
    known = cohort.beforehand(study).set_index("image_id", drop=False)
    given = {pseudonym: name for name, pseudonym in cohort.pseudonym_of(study).items()}

    def look(arm: str) -> None:
        table = _external(study.evaluation.external[arm], arm, [*given, *known.index]).replace({"image_id": given})
        if study.cohort.source == "manifest":  # `gather` takes patients from the cohort, too
            table["patient_id"] = table["image_id"].map(known["patient_id"]).fillna(table["patient_id"])
        said = table.drop_duplicates("image_id").set_index("image_id")["split"].reindex(known.index, fill_value="")
        predictions.validate(table, known.assign(split=known["split"].where(known["split"] != "", said)))

    each(study.evaluation.external, look)


def _external(path: str, arm: str, known: Iterable[str]) -> pd.DataFrame:
    """The table of another system, its image_id written as in the cohort's own table (`manifest.identifier`).

    A table of one arm takes the study's name for it; of one with several, the rows are read that have this name.
    """
    table = predictions.read(path, arm)
    table = predictions.of_arm(table, arm, path) if table["arm"].nunique() > 1 else table.assign(arm=arm)
    ours = {identifier(name): name for name in known}
    names = table["image_id"]
    written = names.map(identifier).map(ours).fillna(names)
    return table.assign(image_id=names.where(names.isin(list(ours.values())), written))


def collapsed(study: Study) -> set[tuple[str, int]]:
    """The finished trainings (arm, seed) whose spatial transformer has collapsed (`stn.diagnose`)."""
    facts = {(run.arm, run.seed): read_json(run.folder / "run.json") for run in study.runs}
    return {run for run, made in facts.items() if made["transformer"]["collapsed"]}


def histories(runs: dict[tuple[str, int], Path]) -> pd.DataFrame:
    """Losses and validation AUROC of every epoch of every training: the columns of history.csv, arm, seed."""
    tables = [pd.read_csv(home / "history.csv").assign(arm=arm, seed=seed) for (arm, seed), home in runs.items()]
    return pd.concat(tables)


def switches(study: Study) -> pd.DataFrame:
    """Which steps of the method each arm takes, a boolean column for each step that differs between arms."""
    arms = pd.DataFrame([arm.model_dump() for arm in study.arms.values()], index=list(study.arms))
    taken = (arms[["equalization", "flip", "stn"]] != "none").assign(fine_tuning=arms["trainable"] != "head")
    return taken.loc[:, taken.nunique() > 1]


def subgroup_facts(study: Study, films: Cohort) -> pd.DataFrame:
    """What subgroups are made of, by image: side, site (rare ones pooled), sex, age; severity and level where known."""
    facts = films.included[["image_id", "side", "site", "sex", "age"]].copy()
    facts["site"] = pool_rare(facts["site"], films.included["patient_id"])
    if films.truth is not None:
        grades = confident_errors.grades(films.truth, study.cohort.synthetic.label.levels)  # those the label is about
        facts["severity"] = grades.max(axis=1)
        facts["level"] = grades.idxmax(axis=1).where(facts["severity"] > 0)
    return facts


def measure_sweeps(study: Study, shows: str = "gain") -> pd.DataFrame:
    """The gain of each sweep's arm over its control at each point (`learning_curves.gain_curve`), a row a metric.

    Columns: sweep, factor, those of `gain_curve`, and n_train, the radiographs learned from; `shows` chooses sweeps,
    without which there are no rows. A missing training is made; one whose transformer has collapsed is left out.
    """
    columns = ["sweep", *learning_curves.COLUMNS, "n_train", "n_images", "note"]
    members, tables = sweeps.members(study), [pd.DataFrame(columns=columns)]
    margin = {str(metric): points for metric, points in study.plan.margin.items()}
    for name, sweep in _of_kind(study, shows).items():
        at = sweeps.at(members, name)
        own, pair = next(point for point, member in at.items() if member is study), (sweep.control, sweep.arm)
        arms = {point: list(study.arms) if point == own else pair for point in at}  # as the study's own gains have them
        curve = {point: _at_home(study, member, arms[point]) for point, member in at.items()}
        learned = {point: cohort.learned_from(member, cohort.load(member)).sum() for point, member in at.items()}
        table = learning_curves.gain_curve(curve, sweep.arm, sweep.control, margin, own)
        tables.append(table.assign(sweep=name, n_train=table["factor"].map(learned)))
    return pd.concat(tables[1:] or tables, ignore_index=True)[columns]


def _of_kind(study: Study, shows: str) -> dict[str, Sweep]:
    return {name: sweep for name, sweep in study.sweeps.items() if sweep.shows == shows}


def measure_variance(study: Study) -> pd.DataFrame:
    """How far results differ between cohorts, and through what (`variance.decompose`), a table for each such sweep.

    Trainings whose transformer has collapsed stay: that it can is part of what varies.
    """
    members, tables = sweeps.members(study), [pd.DataFrame(columns=["sweep"])]
    for name, sweep in _of_kind(study, "variance").items():
        at = sweeps.at(members, name)
        crossed = [
            _predicted(one.run(arm, seed), other).assign(trained=trained, tested=tested)
            for arm in (sweep.control, sweep.arm)
            for seed in study.seeds
            for trained, one in at.items()
            for tested, other in at.items()
        ]
        tables.append(variance.decompose(pd.concat(crossed), sweep.arm, sweep.control).assign(sweep=name))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def measure_transfer(study: Study) -> pd.DataFrame:
    """What networks are worth where they were not trained (`transfer.transfer`), a table for each sweep and direction.

    Columns: sweep, trained and tested (values or factors), those of `transfer`, p_holm over all changes of a metric.
    """
    members, tables = sweeps.members(study), [pd.DataFrame(columns=["sweep"])]
    for name, sweep in _of_kind(study, "transfer").items():
        at, pair = sweeps.at(members, name), (sweep.control, sweep.arm)
        for trained, one in at.items():
            for tested, other in at.items():
                if other is not one and (one is study or sweep.trained):
                    home, away = _at_home(study, one, pair), _away(study, one, other, pair)
                    table = transfer.transfer(home, away, sweep.arm, sweep.control)
                    tables.append(table.assign(sweep=name, trained=trained, tested=tested))
    measured = pd.concat(tables[1:] or tables, ignore_index=True)
    if len(measured):
        measured["p_holm"] = measured.groupby("metric")["p_value"].transform(holm)
    return measured


def _at_home(study: Study, member: Study, arms: Sequence[str]) -> bootstrap.Resampled:
    """Some arms of a member, under resampled patients; trained where they are missing."""
    for run in [run for run in member.runs if run.arm in arms]:
        _train_where_missing(run)
    frame = gather(member, cohort.load(member))
    return _resampled(study, member, frame[frame["arm"].isin(arms)])


def _away(study: Study, member: Study, other: Study, arms: Sequence[str]) -> bootstrap.Resampled:
    """The same on the test films of another member, at the thresholds chosen on their own validation films."""
    tables = []
    for run in [member.run(arm, seed) for arm in arms for seed in member.seeds]:
        own, elsewhere = _predicted(run, member), _predicted(run, other)
        tables += [own[own["split"] == "val"], elsewhere[elsewhere["split"] == "test"]]
    return _resampled(study, member, pd.concat(tables, ignore_index=True))


def _resampled(study: Study, member: Study, frame: pd.DataFrame) -> bootstrap.Resampled:
    """A member's predictions, collapsed trainings left out, under resampled patients."""
    kept, plan = drop_collapsed(frame, collapsed(member)), study.plan
    return bootstrap.resample(kept, plan.resamples, plan.seed, learning_curves.METRICS)


def _predicted(run: Run, member: Study) -> pd.DataFrame:
    """The predictions of a training on its own cohort or on another's."""
    if run.study is member:
        _train_where_missing(run)
        return predictions.read(run.folder / "predictions.parquet")
    from foramen.fine_tuning import step as fine_tuning

    return fine_tuning.predict_elsewhere(run, member)


def seen_by(study: Study, arm: str, seed: int, rows: pd.DataFrame) -> "tuple[Network, Seen]":
    """A trained network, and what it was given of the radiographs in `rows` (from `saliency.choose`)."""
    import torch

    from foramen.augmentation.flip import mirrored as mirrored_by
    from foramen.augmentation.step import side_dependent
    from foramen.evaluation.saliency import Seen
    from foramen.fine_tuning import step as fine_tuning

    films, model = cohort.load(study), fine_tuning.load_model(study.run(arm, seed))
    index = films.included.set_index("image_id").index.get_indexer(rows["image_id"])
    mirrored = mirrored_by(films.included["side"], study.arms[arm].flip)[index]
    radiographs = fine_tuning.inputs(study.run(arm, seed), index)
    with torch.inference_mode():
        theta, inputs = model.transformer.theta(radiographs), model.sample_input(radiographs)
    sign = 2 * rows["called"].to_numpy() - 1
    if side_dependent(study):  # a label that was mirrored is mirrored back
        sign = np.where(mirrored, -sign, sign)
    return model.network, Seen(inputs.clone(), theta.clone(), mirrored, sign)


def overview(
    study: Study, films: Cohort, gathered: pd.DataFrame, results: pd.DataFrame, baselines: pd.DataFrame
) -> Figure | None:
    """`figures.overview` of the plan's arms and a test radiograph: the first of `saliency.choose` among those that the
    primary arm mirrors, where it mirrors any. None where no radiograph may be shown, or networks were left out of a
    published archive.
    """
    if any(provenance.left_out(study.paths.arm(arm, study.seeds[0])) for arm in study.arms):
        return None
    from foramen.augmentation.flip import mirrored as mirrored_by
    from foramen.evaluation import saliency
    from foramen.preprocessing import step as preprocessing

    plan, seed = study.plan, study.seeds[0]
    shown = films.showable[films.showable["split"] == "test"]
    mirrored = shown[mirrored_by(shown["side"], study.arms[plan.primary.arm].flip)]
    candidates = gathered[gathered["image_id"].isin((mirrored if len(mirrored) else shown)["image_id"])]
    chosen = saliency.choose(candidates, plan.primary.arm, seed, 1)
    if chosen.empty:
        return None
    on_ladder = {arm for pair in plan.steps for arm in pair} or set(study.arms)
    of_metric = [table[table["metric"] == plan.primary.metric] for table in (results, baselines)]
    arms = [arm for arm in of_metric[0]["arm"] if arm in on_ladder and arm in study.arms]
    level = of_metric[1].set_index("arm")["estimate"]
    drawn = (where_points_go.BLIND, where_points_go.SIGNS, where_points_go.CEILING)
    lines = {name: level[name] for name in drawn if name in level}
    i = films.included.set_index("image_id").index.get_loc(chosen["image_id"].iloc[0])
    region = preprocessing.place(study, films, study.arms[plan.primary.arm].region)[i]
    on_the_way = stations(study, films, chosen["image_id"].iloc[0], arms, gathered)
    return figures.overview(films.images[i], region, on_the_way, of_metric[0], lines, float(films.side_mm[i]))


def stations(
    study: Study, films: Cohort, image_id: str, arms: Iterable[str], frame: pd.DataFrame
) -> dict[str, Station]:
    """What each arm makes of one radiograph with its first seed; `frame` has the scores."""
    import torch

    from foramen.fine_tuning import step as fine_tuning
    from foramen.preprocessing import step as preprocessing

    index, seed, found, before = np.flatnonzero(films.included["image_id"] == image_id), study.seeds[0], {}, Arm()
    scores = frame[(frame["image_id"] == image_id) & (frame["seed"] == seed)].set_index("arm")["score"]
    for run in (study.run(arm, seed) for arm in arms if arm in study.arms):
        model, image = fine_tuning.load_model(run), fine_tuning.inputs(run, index)
        with torch.inference_mode():
            theta = model.transformer.theta(image).reshape(-1, 2, 3).numpy()
            given = model.sample_input(image)[0].numpy()
        height = preprocessing.side_mm(study, films, run.switches.region)[index] * np.hypot(*theta[0, :, 1])
        scale, name = float(height[0]) / given.shape[-2], _last_switch(run.switches, before)
        found[run.arm] = Station(name, image[0, 0].numpy(), theta, given, scores[run.arm], scale)
        before = run.switches
    return found


def _last_switch(arm: Arm, before: Arm) -> str:
    """What an arm does that the one before it does not."""
    words = {
        "region": "region",
        "initialisation": "random weights" if arm.initialisation == "random" else "pre-trained",
        "trainable": {"all": "fine-tuned", "head": "last layer only"}.get(arm.trainable, "last blocks only"),
        "equalization": "equalized",
        "flip": {"canonical": "mirrored", "random": "random flip", "none": "not mirrored"}[arm.flip],
        "stn": "fixed crop" if arm.stn == "crop" else "STN frame",
        "heads": "a crop each",
    }
    changed = [word for switch, word in words.items() if getattr(arm, switch) != getattr(before, switch)]
    return (changed or ["whole film" if arm.region == "film" else ""])[-1]


def explain(study: Study, arm: str, network: "Network", seen: "Seen", rows: pd.DataFrame, seed: int) -> "Explained":
    """Maps of what the arm sees of the radiographs in `rows`, with, where synthetic, their true foramina."""
    from foramen.evaluation import saliency
    from foramen.preprocessing import step as preprocessing

    films, source = cohort.load(study), study.arms[arm].region
    index = films.included.set_index("image_id").index.get_indexer(rows["image_id"])
    masks = None if films.masks is None else preprocessing.masks(study, films, source, index) > 0
    return saliency.explain(network, seen, rows, *preprocessing.seen(study, films, source, index), masks, seed)


def attention(study: Study, films: Cohort) -> pd.DataFrame:
    """`shortcuts.pointed` for each arm with a head for each foramen of the label, on test films that show a narrowing.

    Empty where no arm has, or nobody knows which foramen is narrowed.
    """
    from foramen.fine_tuning.step import ATTENTION

    levels, rows = study.cohort.synthetic.label.levels, []
    headed = [name for name, arm in study.arms.items() if arm.heads == len(levels) > 1]
    if films.truth is None or not headed:
        return pd.DataFrame()
    truth, included = films.truth.set_index("image_id"), films.included.set_index("image_id")
    asked = included.index[(included["split"] == "test") & (truth["label_visible"] == 1)]
    keys = [level.replace("/", "_") for level in levels]
    openings = truth.loc[asked, [f"narrowest_projected_mm_{key}" for key in keys]]
    signs = truth.loc[asked, [f"disc_loss_{key}" for key in keys]]
    for arm in headed:
        found = [read_frame(study.paths.arm(arm, seed) / ATTENTION).assign(arm=arm, seed=seed) for seed in study.seeds]
        table = drop_collapsed(pd.concat(found), collapsed(study)).drop(columns="arm")
        plan, kept = study.plan, table[table["image_id"].isin(asked)]
        found_at = shortcuts.pointed(kept, openings, signs, included["patient_id"], plan.resamples, plan.seed)
        rows.append({"arm": arm, **found_at})
    return pd.DataFrame(rows)


def record(study: Study, folder: Path, runs: dict[tuple[str, int], Path], began: float) -> None:
    """Write the run.json of a notebook that read these trainings, with the names of the study's tables and figures."""
    facts = {
        "tables": sorted(path.name for path in study.paths.tables.glob("*.csv")),
        "figures": sorted(path.name for path in study.paths.figures.glob("*.png")),
    }
    provenance.write_run(folder, study, "evaluation", [study.paths.cohort, *runs.values()], facts, began)
