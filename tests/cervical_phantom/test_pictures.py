"""The figures of 01_data_audit draw, and say in words what they show."""

import pytest

from cervical_phantom import pictures
from cervical_phantom.parameters import SyntheticCohort

PARAMETERS = SyntheticCohort(patients=5)


@pytest.mark.parametrize("draw", [pictures.anatomy, pictures.disease, pictures.knobs])
def test_figures(draw):
    figure = draw(PARAMETERS, size=96)
    assert len(figure.get_label()) > 80
    assert all(ax.images for ax in figure.axes)


def test_knobs_exist():
    for _, section, knob, strong in pictures.KNOBS:
        assert strong > getattr(getattr(PARAMETERS, section), knob)
