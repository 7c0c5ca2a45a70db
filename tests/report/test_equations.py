"""Equations in pages: drawn by the browser itself, on a line of their own or within a sentence."""

from pathlib import Path

from nbformat import v4

from foramen.report import pages


def test_equations_become_mathml_and_money_stays_money(tmp_path: Path):
    text = "The map is $s = (L-1)\\,\\mathrm{CDF}(r)$.\n\n$$ d = \\frac{a}{b} $$\n\n`$x$` is code."
    html = pages.body(v4.new_notebook(cells=[v4.new_markdown_cell(text)]), tmp_path)
    assert html.count("<math") == 2 and 'display="block"' in html and "<mfrac>" in html
    assert "<code>$x$</code>" in html and "\\frac" not in html
