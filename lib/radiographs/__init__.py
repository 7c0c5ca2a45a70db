"""Radiographs from files: DICOM, PNG, JPEG or TIFF become one grey array with bone bright, and its valid area.

Reading a folder of DICOM files:

    from pathlib import Path
    from radiographs import letterbox, read

    for path in sorted(Path("films").glob("*.dcm")):
        square, box = letterbox(read(path, 512), 512)  # (512, 512) uint16, and its area without border
        print(path.name, square[box[0] : box[2], box[1] : box[3]].mean())

A file that is no radiograph raises ImageFault, which says why. `reading` finds out what a file is; `dicom`, `raster`
(PNG, JPEG) and `tiff` decode it; `dicom_window` turns stored values into grey; `radiograph` holds what is done with
pixels alone. For many files: `inspection` gathers what is found out about each, `decoding` writes them into one array,
`near_duplicates` finds copies, `parallel` spreads the work. Nothing here knows of a study. Mirrored by notebook 01.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "radiograph": ["Header", "ImageFault", "Radiograph", "letterbox", "on_square", "valid_area"],
        "reading": ["read", "read_header"],
        "burnt_in_text": ["looks_like_text"],
        "decoding": ["decode"],
    },
)
