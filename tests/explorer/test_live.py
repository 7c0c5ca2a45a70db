"""The pictures that are moved by hand: each slider changes its picture, and the notebook that shows them runs."""

import io

import nbformat
import pytest
from matplotlib.figure import Figure

from foramen.core import paths

pytest.importorskip("ipywidgets")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The widgets of notebooks/live.ipynb by the name of their function, its code run in order."""
    notebook = nbformat.read(paths.NOTEBOOKS / "live.ipynb", as_version=4)
    known, widgets = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORAMEN_OUTPUT", str(tmp_path_factory.mktemp("live")))
        patch.chdir(paths.NOTEBOOKS)
        for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
            assert cell.outputs == [] and cell.execution_count is None
            if cell.source.startswith("live."):
                widgets[cell.source.split("(")[0]] = eval(cell.source, known)
            else:
                exec(cell.source, known)
    return widgets


def pixels(figure: Figure) -> bytes:
    with io.BytesIO() as stream:
        figure.savefig(stream, format="raw", dpi=40)
        return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        ("live.equalization", {"radiograph": 1, "treatment": "clahe"}),
        ("live.transform", {"rotation": 45, "zoom": 3, "right": 0.5, "down": -0.5}),
        ("live.phantom", {"severity": 0.0, "rotation": 35, "exposure": -1}),
    ],
)
def test_each_control_changes_the_picture(shown: dict, name: str, moved: dict):
    widget = shown[name]
    controls = {control._kwarg: control for control in widget.kwargs_widgets}
    assert set(controls) == set(moved)
    seen = [pixels(widget.result)]
    for control, value in moved.items():
        controls[control].value = value
        seen.append(pixels(widget.result))
        assert seen[-1] != seen[-2], control


def test_theta_of_the_sliders_is_said_beside_the_picture(shown: dict):
    widget = shown["live.transform"]
    for control in widget.kwargs_widgets:
        control.value = {"rotation": 30, "zoom": 2.5, "right": 0.25, "down": 0.5}[control._kwarg]
    words = widget.result.get_label()
    assert "rotated by +30°, magnified 2.50 times, shifted by (+0.25, +0.50)" in words
