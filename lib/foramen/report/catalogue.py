"""The tables and figures of a study as its page shows them; index.html.j2 has their order and headings."""

from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from PIL import Image

from foramen.core import paths, tables
from foramen.figures import CAPTIONS
from foramen.figures.style import STYLE, SUBGROUPS
from foramen.report import made_by
from foramen.study.model import Study

# Of a figure's pixels: a page of the study's figures is as wide as one of the report.
SCREEN = 132 / STYLE["savefig.dpi"]
SHOWN_ROWS = 60  # of a long table; the rest is in its file


def figures_of(study: Study) -> dict[str, dict[str, Any]]:
    """The figures of the study by name: title, how it is read, alternative text, file, size on the page in pixels."""
    return figures_in(study.paths.figures)


def figures_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Those of a folder."""
    return {png.stem: _figure(png) for png in sorted(folder.glob("*.png"))}


def _figure(png: Path) -> dict[str, Any]:
    """A drawing as SVG, a picture with radiographs as PNG."""
    title, reading = CAPTIONS.get(png.stem, (png.stem.replace("_", " "), ""))
    with Image.open(png) as image:
        width, height = (round(pixels * SCREEN) for pixels in image.size)
    svg, alt = png.with_suffix(".svg"), png.with_suffix(".txt").read_text(encoding="utf-8").strip()
    source = svg.name if svg.exists() else png.name
    return {"title": title, "reading": reading, "alt": alt, "source": source, "width": width, "height": height}


def swept(study: Study) -> list[dict[str, Any]]:
    """What studies that name this one as their base found in sweeps, from their reports beside it: name, title, folder
    (from this report), figures, tables, and whether an earlier version made them, which did not say of which cohort.
    A study file without a name has this study's, and so no report of its own."""
    found = []
    for path in sorted(paths.PARAMS.glob("*.yaml")):
        given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if given.get("base") == f"{study.name}.yaml" and given.get("sweeps") and given.get("name"):
            where = paths.StudyPaths(given["name"])
            if (where.tables / "gain_curves.csv").exists():
                earlier = not (where.report / made_by.MADE_BY).exists()
                facts = {"name": given["name"], "title": given.get("title") or given["name"], "earlier": earlier}
                shown = {"figures": figures_in(where.figures), "tables": tables_in(where.tables)}
                found.append({**facts, **shown, "folder": f"../{given['name']}/"})
    return found


def tables_of(study: Study) -> dict[str, dict[str, Any]]:
    """Every CSV of the study by name as text for readers: heading, rows, and how many rows a long one has beyond."""
    return tables_in(study.paths.tables)


def tables_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Those of a folder."""
    frames = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    frames = {name: frame.replace({"subgroup": SUBGROUPS}) for name, frame in frames.items()}
    text = {name: tables.readable(frame.head(SHOWN_ROWS)).astype(str) for name, frame in frames.items()}
    return {
        name: {"head": list(shown), "rows": shown.to_numpy().tolist(), "more": len(frames[name]) - len(shown)}
        for name, shown in text.items()
    }
