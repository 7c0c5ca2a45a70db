"""Synthetic patients: a parametric cervical spine, projected to oblique radiographs with exact ground truth.

Ten radiographs of five patients, the left and the right foramina of each:

    import numpy as np
    from cervical_phantom import SyntheticCohort, write

    write(SyntheticCohort(patients=5), image_size=256, folder="phantom")
    images = np.load("phantom/images.npy")  # (10, 256, 256) uint16, bone bright

Beside them lie the labels (manifest.parquet), what each radiograph really shows (truth.parquet), the exposed areas
(boxes.npy) and the outlines of the foramina (masks.npy). From the body to the files:

- `parameters`: every parameter of the cohort, in physical units
- `anatomy`, `surroundings`: the spine as a set of solids, and what lies about it
- `disease`: who a patient is, how far their foramina are narrowed, and the grade of that
- `rays`: chords of X-rays through solids
- `foramina`: size of each opening, in the solid and on its projection
- `acquisition`: view, attenuation, scatter, noise, look-up curve, marker and collimation
- `case`: one patient with every draw; `rendering`: one image of them
- `patients`: many of them, as tables and arrays; their label-noise ceiling
- `dicom`: the same as DICOM files; `pictures`: figures; `literature`: comparison with published figures

Notebook 01 shows all of it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "case": ["Case"],
        "dicom": ["write_dicom_folder"],
        "parameters": ["SyntheticCohort"],
        "patients": ["draw", "label_noise_ceiling", "write"],
        "rendering": ["render"],
    },
)
