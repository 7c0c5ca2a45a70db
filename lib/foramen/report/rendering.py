"""The templates of the report and of the README's tables, with the ways in which they write numbers."""

import jinja2

from foramen.core.tables import p_value
from foramen.report.results import percent, points


def environment(autoescape: bool) -> jinja2.Environment:
    """Where the templates are found; with `autoescape` no text of a user becomes markup."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("foramen.report"),
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters |= {"points": points, "percent": percent, "p": p_value}
    return made
