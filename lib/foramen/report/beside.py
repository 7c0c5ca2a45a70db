"""What lies beside a report's page, linked from its head: what is written for publishing, and the case explorer."""

import re
from pathlib import Path

from foramen.core.files import write_text

FILES = {
    "manuscript.pdf": "manuscript",
    "checklists/tripod_ai.html": "TRIPOD+AI checklist",
    "checklists/claim.html": "CLAIM checklist",
    "checklists/stard_ai.html": "STARD-AI checklist",
    "model_card.md": "model card",
    "croissant.json": "data card (Croissant)",
    "ro-crate-metadata.json": "RO-Crate",
    "explorer.html": "case explorer",
}
PLACE = re.compile(r'(<p id="beside"[^>]*>).*?(</p>)', re.DOTALL)


def link(report: Path) -> None:
    """Name in the page of a report what is there by now; commands that write it later than the page call this, too."""
    page = report / "index.html"
    if page.exists():
        there = [f'<a href="{name}">{words}</a>' for name, words in FILES.items() if (report / name).exists()]
        words = f"Beside this page: {' · '.join(there)}" if there else ""
        write_text(page, PLACE.sub(rf"\g<1>{words}\g<2>", page.read_text(encoding="utf-8"), count=1))
