"""What is wrong with a study file, in words: one line a fault, with the key and the nearest valid one."""

import difflib
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails


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
        return f"{key}: {given} is none of {', '.join(valid)}{nearest(str(item['input']), valid)}"
    if item["type"] == "missing":
        return f"{key}: missing"
    message = item["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return f"{key}: {message} (given: {given})"


def nearest(given: str, valid: list[str]) -> str:
    """The end of a fault's line that says what was probably meant."""
    near = difflib.get_close_matches(given, valid, 1, 0.0)
    return f"; the nearest valid one is {near[0]}" if near else ""


def _valid_keys(location: list[str], model: type[BaseModel]) -> list[str]:
    """The keys that are allowed at a place in a study file."""
    for part in location:
        if part in model.model_fields:
            annotation = model.model_fields[part].annotation
            inner = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
            model = inner[0] if inner else model
    return list(model.model_fields)


def between_keys(values: dict) -> list[str]:
    """Faults between keys, found on the raw values so that they are listed together with the others."""
    return [*_name_faults(values), *_arm_faults(values), *_split_faults(values), *_source_faults(values)]


def _part(values: dict, *keys: str, kind: type = dict) -> Any:
    """What stands at a place; empty where nothing of that type does, which is a fault of its own."""
    part: Any = values
    for key in keys:
        part = part.get(key) if isinstance(part, dict) else None
    return part if isinstance(part, kind) else kind()


def _name_faults(values: dict) -> list[str]:
    """Arms that are named but do not exist, duplicate names and seeds."""
    arms, external = _part(values, "arms"), _part(values, "evaluation", "external")
    named = {
        "evaluation.reference": _part(values, "evaluation", "reference", kind=str) or "basic",
        "evaluation.primary.arm": _part(values, "evaluation", "primary", "arm", kind=str) or "proposed",
    }
    faults = []
    for i, step in enumerate(_part(values, "evaluation", "steps", kind=list)):
        if isinstance(step, list) and len(step) == 2:
            named |= {f"evaluation.steps.{i}.{j}": arm for j, arm in enumerate(step)}
        else:
            faults.append(f"evaluation.steps.{i}: write [arm, arm before it]")
    for name, sweep in _part(values, "sweeps").items():
        for role in ("arm", "control"):
            arm = _part(sweep, role, kind=str)
            if arm and arm not in arms:  # another system has no training to repeat
                faults.append(f"sweeps.{name}.{role}: there is no arm {arm!r}{nearest(arm, list(arms))}")
    known = [*map(str, arms), *map(str, external)]
    for key, arm in named.items():
        if known and isinstance(arm, str) and arm not in known:
            faults.append(f"{key}: there is no arm {arm!r}{nearest(arm, known)}")
    faults += [f"evaluation.external.{name}: an arm has that name, too" for name in external if name in arms]
    seeds = [str(seed) for seed in _part(values, "seeds", kind=list)]
    return faults + (["seeds: duplicate seed"] if len(set(seeds)) < len(seeds) else [])


def _arm_faults(values: dict) -> list[str]:
    """Switches of an arm that exclude each other."""
    return [
        f"arms.{name}.flip: random changes an image each time it is seen, but where trainable is head it is seen once"
        for name, arm in _part(values, "arms").items()
        if isinstance(arm, dict) and arm.get("flip") == "random" and arm.get("trainable") == "head"
    ]


def _split_faults(values: dict) -> list[str]:
    shares = [_part(values, "split").get(key, default) for key, default in (("test", 0.5), ("validation", 0.1))]
    numbers = all(isinstance(share, int | float) for share in shares)
    if numbers and sum(shares) >= 1 and max(shares) < 1 and min(shares) > 0:
        return [f"split: test and validation share add up to {sum(shares):g}; nothing is left to train on"]
    return []


def _source_faults(values: dict) -> list[str]:
    """A source without its file; an STN that needs what the source has not."""
    faults = []
    manifest = _part(values, "cohort", "manifest")
    if _part(values, "cohort", "source", kind=str) == "manifest":
        faults += [
            f"sweeps.{name}.knobs: {knob} is of the synthetic cohort, which this study does not use"
            for name, sweep in _part(values, "sweeps").items()
            for knob in _part(sweep, "knobs", kind=list)
            if str(knob).startswith("cohort.synthetic")
        ]
        if not manifest.get("path"):
            faults.append("cohort.manifest.path: give your table, for example COHORT=films/manifest.csv")
        arms = _part(values, "arms").items()
        faults += [
            f"arms.{name}.stn: true_pose needs a cohort whose pose is known: the synthetic one, or CSXA"
            for name, arm in arms
            if isinstance(arm, dict) and arm.get("stn") == "true_pose" and manifest.get("adapter") != "csxa"
        ]
    pretraining = _part(values, "pretraining")
    if pretraining.get("source") == "file" and not pretraining.get("file"):
        faults.append("pretraining.file: source is file, but none is named")
    return faults
