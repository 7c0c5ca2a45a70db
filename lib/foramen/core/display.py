"""What notebooks show beside their own code: the library's source, and sentences that read their numbers."""

import inspect
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.display import Code


def show(*functions: Callable) -> "Code":
    """The source of functions or classes, one under the other, coloured (every notebook).

    So the text of a lesson cannot drift from the code it explains.
    """
    from IPython.display import Code  # only notebooks need it

    sources = [textwrap.dedent(inspect.getsource(function)).rstrip() for function in functions]
    return Code("\n\n\n".join(sources), language="python")


def readings(package: str) -> Any:
    """The sentences that read a notebook's numbers: the macros of `package`'s readings.md.j2, as functions of Markdown.

    In them, `n | as(",")` is Python's `format(n, ",")`, and `p | p_value` is as in tables. A name that a sentence is
    not given is an error.
    """
    import jinja2

    from foramen.core.tables import p_value

    loader = jinja2.PackageLoader("foramen", "")
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"as": format, "p_value": p_value}
    return environment.get_template(f"{package}/readings.md.j2").module
