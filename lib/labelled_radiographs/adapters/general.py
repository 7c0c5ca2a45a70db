"""The general layout: one table with a row an image, beside a folder of images. The default adapter."""

from pathlib import Path

from labelled_radiographs import manifest
from labelled_radiographs.adapters import Source, locate
from labelled_radiographs.layout import Layout
from user_tables import InputError, read_table


def table(section: Layout) -> Source:
    """CSV, TSV, Excel or parquet with `image_path, patient_id, label` and the optional columns of
    `manifest.OPTIONAL`.
    """
    path = locate(section)
    if path.is_dir():
        raise InputError(f"{path}: a folder; the general adapter needs the table itself (manifest.csv)")
    raw = read_table(path)
    images = Path(section.images).expanduser().resolve() if section.images else path.parent
    if not images.is_dir():
        raise InputError(f"images: there is no folder {images}")
    return Source(manifest.rename(raw, section.columns, path), path, images, section.labels)
