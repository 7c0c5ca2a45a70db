"""The benchmark of the training loop: every loop that it times trains."""

from pathlib import Path

import pytest

from benchmarks import training


def test_every_loop_trains_and_is_set_against_its_ceiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in (("IMAGES", 8), ("BATCH", 4), ("SIZE", 32)):
        monkeypatch.setattr(training, name, value)
    table = training.rates(training.loops(tmp_path), rounds=1)
    assert list(table.index) == ["study", "ceiling", "study, STN", "ceiling, STN", "tutorial", "timm"]
    assert (table > 0).all(axis=None)
    assert (table.loc[["ceiling", "ceiling, STN"], "over_ceiling"] == 1).all()
    assert table.loc["tutorial", "over_tutorial"] == table.loc["timm", "over_timm"] == 1
