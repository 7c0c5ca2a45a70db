"""From a YAML file of `params/` to a `Study`, with all faults at once."""

import contextlib
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from foramen.core import paths
from foramen.core.errors import InputError, nearest
from foramen.study import faults
from foramen.study.model import Study


def load(path: str | Path, overrides: list[str] | None = None) -> Study:
    """Read a study file; `overrides` are texts such as `training.epochs=3` (the value is YAML).

    A file may name another one as its `base` and say only what differs. Its plan may stand in a file of its own.

    Raises InputError that lists every fault with its key and, for an unknown key or value, the nearest valid
    one. Once a study of a user's own radiographs is loaded, this process and all that it starts write files that nobody
    else can read.
    """
    path = find(path)
    values = _resolved(path)
    found = _override(values, overrides or [])
    study, impossible = _validated(values)
    found += impossible
    if study:
        found += faults.between_keys(study)
    if study and study.cohort.source == "manifest":
        os.umask(0o077)
        found += _report_faults(study, path)
    if found or study is None:
        raise InputError([f"{path}: {fault}" for fault in dict.fromkeys(found)])
    return study


def _validated(values: dict) -> tuple[Study | None, list[str]]:
    """The study of these values, what is faulty in it at its default, and the faults."""
    try:
        return Study.model_validate(values), []
    except ValidationError as error:
        found = [faults.explain(item, Study) for item in error.errors()]
        for item in error.errors():
            _set_to_default(values, item["loc"])
    with contextlib.suppress(ValidationError):  # as where there is no arm
        return Study.model_validate({"name": "unnamed"} | values), found
    return None, found


def _set_to_default(values: dict, location: tuple[int | str, ...]) -> None:
    """Remove the value that an error is about, or what should hold it; an arm stays, with nothing said of it."""
    inner: Any = values
    for key in location:
        if not isinstance(inner, dict) or key not in inner:
            break
        holder, last, inner = inner, key, inner[key]
    if inner is not values:
        del holder[last]
        if holder is values.get("arms") and "[key]" not in location:
            holder[last] = {}


def find(path: str | Path) -> Path:
    """The study file at `path`, looked for from the working directory, then from the checkout."""
    for candidate in (Path(path), paths.ROOT / path):
        if candidate.is_file():
            return candidate
    known = sorted(str(p.relative_to(paths.ROOT)) for p in paths.PARAMS.glob("*.yaml") if "." not in p.stem)
    raise InputError(f"{path}: no such study file{nearest(path, known, 0.3)}")


def _report_faults(study: Study, path: Path) -> Iterator[str]:
    """Where git would take up a report of a user's own radiographs: a fault that says what works."""
    report, other = study.paths.report, f"{study.name[:36]}_own"
    if _git_takes(report):
        works = f"let it ignore {report.parent}"
        if not _git_takes(report.with_name(other)):
            cohort = shlex.quote(study.cohort.manifest.path)
            works = f"make reproduce STUDY={shlex.quote(str(path))} COHORT={cohort} SET=name={other}"
        yield f"name: git does not ignore {report}, radiographs of patients must not go there; {works}"


def _git_takes(folder: Path) -> bool:
    """True where a folder, which need not exist, is in a repository that does not ignore it or has a file of it."""
    existing = next(parent for parent in folder.parents if parent.exists())
    git = ["git", "-C", str(existing), "check-ignore", "--quiet", str(folder)]
    try:
        return subprocess.run(git, stderr=subprocess.DEVNULL).returncode == 1  # 0: ignored, 128: no repository
    except OSError:  # no git
        return False


def dump(study: Study) -> str:
    """The study as YAML with every value written out, for `runs/<study>/study.yaml`."""
    return yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


class _StudyLoader(yaml.SafeLoader):
    """YAML silently keeps the last of two equal keys; a study file must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            if key_node.value in seen:
                line = key_node.start_mark.line + 1
                raise yaml.constructor.ConstructorError(None, None, f"line {line}: duplicate key '{key_node.value}'")
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


# PyYAML follows YAML 1.1, in which 3e-4 is a text and only 3.0e-4 a number; readers of today expect a number.
_StudyLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _parse(path: Path) -> dict:
    """The values of a study file as they stand there."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_StudyLoader)  # a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, OSError, RecursionError) as error:
        raise InputError(f"{path}: not readable as YAML: {faults.short(' '.join(str(error).split()), 300)}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: a study file holds keys and values, this one does not")
    return values


def _resolved(path: Path, users: tuple[Path, ...] = ()) -> dict:
    """The values of a study file and its plan laid over those of its base, a path from its own folder."""
    values = _with_plan(path, _parse(path))
    base = values.pop("base", None)
    if base is None:
        return values
    file = path.parent / str(base)
    if not isinstance(base, str) or not file.is_file():
        raise InputError(f"{path}: base: there is no study file {base!r} beside it")
    users = (*users, path.resolve())
    if file.resolve() in users:
        raise InputError(f"{path}: base: {base} is, in the end, based on this file")
    return _laid_over(_resolved(file, users), values)


def _with_plan(path: Path, values: dict) -> dict:
    """The values of a study file with those of `<study>.plan.yaml`, where that lies beside it."""
    file = path.with_suffix(".plan.yaml")
    if not file.is_file():
        return values
    if "plan" in values:
        raise InputError(f"{path}: plan: stands in {file.name}, too; keep one of them")
    return values | {"plan": _parse(file) | {"file": str(file.resolve())}}


def _laid_over(base: dict, values: dict) -> dict:
    """Sections are merged key by key; a value, a list, and arms, sweeps and plan as a whole take the base's place."""
    merged = dict(base)
    for key, value in values.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _laid_over(base[key], value) if both and key not in ("arms", "sweeps", "plan") else value
    return merged


def _override(values: dict, overrides: list[str]) -> list[str]:
    """Apply `a.b=value` to the nested `values` in place; return what could not be applied."""
    found = []
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            found.append(f"--set {override}: write section.key=value")
            continue
        *parents, last = key.split(".")
        target: Any = values
        for parent in parents:
            target = target.setdefault(parent, {}) if isinstance(target, dict) else None
        if not isinstance(target, dict):
            found.append(f"--set {override}: {'.'.join(parents)} holds a value, not keys")
            continue
        try:
            target[last] = yaml.load(text, Loader=_StudyLoader) if text else ""  # a SafeLoader
        except yaml.YAMLError:
            target[last] = text
    return found
