"""Figures of the synthetic patients (notebook 01): those of `cervical_phantom.pictures` in the study's style."""

from matplotlib.figure import Figure

from cervical_phantom import pictures
from cervical_phantom.parameters import SyntheticCohort
from foramen.figures.style import Picture, styled


@styled
def anatomy(parameters: SyntheticCohort, **options) -> Figure:
    """One patient from the solid to the stored radiograph; options as of `pictures.anatomy`."""
    return pictures.anatomy(parameters, figure=Picture(), **options)


@styled
def disease(parameters: SyntheticCohort, **options) -> Figure:
    """The same neck without, with some and with much narrowing; options as of `pictures.disease`."""
    return pictures.disease(parameters, figure=Picture(), **options)


@styled
def knobs(parameters: SyntheticCohort, **options) -> Figure:
    """What each parameter does to one radiograph; options as of `pictures.knobs`."""
    return pictures.knobs(parameters, figure=Picture(), **options)
