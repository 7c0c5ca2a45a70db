"""The reproduction report in journal form: one template over the study's tables, set by Typst, whose wheel needs no
network, no TeX and no font of the machine. Equal tables make equal bytes.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import typst

from foramen.core.files import replacing, write_text
from foramen.publication import facts


def text(known: dict[str, Any]) -> str:
    """The manuscript as Typst, every number from `facts.read`; pictures are named from the folder of the report."""
    made = facts.environment(autoescape=False).get_template("manuscript.typ.j2").render(known)
    made = made.replace(" %", "\N{NO-BREAK SPACE}%")
    return re.sub(r"(?<=[ (\[])-(?=\d)", "\N{MINUS SIGN}", made)


def write(known: dict[str, Any], report: Path) -> list[Path]:
    """Write manuscript.typ, which can be edited, and manuscript.pdf into the folder of the report."""
    source, pdf = report / "manuscript.typ", report / "manuscript.pdf"
    write_text(source, text(known))
    when = int(datetime.fromisoformat(known["evaluated"]["finished"]).timestamp())
    with replacing(pdf) as temporary:
        typst.compile(str(source), str(temporary), root=str(report), ignore_system_fonts=True, timestamp=when)
    return [source, pdf]
