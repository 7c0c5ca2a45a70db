"""What comes from outside cannot move the cursor, nor pass for a line of ours."""

import os

import pytest

from foramen import cli
from foramen.core.terminal import say

FAKES = [
    "a.png\nown: 0 faults, 0 warnings.",
    "a.png\rown: 0 faults, 0 warnings.",
    "a.png\x1b[2K\x1b[1Gown: 0 faults, 0 warnings.",
    "a.png\x9b2Kown: 0 faults, 0 warnings.",
    "a.png\u2028own: 0 faults, 0 warnings.",
    "a.png\x85own: 0 faults, 0 warnings.",
    "\u202e" + "own: 0 faults, 0 warnings."[::-1],
]


@pytest.mark.parametrize("name", FAKES)
def test_no_text_fakes_a_verdict(name, capsys):
    say(f"fault   {name}: no such file")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("fault ") and line.endswith("no such file") and line.isprintable()


def test_the_command_line_prints_faults_escaped(capsys):
    assert cli.main(["run", "none\x1b[2K\nown: 0 faults.yaml"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("none\\x1b[2K\\nown: 0 faults.yaml: no such study file")


def test_a_folder_that_cannot_be_written_is_told(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert cli.main(["exercises", str(tmp_path / "file/below")]) == 2
    assert "could not run" in capsys.readouterr().err


def test_names_that_are_no_unicode_can_be_printed(capsys):
    say(b"m\xfcller.png".decode("utf-8", "surrogateescape"))
    assert capsys.readouterr().out == "m\\udcfcller.png\n"


def test_a_reader_who_has_enough_ends_a_command_quietly(monkeypatch, capfd):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert cli.main(["check", "params/smoke.yaml"]) == 141
    assert capfd.readouterr().err == ""
