"""Synthetic cohort: a parametric cervical spine, projected to oblique radiographs with exact ground truth.

`parameters` holds every knob, `anatomy` builds the solid, `disease` narrows its foramina, `rays` cuts it with
X-rays, `foramina` measures the openings, `acquisition` makes a radiograph of it and `cohort` writes many of
them.
"""
