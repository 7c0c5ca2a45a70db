"""Show the library's own source in a notebook, so that the text of a lesson cannot drift from the code it explains."""

import inspect
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import Code


def show(*functions: Callable) -> "Code":
    """The source of functions or classes, one under the other, coloured (every notebook)."""
    from IPython.display import Code  # only notebooks need it

    sources = [textwrap.dedent(inspect.getsource(function)).rstrip() for function in functions]
    return Code("\n\n\n".join(sources), language="python")
