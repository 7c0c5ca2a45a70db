"""What is wrong with a study file, in words: one line a fault, with the key and the nearest valid one."""

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from foramen.core import paths
from foramen.core.errors import nearest
from foramen.study.model import Study


def short(text: str, letters: int = 80) -> str:
    """The text, cut where it is longer than a line needs."""
    return text if len(text) <= letters else text[: letters - 1] + "…"


def explain(item: ErrorDetails, model: type[BaseModel]) -> str:
    """One line for one pydantic error: key, what is wrong, nearest valid key or value."""
    location = [str(part) for part in item["loc"] if part != "[key]"]
    key = ".".join(location)
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown key{nearest(location[-1], _valid_keys(location[:-1], model))}"
    given = short(repr(item["input"]))
    if item["type"] == "literal_error":
        valid = [part.strip("' ") for part in item["ctx"]["expected"].replace(" or ", ", ").split(",")]
        return f"{key}: {given} is none of {', '.join(valid)}{nearest(item['input'], valid)}"
    if item["type"] == "missing":
        return f"{key}: missing"
    message = item["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return f"{key}: {message} (given: {given})"


def _valid_keys(location: list[str], model: type[BaseModel]) -> list[str]:
    """The keys that are allowed at a place in a study file."""
    for part in location:
        if part in model.model_fields:
            annotation = model.model_fields[part].annotation
            inner = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
            model = inner[0] if inner else model
    return list(model.model_fields)


def between_keys(study: Study) -> list[str]:
    """What is wrong with a study each of whose values is possible by itself."""
    return [*_names(study), *_switches(study), *_sources(study)]


def _names(study: Study) -> Iterator[str]:
    """Arms that are named but do not exist, duplicate names and seeds."""
    if study.name == paths.PRETRAINING:
        yield f"name: {study.name} is the folder of the weights that all studies share; choose another"
    plan, arms, external, sweeps = study.plan, list(study.arms), study.evaluation.external, study.sweeps.items()
    named = {"plan.reference": plan.reference, "plan.primary.arm": plan.primary.arm}
    for i, step in enumerate(plan.steps):
        named |= {f"plan.steps.{i}.{j}": arm for j, arm in enumerate(step)}
        if len(step) != 2:
            yield f"plan.steps.{i}: write [arm, arm before it]"
    if plan.primary.metric not in plan.metrics:
        yield f"plan.metrics: {plan.primary.metric}, that of the primary comparison, is missing"
    yield from (f"plan.{key}: missing; a plan with hypotheses has it" for key in plan.missing)
    trained = {f"sweeps.{name}.{role}": getattr(sweep, role) for role in ("arm", "control") for name, sweep in sweeps}
    for keys, known in ((named, [*arms, *external]), (trained, arms)):  # of another system no training is repeated
        yield from (
            f"{key}: there is no arm {arm!r}{nearest(arm, known)}" for key, arm in keys.items() if arm not in known
        )
    yield from (f"evaluation.external.{name}: an arm has that name, too" for name in external if name in arms)
    elsewhere = [name for name, sweep in sweeps if sweep.shows != "gain"]
    if elsewhere and not study.keep_weights:
        yield f"keep_weights: must be true, networks are tested elsewhere (sweeps: {', '.join(elsewhere)})"
    for name, sweep in sweeps:  # a training's own split is that of the same patients elsewhere, too
        if sweep.shows == ("transfer" if "cohort.synthetic.seed" in sweep.knobs else "variance"):
            yield f"sweeps.{name}.knobs: variance needs other patients (cohort.synthetic.seed), transfer the same ones"
    if len(set(study.seeds)) < len(study.seeds):
        yield "seeds: duplicate seed"


def _switches(study: Study) -> Iterator[str]:
    """Values that exclude each other."""
    for name, arm in study.arms.items():
        if arm.flip == "random" and arm.trainable == "head":
            yield f"arms.{name}.flip: random changes an image each time it is seen; with trainable: head that is once"
        if arm.stn == "joint" and arm.trainable == "head":
            yield f"arms.{name}.stn: joint learns with the classifier; with trainable: head nothing would teach it"
    if (shares := study.split.test + study.split.validation) >= 1:
        yield f"split: test and validation share add up to {shares:g}; nothing is left to train on"


def _sources(study: Study) -> Iterator[str]:
    """A source without its file; what asks for something that the source of the radiographs has not."""
    if study.pretraining.source == "file" and not study.pretraining.file:
        yield "pretraining.file: source is file, but none is named"
    if study.pretraining.source == "package" and study.training.network != "tf_efficientnet_lite0":
        yield "pretraining.source: package has weights of training.network tf_efficientnet_lite0 only"
    if study.cohort.source == "synthetic":
        return
    if not study.cohort.manifest.path:
        yield "cohort.manifest.path: give your table: --cohort films/manifest.csv (make: COHORT=films/manifest.csv)"
    for name, sweep in study.sweeps.items():
        for knob in sweep.knobs:
            if knob.startswith("cohort.synthetic"):
                yield f"sweeps.{name}.knobs: {knob} is of the synthetic cohort, which this study does not use"
    for name, arm in study.arms.items():
        if arm.stn == "true_pose" and study.cohort.manifest.adapter != "csxa":
            yield f"arms.{name}.stn: true_pose needs a cohort whose pose is known: the synthetic one, or CSXA"
