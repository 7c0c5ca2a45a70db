"""Each fault is one line, whatever a file name or a cell holds; the example of the package's docstring prints them."""

import textwrap

import pandas as pd
import pytest

import user_tables
from user_tables.faults import InputError, escaped


@pytest.mark.parametrize("mark", ["\n", "\r", "\x1b[2K\x1b[1G", "\x9b2K", "\u2028", "\x85", "\u202e"])
def test_every_fault_is_one_line(mark):
    name = f"a.png{mark}own: 0 faults, 0 warnings."
    error = InputError([f"row 2: {name}", "row 3"])
    assert str(error).splitlines() == error.faults == [f"row 2: {escaped(name)}", "row 3"]


def test_a_long_text_keeps_its_beginning_and_its_end():
    (fault,) = InputError(f"table.csv: {'a' * 200_000}: no such column").faults
    assert fault.startswith("table.csv: aaa") and fault.endswith("aaa: no such column") and len(fault) < 4010


def test_what_prints_stays_as_it_is():
    assert escaped("Zoë, 椎間孔, C:\\films ✓") == "Zoë, 椎間孔, C:\\films ✓"


def test_the_example_names_what_is_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    pd.DataFrame([["a", "b"]], columns=["label", "label"]).to_excel("films/manifest.xlsx", index=False)
    example = user_tables.__doc__.split("\n\n")[1:3]
    exec(textwrap.dedent("\n".join(example)), {})
    assert capsys.readouterr().out == "films/manifest.xlsx: duplicate column 'label'\n"
