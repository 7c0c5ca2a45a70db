"""`foramen publication`: everything for publishing beside a study's report."""

from pathlib import Path

from foramen.core.errors import raise_any
from foramen.publication import checklists, crate, croissant, facts, manuscript, model_card
from foramen.report import beside
from foramen.study.model import Study


def prepare(study: Study) -> list[Path]:
    """Write manuscript, cards, checklists and the RO-Crate of all; returns the paths. InputError where the study is not
    finished. Checklists come after what they point to, the crate after what it lists.
    """
    where = study.paths
    needed = (where.report_page, where.cohort / "run.json", where.evaluation / "run.json")
    raise_any([f"{path} is missing: run the study first (foramen run)" for path in needed if not path.exists()])
    known = facts.read(study)
    written = [*manuscript.write(known, where.report), model_card.write(known, where.report / "model_card.md")]
    written.append(croissant.write(known, where.report / "croissant.json"))
    written += checklists.write(known, where.report / "checklists")
    written.append(crate.write(known, where.report / "ro-crate-metadata.json"))
    beside.link(where.report)
    return written
