"""Labelled radiographs as users keep them, a table beside the image files: read, checked, split by patient, described.

    from labelled_radiographs import Expectations, Layout, check, read

    source = read(Layout(path="films/manifest.csv"))  # columns image_path, patient_id, label (0/1 or yes/no), ...
    print(source.table[["patient_id", "label", "split"]])  # typed; what is wrong with other rows: source.faults
    for finding in check(source, Expectations(image_size=512)):  # the table and all files
        print(finding.severity, finding.message)

`layout` says where the table lies and how it is written, `adapters` read it and published layouts into one form,
`manifest` checks it row by row, `findings` judges table and files together, `reading` opens the files for that, `split`
assigns patients once, `pseudonyms` take the place of names, `table_one` and `metadata` describe what is there, and
`predictions` reads tables of what systems say of these radiographs and checks them against the manifest.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "adapters": ["Source", "read"],
        "findings": ["Expectations", "Finding", "Verdict"],
        "layout": ["Layout"],
        "reading": ["check", "decode"],
    },
)
