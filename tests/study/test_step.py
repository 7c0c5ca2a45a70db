"""How a stage makes its result: locked first, looked at then, made once, written last."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from foramen.core import paths
from foramen.core.errors import InputError
from foramen.study import Study, load, make

SMOKE = paths.PARAMS / "smoke.yaml"
ASK = """
import sys, time
from pathlib import Path
from foramen.study import load, make

def work(facts):
    with open(sys.argv[2], "a") as log:
        log.write("made\\n")
    time.sleep(1)
    facts["by"] = "one of us"

make(Path(sys.argv[1]), load("params/smoke.yaml"), "cohort", [], work)
"""


@pytest.fixture
def study() -> Study:
    return load(SMOKE)


def test_two_processes_that_ask_at_once_make_it_once_and_both_succeed(tmp_path: Path):
    command = [sys.executable, "-c", ASK, str(tmp_path / "result"), str(tmp_path / "log")]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (tmp_path / "log").read_text() == "made\n"
    assert json.loads((tmp_path / "result" / "run.json").read_text())["by"] == "one of us"


def test_what_is_current_is_left_alone_and_what_is_stale_is_made_anew(study: Study, tmp_path: Path):
    made = []
    for given in (study, study, load(SMOKE, ["cohort.synthetic.seed=8"])):
        make(tmp_path, given, "cohort", [], lambda facts: made.append(1))
    assert len(made) == 2


def test_a_result_whose_making_fails_is_not_current(study: Study, tmp_path: Path):
    def fail(facts: dict) -> None:
        raise RuntimeError("broken off")

    make(tmp_path, study, "cohort", [], lambda facts: None)
    with pytest.raises(RuntimeError):
        make(tmp_path, load(SMOKE, ["cohort.synthetic.seed=8"]), "cohort", [], fail)
    assert not (tmp_path / "run.json").exists()


def test_what_is_found_wrong_beforehand_leaves_an_older_result_as_it_is(study: Study, tmp_path: Path):
    def refuse() -> None:
        raise InputError("no")

    make(tmp_path, study, "cohort", [], lambda facts: None)
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(InputError):
        make(tmp_path, load(SMOKE, ["cohort.synthetic.seed=8"]), "cohort", [], pytest.fail, refuse)
    assert (tmp_path / "run.json").read_bytes() == before


def test_what_was_examined_is_handed_on(study: Study, tmp_path: Path):
    seen = []
    make(tmp_path, study, "cohort", [], lambda facts, examined: seen.append(examined), lambda: "examined")
    assert seen == ["examined"]
