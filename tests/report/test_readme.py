"""The README says what the committed reports say."""

import re

from foramen.core.paths import ROOT
from foramen.report import readme

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_results_are_those_of_the_committed_reports():
    assert readme.current(TEXT) == TEXT


def test_linked_files_exist():
    links = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", TEXT)
    assert links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


def test_named_study_files_exist():
    named = set(re.findall(r"params/\w+\.yaml", TEXT))
    assert {"params/default.yaml", "params/own_films.yaml"} <= named
    assert all((ROOT / name).exists() for name in named)
