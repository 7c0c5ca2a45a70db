"""Every loop that a benchmark times runs, at a small size."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import __main__ as everything
from benchmarks import detection, images, rendering, resampling, share, training
from foramen.core.files import write_json
from foramen.study import Study

PLAN = {"reference": "basic", "primary": {"arm": "basic"}}


def test_every_loop_trains_and_is_set_against_its_ceiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in (("IMAGES", 8), ("BATCH", 4), ("SIZE", 32)):
        monkeypatch.setattr(training, name, value)
    table = training.rates(training.loops(tmp_path), rounds=1)
    assert list(table.index) == ["study", "ceiling", "study, STN", "ceiling, STN", "tutorial", "timm"]
    assert (table > 0).all(axis=None)
    assert (table.loc[["ceiling", "ceiling, STN"], "over_ceiling"] == 1).all()
    assert table.loc["tutorial", "over_tutorial"] == table.loc["timm", "over_timm"] == 1


@pytest.mark.parametrize("kind", images.KINDS)
def test_files_of_every_kind_are_read_both_ways(kind: str):
    row = images.measure(kind, 2, 1, size=32, rounds=1)
    assert row["decoding_alone_per_s"] > 0 and row["whole_preparation_per_s"] > 0


def test_detection_is_timed_in_each_of_its_parts():
    found = detection.rates(32)
    assert len(found) == 4 and min(found.values()) > 0


def test_rendering_counts_every_stage():
    shares = rendering.stages(4, 64)
    assert set(rendering.STAGES) < set(shares) and min(shares.values()) >= 0
    assert rendering.throughput(4, 64, 1) > 0


def test_resampling_prints_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    sizes = ["--arms", "2", "--seeds", "2", "--images", "60", "--resamples", "20", "--loop-resamples", "1"]
    monkeypatch.setattr("sys.argv", ["resampling", *sizes])
    resampling.main()
    line = capsys.readouterr().out
    assert line.startswith("20 resamples, 4 runs, 60 images") and line.count("\n") == 1


def test_the_share_of_the_machine_is_that_of_the_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    study = Study.model_validate({"name": "short", "seeds": [1, 2], "arms": {"basic": {}}, "plan": PLAN})
    with pytest.raises(FileNotFoundError):
        share.share(study, 2)
    for run, finished in zip(study.runs, ("10:00:40", "10:01:20"), strict=True):
        write_json(run.folder / "run.json", {"finished": f"2026-01-01T{finished}+0000", "wall_seconds": 40})
        pd.DataFrame({"seconds": [10.0, 30.0]}).to_csv(run.folder / "history.csv")
    assert share.share(study, 2) == {"wall": 80, "floor": 40, "share": 0.5}


def test_an_unknown_benchmark_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.setattr("sys.argv", ["benchmarks", "renderin"])
    with pytest.raises(SystemExit):
        everything.main()
    assert "renderin: no such benchmark" in capsys.readouterr().err
