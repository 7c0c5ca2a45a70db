"""The templates of the report, the README's tables and the explorer, with the ways in which they write numbers."""

import jinja2

from foramen.core.tables import p_value
from foramen.report.results import percent, points


def environment(autoescape: bool, package: str = "foramen.report") -> jinja2.Environment:
    """Where the templates of a package are found, and after them the report's own; with `autoescape` no text of a user
    becomes markup.
    """
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in (package, "foramen.report")]),
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters |= {"points": points, "percent": percent, "p": p_value}
    return made
