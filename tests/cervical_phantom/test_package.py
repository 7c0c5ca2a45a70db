"""The package alone: the example of its docstring runs as written, and its public names are there when asked for."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import cervical_phantom


def test_the_example_draws_ten_radiographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    example = next(part for part in cervical_phantom.__doc__.split(":\n\n") if "write(" in part)
    code = textwrap.dedent(example.split("\n\nBeside them")[0])
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code, names)
    images = names["images"]
    assert images.shape == (10, 256, 256) and images.dtype == np.uint16 and images.any(axis=(1, 2)).all()


def test_public_names():
    assert all(callable(getattr(cervical_phantom, name)) for name in cervical_phantom.__all__)


def test_importing_it_loads_nothing_heavy():
    code = "import sys, cervical_phantom; print({'numpy', 'pandas', 'matplotlib', 'foramen'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
