"""Dependencies in two layers: pyproject.toml declares what we import, with ranges; requirements.txt locks it and all
that it needs in turn, with hashes. Conda users get the same lock, it is complete, and it is what is installed.
"""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from foramen.core import paths

LINE = re.compile(r"^([A-Za-z0-9._-]+==[^ ]+(?: ; .+?)?)((?: --hash=sha256:[0-9a-f]{64})+)$")
OWN = {
    "foramen",
    "cervical_phantom",
    "diagnostic_accuracy",
    "fractal_images",
    "labelled_radiographs",
    "user_tables",
    "radiographs",
    "benchmarks",
    "browsers",
    "films",
    "made_up_predictions",
    "made_up_scores",
    "slurm",
    "stand_in",
}


def pins(text: str) -> dict[str, str]:
    """Name and version of each entry for this Python and system; every entry must be a pin with its hashes."""
    text = re.sub(r"\s*\\\n\s*", " ", text)
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = [LINE.match(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    pinned = [Requirement(match[1]) for match in found]
    names = [canonicalize_name(pin.name) for pin in pinned]
    assert len(set(names)) == len(names), "a package is pinned twice"
    here = [pin.marker is None or pin.marker.evaluate() for pin in pinned]
    return {name: str(pin.specifier)[2:] for name, pin, wanted in zip(names, pinned, here, strict=True) if wanted}


def locked() -> dict[str, str]:
    return pins((paths.ROOT / "requirements.txt").read_text())


def conda_pins() -> dict[str, str]:
    """What environment.yml pins, by its one `-r` file; conda's own part must hold nothing but Python and pip."""
    given = yaml.safe_load((paths.ROOT / "environment.yml").read_text())
    packages = [entry for entry in given["dependencies"] if isinstance(entry, str)]
    assert {re.split("[=<> ]", package)[0] for package in packages} == {"python", "pip"}
    (pip,) = (entry["pip"] for entry in given["dependencies"] if isinstance(entry, dict))
    (lock,) = pip  # one hash in it, and pip takes nothing without one, such as `-e .`
    return pins((paths.ROOT / lock.removeprefix("-r ")).read_text())


def project() -> dict:
    return tomllib.loads((paths.ROOT / "pyproject.toml").read_text())


def declared(*extras: str) -> list[Requirement]:
    """What pyproject.toml names for the package and for some of its extras."""
    given = project()["project"]
    texts = [*given["dependencies"], *(text for extra in extras for text in given["optional-dependencies"][extra])]
    return [Requirement(text) for text in texts]


def sources(folder: str) -> list[str]:
    """The Python of a folder: modules, and the code of notebooks."""
    modules = [path.read_text() for path in sorted((paths.ROOT / folder).rglob("*.py"))]
    notebooks = [nbformat.read(path, as_version=4) for path in sorted((paths.ROOT / folder).glob("*.ipynb"))]
    return modules + [cell.source for book in notebooks for cell in book.cells if cell.cell_type == "code"]


def imported(folder: str) -> set[str]:
    """Packages of others that a folder imports, wherever in the file, also by `pytest.importorskip`."""
    names = set()
    for node in (node for source in sources(folder) for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} if node.module and not node.level else set()
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "importorskip":
            names |= {ast.literal_eval(node.args[0])}
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - OWN


def test_conda_users_get_the_same_pins():
    assert conda_pins() == locked()


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("lib", ["train", "publication", "live"]),
        ("notebooks", ["train"]),
        ("tests", ["dev", "imagenet", "publication", "train", "live"]),
    ],
)
def test_every_import_is_declared(folder, extras):
    known = {canonicalize_name(requirement.name) for requirement in declared(*extras)}
    providers = metadata.packages_distributions()
    undeclared = {
        name for name in imported(folder) if not known & {canonicalize_name(d) for d in providers.get(name, [])}
    }
    assert undeclared == set()


