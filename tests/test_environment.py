"""The pins stand in requirements.txt alone: conda users get the same, they are complete, and they are what is
installed.
"""

import re
import tomllib
from importlib import metadata

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from foramen.core import paths

LINE = re.compile(r"^([A-Za-z0-9._-]+)==([A-Za-z0-9.!+]+)$")
# torch brings and pins the libraries of its graphics card build itself, where it has one.
TORCH_COMPANIONS = ("nvidia-", "cuda-", "triton")


def pins(text: str) -> dict[str, str]:
    """Name and version of each line; every line must be a pin."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = [LINE.match(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    names = [canonicalize_name(match[1]) for match in found]
    assert len(set(names)) == len(names), "a package is pinned twice"
    return dict(zip(names, [match[2] for match in found], strict=True))


def requirements() -> dict[str, str]:
    return pins((paths.ROOT / "requirements.txt").read_text())


def conda_pins() -> dict[str, str]:
    """What environment.yml pins, `-r` files followed; conda's own part must hold nothing but Python and pip."""
    given = yaml.safe_load((paths.ROOT / "environment.yml").read_text())
    packages = [entry for entry in given["dependencies"] if isinstance(entry, str)]
    assert {re.split("[=<> ]", package)[0] for package in packages} == {"python", "pip"}
    (pip,) = (entry["pip"] for entry in given["dependencies"] if isinstance(entry, dict))
    lines = [line for line in pip if not line.startswith("-")]
    for line in pip:
        if line.startswith("-r "):
            lines += (paths.ROOT / line.removeprefix("-r ")).read_text().splitlines()
    return pins("\n".join(lines))


def project() -> dict:
    return tomllib.loads((paths.ROOT / "pyproject.toml").read_text())


def test_conda_users_get_the_same_pins():
    assert conda_pins() == requirements()


def test_package_depends_on_the_same_pins():
    assert project()["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.txt"]}


def test_one_python_everywhere():
    assert project()["project"]["requires-python"] == ">=3.11,<3.12"
    environment = yaml.safe_load((paths.ROOT / "environment.yml").read_text())
    assert "python=3.11" in environment["dependencies"]
    assert "PYTHON ?= python3.11\n" in (paths.ROOT / "Makefile").read_text()


def test_installed_versions_are_the_pinned_ones():
    installed = {name: metadata.version(name).split("+")[0] for name in requirements()}
    assert installed == requirements()


def test_pins_are_complete():
    """Whatever an installed package needs is pinned, too."""
    pinned, needed = requirements(), set()
    for name in pinned:
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                needed.add(canonicalize_name(requirement.name))
    assert {name for name in needed - pinned.keys() if not name.startswith(TORCH_COMPANIONS)} == set()


def test_version_is_cited():
    citation = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text())
    assert citation["version"] == metadata.version("foramen")
    assert citation["license"] == project()["project"]["license"] == "MIT"
    assert citation["references"][0]["doi"] == "10.3390/electronics12010195"
