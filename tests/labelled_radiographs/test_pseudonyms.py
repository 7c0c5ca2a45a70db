"""Pseudonyms, and free text that could name somebody."""

import pandas as pd

from labelled_radiographs import pseudonyms


def test_one_pseudonym_for_one_identifier():
    assert pseudonyms.pseudonym("P1", "pat", b"salt") == pseudonyms.pseudonym("P1", "pat", b"salt")
    assert len({pseudonyms.pseudonym(f"P{i}", "pat", b"salt") for i in range(20000)}) == 20000


def test_long_or_unprintable_text_is_shortened_and_cleaned():
    assert len(pseudonyms.plain("x" * 500)) == pseudonyms.LONGEST_TEXT
    assert pseudonyms.plain("a\nb\x00c\u202ed") == "a b c d"


def test_rare_categories_are_pooled():
    values = pd.Series(["A"] * 12 + ["Mr Quixwell"] * 4)
    patients = pd.Series([f"p{i // 2}" for i in range(16)])
    pooled = pseudonyms.pool_rare(values, patients)
    assert pooled.to_list() == ["A"] * 12 + ["other"] * 4
