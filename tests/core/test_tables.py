"""Tables as files: what readers see, and that text in cells stays text."""

import csv
import io

import numpy as np
import pandas as pd
import pytest

from foramen.core import tables

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b\nc",
    r"\input{secret} & 50 % $x_1^2$ #{}~",
    '=HYPERLINK("http://x")',
    "@SUM(A1)",
    "+1+1",
    "-2+3",
    "\t=1",
    "\r=1",
    "|cmd",
    "%0A=1",
    "[link](javascript:x)",
    "![i](x.png)",
    "`code`",
    "*bold*",
]


@pytest.fixture
def gains() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "arm": ["he", "proposed"],
            "gain": [-1.25, 7.44],
            "p_value": [0.2, 1e-9],
            "primary": [False, True],
            "n_images": [10, 10],
            "paper_low": [np.nan, 5.3],
        }
    )


def test_save_writes_three_files_and_csv_keeps_full_precision(gains, tmp_path):
    paths = tables.save(gains, tmp_path / "tables", "gains")
    assert sorted(path.name for path in paths) == ["gains.csv", "gains.md", "gains.tex"]
    assert sorted((tmp_path / "tables").iterdir()) == sorted(paths)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "tables" / "gains.csv"), gains)


def test_readable_rounds_points_and_p_values_and_marks_missing(gains):
    shown = tables.readable(gains)
    assert shown.gain.tolist() == ["-1.2", "7.4"]
    assert shown.p_value.tolist() == ["0.200", "<0.001"]
    assert shown.primary.tolist() == ["no", "yes"]
    assert shown.paper_low.tolist() == ["–", "5.3"]
    assert shown.n_images.tolist() == ["10", "10"]


def test_an_interaction_has_the_decimals_of_its_gain():
    shown = tables.readable(pd.DataFrame({"gain": [4.04], "interaction": [-7.513], "interaction_low": [-15.236]}))
    assert shown.to_numpy().tolist() == [["4.0", "-7.5", "-15.2"]]


def test_estimates_have_three_decimals():
    shown = tables.readable(pd.DataFrame({"arm": ["a"], "estimate": [0.81249], "low": [0.8], "high": [np.nan]}))
    assert shown.iloc[0].tolist() == ["a", "0.812", "0.800", "–"]


def test_csv_cells_are_no_formulas_but_negative_numbers_stay_numbers():
    frame = pd.DataFrame({"site": HOSTILE, "gain": np.linspace(-1, 1, len(HOSTILE))})
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(frame))))
    assert not [row["site"] for row in rows if row["site"].lstrip().startswith(("=", "+", "-", "@", "|", "%"))]
    assert float(rows[0]["gain"]) == -1.0


def test_csv_text_that_is_a_number_stays_as_it_is():
    numbers = ["-0.120", "+3", "-1e-5", "5 %"]
    assert tables.to_csv(pd.DataFrame({"difference": numbers})).split("\n")[1:-1] == numbers


def test_headings_are_neutralised_too():
    frame = pd.DataFrame({"=cmd|x": [1], "<b>": ["y"], "a&b_c": ["z"]})
    assert tables.to_csv(frame).startswith("'=cmd|x,")
    assert "<b>" not in tables.to_markdown(frame)
    assert r"a\&b\_c" in tables.to_latex(frame)


def test_markdown_shows_markup_as_characters():
    text = tables.to_markdown(pd.DataFrame({"site": HOSTILE, "n": range(len(HOSTILE))}))
    assert "<" not in text
    lines = text.splitlines()
    assert len(lines) == 2 + len(HOSTILE)
    assert {line.replace(r"\|", "").count("|") for line in lines} == {3}
    assert r"\[link\](javascript:x)" in text


def test_latex_escapes_commands():
    text = tables.to_latex(pd.DataFrame({"site": HOSTILE}))
    assert r"\textbackslash input\{secret\} \& 50 \% \$x\_1" in text
    assert r"\input" not in text
    assert r"\toprule" in text
