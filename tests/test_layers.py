"""The order of packages: each imports only from those before it, also inside functions, and no modules in a circle."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from foramen.core.paths import ROOT

LIB = ROOT / "lib"
ALONE: dict[str, tuple[str, ...]] = {  # know no study, and of each other only those named
    "radiographs": (),
    "cervical_phantom": (),
    "diagnostic_accuracy": (),
    "user_tables": (),
    "fractal_images": (),
    "labelled_radiographs": ("diagnostic_accuracy", "radiographs", "user_tables"),
}
ORDER = (
    "core",
    "study",
    "cohort",
    "figures",
    "preprocessing",
    "augmentation",
    "training",
    "stn",
    "fine_tuning",
    "evaluation",
    "pitfalls",
    "report",
    "explorer",
    "publication",
    "site",
    "verification",
    "workflow",
    "published",
    "cli",
)
TOP = ("foramen", "foramen.__main__")  # the package itself imports nothing; the command calls cli


def files() -> dict[str, str]:
    """The source text of every file of lib/, by its path from there."""
    return {path.relative_to(LIB).as_posix(): path.read_text(encoding="utf-8") for path in sorted(LIB.rglob("*.py"))}


def dotted(file: str) -> str:
    """The name of the module that a file holds."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(source: str, known: set[str]) -> Iterator[tuple[str, int]]:
    """Modules of lib/ that a source text imports anywhere, with the line.

    `from a import b` is an import of a.b where that is a module, else of a.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: imports are absolute here"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else str(node.module) for name in whole]
        else:
            continue
        yield from ((name, node.lineno) for name in names if name in known)


def layer(module: str) -> str:
    """The package that a module belongs to: one of ALONE or ORDER."""
    top, *rest = module.split(".")
    return rest[0] if top == "foramen" else top


def may_import(module: str, imported: str) -> bool:
    """Does the order of packages allow it? `foramen` itself holds the version and may be imported by all of its own."""
    if imported == "foramen":
        return module.startswith("foramen.")
    ours, theirs = layer(module), layer(imported)
    if ours == theirs or ours in ALONE:
        return ours == theirs or theirs in ALONE[ours]
    return theirs in ALONE or ORDER.index(theirs) < ORDER.index(ours)


def faults(sources: dict[str, str]) -> list[str]:
    """`file:line: what` for each import against the order, and a circle of modules where there is one."""
    known, found, graph = {dotted(file) for file in sources}, [], {}
    for file, source in sources.items():
        module, wanted = dotted(file), list(imports(source, known))
        graph[module] = {name for name, _ in wanted}
        if module not in TOP:
            found += [
                f"lib/{file}:{line}: {layer(module)} may not import from {name}"
                for name, line in wanted
                if not may_import(module, name)
            ]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        found.append("circle of imports: " + " <- ".join(circle.args[1]))
    return found


def test_every_package_has_its_place():
    packages = {layer(dotted(file)) for file in files() if dotted(file) not in TOP}
    assert packages == {*ALONE, *ORDER}


def test_packages_import_only_from_those_before_them():
    found = faults(files())
    assert not found, "\n".join(found)


def test_what_is_against_the_order_is_named_with_its_line():
    sources = {
        "foramen/__init__.py": "",
        "foramen/core/files.py": "import os\n\n\ndef late():\n    from foramen.study import model\n",
        "foramen/study/__init__.py": "from radiographs import dicom\nfrom foramen.core.files import late\n",
        "foramen/study/model.py": "",
        "radiographs/dicom.py": "import radiographs.images\nimport cervical_phantom.rays",
        "radiographs/images.py": "from radiographs.dicom import read",
        "cervical_phantom/rays.py": "from foramen import study",
        "labelled_radiographs/findings.py": "from radiographs import images\nfrom cervical_phantom import rays",
    }
    *named, circle = faults(sources)
    assert named == [
        "lib/foramen/core/files.py:5: core may not import from foramen.study.model",
        "lib/radiographs/dicom.py:2: radiographs may not import from cervical_phantom.rays",
        "lib/cervical_phantom/rays.py:1: cervical_phantom may not import from foramen.study",
        "lib/labelled_radiographs/findings.py:2: labelled_radiographs may not import from cervical_phantom.rays",
    ]
    assert circle.startswith("circle of imports: ")
