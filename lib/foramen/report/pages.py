"""Executed notebooks as pages that need nothing but the folder they lie in: no script of theirs, no network, no path.

The pictures of all pages are files of their own, named after their content, so that what many runs show alike is
there once.
"""

import base64
import copy
import functools
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import nbformat
from bs4 import BeautifulSoup
from nbformat import NotebookNode
from PIL import Image
from pygments.formatters import HtmlFormatter

from foramen.core import paths
from foramen.core.files import replacing, write_text
from foramen.report.equations import Exporter

PNG_PREFIX = "data:image/png;base64,"
PICTURES = "pictures"  # folder beside the pages
SOLUTION = "solution"  # the tag of cells that a page folds away, code and output
PHOTO_QUALITY = 80  # of radiographs in pages and in the notebook beside them, in per cent; figures/ has them as PNG


def read(path: Path) -> NotebookNode:
    """An executed notebook without papermill's notes on this machine and without the paths of its folders."""
    text = Path(path).read_text(encoding="utf-8")
    for folder in sorted({str(paths.output_root()), str(paths.ROOT)}, key=len, reverse=True):
        text = text.replace(json.dumps(f"{folder}/")[1:-1], "").replace(json.dumps(folder)[1:-1], ".")
    notebook = nbformat.reads(text, as_version=4)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        for note in ("papermill", "execution"):
            cell.metadata.pop(note, None)
    return notebook


def _encoded(png: bytes, form: str, **options: Any) -> bytes:
    """The picture in another format."""
    with Image.open(io.BytesIO(png)) as image, io.BytesIO() as stream:
        image.convert("RGB").save(stream, form, **options)
        return stream.getvalue()


@functools.cache  # runs of one notebook share pictures
def _webp(png: bytes) -> bytes:
    """The picture as WebP, lossless for drawings and lossy for radiographs, whichever is smaller."""
    ways: list[dict[str, Any]] = [{"lossless": True}, {"quality": PHOTO_QUALITY}]
    return min((_encoded(png, "WEBP", method=2, **way) for way in ways), key=len)


def title(path: Path) -> str:
    """The first heading of the notebook at a path."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown" and (found := re.search(r"^#\s+(.+)$", cell.source, re.MULTILINE)):
            return found.group(1).strip()
    return ""


@functools.cache
def _exporter() -> Exporter:
    """One exporter for all pages: it compiles its templates once."""
    return Exporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)


def body(notebook: NotebookNode, folder: Path) -> str:
    """The notebook as HTML for a page in `folder`, where its pictures go, too.

    Wide things scroll within themselves, figures have alt text; code is folded, what it shows is not, but for the
    solutions of exercises.
    """
    html, _ = _exporter().from_notebook_node(notebook)
    page = BeautifulSoup(html, "html.parser")
    for unwanted in page.find_all(["script", "link", "iframe", "object", "embed", "style"]):
        unwanted.decompose()
    for anchor in page.find_all("a", class_="anchor-link"):
        anchor.decompose()
    _fold(page)
    let_scroll(page)
    for image in page.find_all("img"):
        if image.parent:
            image.parent["tabindex"] = "0"
        source = str(image["src"])
        if source.startswith(PNG_PREFIX):
            image["src"] = _written(_webp(base64.b64decode(source.removeprefix(PNG_PREFIX))), folder)
        image["alt"] = image.get("alt") or "picture without a description"
        image["loading"] = "lazy"
    return str(page)


def let_scroll(page: BeautifulSoup) -> None:
    """Let wide tables and code scroll within themselves, also by keyboard."""
    for table in page.find_all("table"):
        table.attrs.pop("border", None)
        scroll = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": "table, scrolls sideways"}
        table.wrap(page.new_tag("div", attrs=scroll))
    for block in page.find_all("pre"):
        block["tabindex"] = "0"


def _fold(page: BeautifulSoup) -> None:
    """Put code, and all of a solution, into a closed `details`; nbconvert names a cell's tags."""
    for chosen, words in ((f".cell:not(.celltag_{SOLUTION}) > .input", "code"), (f".celltag_{SOLUTION}", "Solution")):
        for part in page.select(chosen):
            summary = page.new_tag("summary")
            summary.string = words
            part.wrap(page.new_tag("details", attrs={"class": "folded"})).insert(0, summary)


def headings(body: str) -> list[tuple[str, str]]:
    """The second-level headings of a page's body: id and text."""
    found = BeautifulSoup(body, "html.parser").find_all("h2", id=True)
    return [(str(heading["id"]), heading.get_text()) for heading in found]


def places(notebook: NotebookNode, body: str) -> dict[str, str]:
    """The id of the heading above each cell that saves a table or figure, by its name."""
    ids, found, here = {text: id_ for id_, text in headings(body)}, dict[str, str](), ""
    for cell in notebook.cells:
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else []:
            here = ids.get(line.removeprefix("## ").replace("`", ""), here) if line.startswith("## ") else here
        if cell.cell_type == "code" and here:
            found |= dict.fromkeys(re.findall(r'paths\.(?:tables|figures), "(\w+)"', cell.source), here)
    return found


def _written(webp: bytes, folder: Path) -> str:
    """Where a page in `folder` finds the picture, which is written if no page had it before."""
    name = f"{PICTURES}/{hashlib.sha256(webp).hexdigest()[:16]}.webp"
    if not (folder / name).exists():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(webp)
    return name


def highlighting() -> str:
    """CSS of the code's colours, for light and for dark."""
    light = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}"


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook as .ipynb, its radiographs as JPEG."""
    small = copy.deepcopy(notebook)
    for output in (output for cell in small.cells for output in cell.get("outputs", [])):
        data, metadata = output.get("data", {}), output.get("metadata", {})
        if jpeg := _jpeg(base64.b64decode(data.get("image/png", ""))):
            del data["image/png"]
            data["image/jpeg"] = base64.b64encode(jpeg).decode()
            if "image/png" in metadata:
                metadata["image/jpeg"] = metadata.pop("image/png")
    write_text(path, nbformat.writes(small) + "\n")


@functools.cache
def _jpeg(png: bytes) -> bytes:
    """The picture as JPEG where that is much smaller, as of radiographs; else nothing."""
    jpeg = _encoded(png, "JPEG", quality=PHOTO_QUALITY, optimize=True) if png else b""
    return jpeg if 2 * len(jpeg) < len(png) else b""