def test_lock_satisfies_every_declared_range():
    requirements = declared(*project()["project"]["optional-dependencies"])
    pinned = locked()
    assert [str(r) for r in requirements if not r.specifier.contains(pinned[canonicalize_name(r.name)])] == []
    assert [r.name for r in requirements if not r.specifier] == []


def test_images_install_the_lock_on_the_same_python():
    docker, apptainer = ((paths.ROOT / name).read_text() for name in ("Dockerfile", "apptainer.def"))
    assert "\nFROM python:3.11-" in docker and "\nFrom: python:3.11-" in apptainer
    lines = [line.split() for text in (docker, apptainer) for line in text.splitlines() if "pip install" in line]
    assert len(lines) == 4
    for lock, study in zip(lines[::2], lines[1::2], strict=True):
        assert "--require-hashes" in lock and lock[-1].removeprefix("/study/") == "requirements.txt"
        assert {"--no-deps", "--no-build-isolation"} <= {*study}
    copied = re.search(r"%files\n((?: .*\n)+)", apptainer)[1].split()[::2]
    assert {"requirements.txt", "pyproject.toml", "lib", "notebooks", "params", "profiles", "reports"} <= {*copied}
    assert all((paths.ROOT / name).exists() for name in copied)
    assert not {*copied} & {*(paths.ROOT / ".dockerignore").read_text().split()}  # `verify` needs the reports, too


def test_class_environments_install_the_locks_pins_without_pytorch():
    """What can be checked of binder/ and .devcontainer/ without their services."""
    script, container = (
        paths.ROOT / "binder" / "postBuild",
        json.loads((paths.ROOT / ".devcontainer" / "devcontainer.json").read_text()),
    )
    assert os.access(script, os.X_OK) and subprocess.run(["bash", "-n", script]).returncode == 0
    assert (
        container["image"].rpartition(":")[2].startswith("3.11-")
        and "binder/postBuild" in container["postCreateCommand"]
    )
    assert (paths.ROOT / "binder" / "runtime.txt").read_text() == "python-3.11\n"
    (pick,) = (line for line in script.read_text().splitlines() if line.startswith("sed "))
    picked = subprocess.run(pick.partition(" >")[0], shell=True, cwd=paths.ROOT, capture_output=True, text=True).stdout
    assert dict(line.split("==") for line in picked.splitlines()).items() >= locked().items()  # and of other systems
    (install,) = (line for line in script.read_text().splitlines() if "pip install" in line)
    assert '".[lab]"' in install and "--constraint" in install
    without = {canonicalize_name(requirement.name) for requirement in declared("lab")}
    assert not without & {"captum", "timm", "torch", "torchvision"}


def test_one_python_everywhere():
    assert project()["project"]["requires-python"] == ">=3.11.5,<3.14"
    environment = yaml.safe_load((paths.ROOT / "environment.yml").read_text())
    assert "python=3.11" in environment["dependencies"]
    assert "PYTHON ?= python3.11\n" in (paths.ROOT / "Makefile").read_text()


def test_installed_versions_are_the_locked_ones():
    installed = {name: metadata.version(name).split("+")[0] for name in locked()}
    assert installed == locked()


def test_lock_is_complete():
    """Whatever an installed package needs is locked, too, extras that another one asks for included."""
    pinned = locked()
    wanted = [(name, frozenset[str]()) for name in pinned]
    missing, seen = set(), set()
    while wanted:
        name, extras = wanted.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for requirement in map(Requirement, metadata.requires(name) or []):
            asked = [{"extra": extra} for extra in extras or [""]]
            if requirement.marker is None or any(requirement.marker.evaluate(extra) for extra in asked):
                needed = canonicalize_name(requirement.name)
                if needed in pinned:
                    wanted.append((needed, frozenset(requirement.extras)))
                else:
                    missing.add(needed)
    assert missing == set()


def test_version_is_cited():
    citation = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text())
    assert citation["version"] == metadata.version("foramen")
    assert citation["license"] == project()["project"]["license"] == "MIT"
    assert citation["references"][0]["doi"] == "10.3390/electronics12010195"
