"""The templates of the report, the README's tables and the explorer, with the ways in which they write numbers."""

import base64
import hashlib
from importlib import resources

import jinja2
from markupsafe import Markup

from foramen.core.tables import p_value
from foramen.report.results import leaning, pair, percent, points


def environment(autoescape: bool, package: str = "foramen.report") -> jinja2.Environment:
    """Where the templates of a package are found, and after them the report's own; with `autoescape` no text of a user
    becomes markup. Pages have the report's style, and as the only script that the browser may run the one that sorts.
    """
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in (package, "foramen.report")]),
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters |= {"points": points, "percent": percent, "p": p_value, "sha256": _sha256}
    made.filters |= {"leaning": leaning, "pair": pair}
    made.globals |= {"style": Markup(part("report.css")), "script": Markup(part("sort.js"))}
    return made


def part(name: str, package: str = "foramen.report") -> str:
    """A style or a script of a package's pages."""
    return resources.files(package).joinpath(f"templates/{name}").read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    """A script's hash as a page's security policy names it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
