"""The package alone: the example of its docstring runs as written, and loads nothing before it is used."""

import subprocess
import sys
import textwrap

import films
import labelled_radiographs


def test_the_example_says_what_is_wrong_with_a_folder(tmp_path, monkeypatch, capsys):
    films.cohort_folder(tmp_path / "films", patients=4)
    (tmp_path / "films" / "films" / "001_L.png").unlink()
    monkeypatch.chdir(tmp_path)
    exec(textwrap.dedent("\n\n".join(labelled_radiographs.__doc__.split("\n\n")[1:3])), {})
    assert "row 4, manifest.csv: films/001_L.png: no such file" in capsys.readouterr().out


def test_importing_it_loads_nothing_heavy():
    code = "import sys, labelled_radiographs; print({'pandas', 'pydantic', 'sklearn', 'foramen'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
