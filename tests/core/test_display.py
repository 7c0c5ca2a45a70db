"""Source shown in notebooks is the library's own."""

from foramen.core.display import show
from foramen.core.files import digest, write_json


def test_source_of_each_function_is_shown() -> None:
    code = show(digest, write_json)
    assert code.data.startswith("def digest(") and "\n\n\ndef write_json(" in code.data
    assert code.language == "python" and "highlight" in code._repr_html_()
