"""Broken image files: each is told in one clear line, within seconds, and ends nothing but itself."""

import gzip
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import MPEG2MPML

import films
from radiographs import inspection

PICTURE = films.picture(3)
GREY = np.rint(PICTURE * 255).astype(np.uint8)
NO_DECODER = "cannot be decoded: damaged, or no decoder here reads it"
CASES: dict[str, tuple[Callable[[Path], None], str]] = {}


def case(expected: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Register a function that writes a broken file, and what must be said of it."""

    def register(write: Callable[[Path], None]) -> Callable[[Path], None]:
        CASES[write.__name__] = (write, expected)
        return write

    return register


def dicom(name: str, expected: str, syntax: str = "explicit", **tags: object) -> None:
    """Register a DICOM file whose tags are wrong."""
    CASES[f"dicom_{name}"] = (lambda path: films.save_dicom(path, PICTURE, syntax, **tags), expected)


def raw(path: Path, group: int, element: int, vr: str, value: bytes) -> None:
    """Replace an element by bytes that pydicom would not write."""
    dataset, tag = dcmread(path), Tag(group, element)
    dataset[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    dataset.save_as(path)


def overwrite(path: Path, at: int, content: bytes) -> None:
    """Change bytes of a file."""
    whole = bytearray(path.read_bytes())
    whole[at : at + len(content)] = content
    path.write_bytes(whole)


def lut(descriptor: list[int], entries: int) -> Sequence:
    """A look-up table, sound or not."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", "OW", bytes(2 * entries))
    return Sequence([item])


# DICOM ------------------------------------------------------------------------------------------------------


@case("no DICOM file, or damaged: nothing but zeros follows its beginning")
def dicom_magic_and_zeros(path):
    path.write_bytes(bytes(128) + b"DICM" + bytes(50_000_000))


@case("no DICOM file, or damaged: nothing but zeros follows its beginning")
def dicom_meta_and_zeros(path):
    films.save_dicom(path, PICTURE)
    content = path.read_bytes()
    path.write_bytes(content[: 144 + int.from_bytes(content[140:144], "little")] + bytes(50_000_000))


@case("no DICOM file, or damaged")
def dicom_magic_and_text(path):
    path.write_bytes(bytes(128) + b"DICM" + b"this is no DICOM file at all\n" * 100)


@case("no DICOM file, or damaged")
def dicom_magic_alone(path):
    path.write_bytes(bytes(128) + b"DICM")


@case("a DICOM file without an image")
def dicom_directory(path):
    path.write_bytes(Path(get_testdata_file("DICOMDIR", download=False)).read_bytes())


dicom("of_no_rows", "72 x 0 pixels is too small", Rows=0)
dicom("of_no_columns", "0 x 96 pixels is too small", Columns=0)
dicom("of_no_bits", NO_DECODER, BitsStored=0)
dicom("of_more_bits_than_room", NO_DECODER, BitsStored=17)
dicom("of_24_bits", NO_DECODER, BitsAllocated=24)
dicom("of_two_samples", NO_DECODER, SamplesPerPixel=2)
dicom("of_an_unknown_sign", NO_DECODER, PixelRepresentation=7)
dicom("in_unknown_colours", "states no photometric interpretation that is known here", PhotometricInterpretation="HSV")
dicom("that_states_no_grey", "states no photometric interpretation", PhotometricInterpretation="")
dicom("whose_pixels_are_empty", NO_DECODER, PixelData=b"")
dicom("whose_window_is_negative", "damaged DICOM: The (0028,1051) Window Width", WindowCenter=1, WindowWidth=-1)
dicom(
    "with_half_a_look_up_table", "a look-up table of 4096 entries holds 2000", VOILUTSequence=lut([4096, 0, 16], 1000)
)
dicom("with_half_a_modality_table", "a look-up table of 4096 entries", ModalityLUTSequence=lut([4096, 0, 16], 1000))
dicom("with_a_short_descriptor", "damaged DICOM: not enough values", VOILUTSequence=lut([4096, 0], 4096))


@case("damaged DICOM: invalid literal for int() with base 10: '1A'")
def dicom_with_a_strange_number_of_frames(path):
    films.save_dicom(path, PICTURE)
    raw(path, 0x0028, 0x0008, "IS", b"1A")


@case("damaged DICOM: ")
def dicom_whose_window_is_a_word(path):
    films.save_dicom(path, PICTURE, WindowWidth=4096)
    raw(path, 0x0028, 0x1050, "DS", b"dark")


def dicom_rescaled(value: bytes) -> Callable[[Path], None]:
    """Rescaled to what is no number."""

    def write(path: Path) -> None:
        films.save_dicom(path, PICTURE, RescaleIntercept=0)
        raw(path, 0x0028, 0x1053, "DS", value)

    return write


for _value in (b"nan ", b"inf "):
    CASES[f"dicom_rescaled_by_{_value.decode().strip()}"] = (
        dicom_rescaled(_value),
        "holds pixels that are not numbers",
    )


@case("a DICOM file without pixel data")
def dicom_of_floating_point(path):
    dataset = films.dicom(PICTURE)
    del dataset.PixelData
    dataset.FloatPixelData = PICTURE.astype("<f4").tobytes()
    dataset.file_meta.TransferSyntaxUID = films.NATIVE["explicit"]
    dataset.save_as(path, enforce_file_format=True)


@case(f"its pixel data (MPEG2 Main Profile / Main Level) {NO_DECODER}")
def dicom_film_of_moving_pictures(path):
    films.save_dicom(path, PICTURE, "rle")
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = MPEG2MPML
    dataset.save_as(path)


@case(NO_DECODER)
def dicom_of_an_unknown_transfer_syntax(path):
    films.save_dicom(path, PICTURE, "rle")
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.3.4.5"
    dataset.save_as(path)


@case(f"its pixel data (RLE Lossless) {NO_DECODER}")
def dicom_that_calls_plain_pixels_compressed(path):
    films.save_dicom(path, PICTURE)
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.5"
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"))


def damaged_codestream(syntax: str, magic: bytes) -> Callable[[Path], None]:
    """Zeros in the compressed pixels, behind their first bytes."""

    def write(path: Path) -> None:
        films.save_dicom(path, PICTURE, syntax, 8 if syntax == "jpeg_baseline" else 12)
        overwrite(path, path.read_bytes().index(magic) + 4, bytes(300))

    return write


for _syntax, _magic in {
    "jpeg_lossless": b"\xff\xd8\xff",
    "jpeg_ls": b"\xff\xd8\xff",
    "jpeg_2000": b"\xff\x4f\xff\x51",
    "jpeg_baseline": b"\xff\xd8\xff",
    "jpeg_extended": b"\xff\xd8\xff",
    "rle": b"\xfe\xff\x00\xe0",
}.items():
    CASES[f"dicom_damaged_{_syntax}"] = (damaged_codestream(_syntax, _magic), NO_DECODER)


@case("decodes to 4 dimensions; a plane of pixels is expected")
def dicom_of_two_frames_that_are_not_stated(path):
    path.write_bytes(Path(get_testdata_file("SC_rgb_rle_2frame.dcm", download=False)).read_bytes())
    dataset = dcmread(path)
    del dataset.NumberOfFrames
    dataset.save_as(path)


@case("damaged DICOM: ")
def dicom_deflated_and_cut(path):
    films.save_dicom(path, PICTURE, "deflated")
    path.write_bytes(path.read_bytes()[:-2000])


# TIFF -------------------------------------------------------------------------------------------------------


def tiff(path: Path, stored: np.ndarray = GREY, **tags: int) -> None:
    """A TIFF some of whose tags are overwritten."""
    tifffile.imwrite(path, stored)
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name, value in tags.items():
            file.pages.first.tags[name].overwrite(value)


@case("its first page is a thumbnail")
def tiff_that_begins_with_a_smaller_copy(path):
    tifffile.imwrite(path, GREY[::2, ::2])
    tifffile.imwrite(path, GREY, append=True)


@case("its first page is a thumbnail")
def tiff_that_calls_its_first_page_reduced(path):
    tifffile.imwrite(path, GREY, subfiletype=1)


@case("a palette image without its palette")
def tiff_palette_without_its_palette(path):
    tiff(path, PhotometricInterpretation=3)


@case(f"its pixels (JPEG2000) {NO_DECODER}")
def tiff_of_a_codec_that_nobody_here_has(path):
    tiff(path, Compression=34712)


@case("damaged TIFF: 61234 is not a known COMPRESSION")
def tiff_of_an_unknown_compression(path):
    tiff(path, Compression=61234)


@case(NO_DECODER)
def tiff_of_damaged_zstandard(path):
    Image.fromarray(GREY).save(path, "TIFF", compression="zstd")
    overwrite(path, path.read_bytes().index(b"\x28\xb5\x2f\xfd") + 4, bytes(300))


@case("damaged TIFF")
def tiff_whose_pixels_lie_behind_its_end(path):
    tiff(path, StripOffsets=10_000_000)


@case("damaged TIFF")
def tiff_whose_pixels_are_too_few(path):
    Image.fromarray(GREY).save(path, "TIFF", compression="tiff_adobe_deflate")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages.first.tags["StripByteCounts"].overwrite(100)


@case("damaged TIFF")
def tiff_whose_page_lies_behind_its_end(path):
    tiff(path)
    overwrite(path, 4, (10_000_000).to_bytes(4, "little"))


@case("0 x 96 pixels is too small")
def tiff_of_no_width(path):
    tiff(path, ImageWidth=0)


@case("holds pixels that are not numbers")
def tiff_with_an_infinite_pixel(path):
    stored = PICTURE.astype(np.float32)
    stored[4, 4] = np.inf
    tifffile.imwrite(path, stored)


@case("holds pixels of an unknown type")
def tiff_of_complex_numbers(path):
    tifffile.imwrite(path, PICTURE.astype(np.complex64))


@case("has shape (96, 72, 2)")
def tiff_of_two_channels(path):
    tifffile.imwrite(path, np.stack([GREY, GREY], axis=-1), photometric="minisblack", planarconfig="contig")


@case("has shape (3, 96, 72)")
def tiff_in_separate_planes(path):
    tifffile.imwrite(path, np.stack([GREY] * 3), photometric="rgb", planarconfig="separate")


# PNG and JPEG -----------------------------------------------------------------------------------------------


@case("damaged image")
def png_of_a_wrong_check_sum(path):
    films.save_png(path, PICTURE)
    overwrite(path, 29, b"\0\0\0\0")


@case("damaged image")
def png_of_no_width(path):
    films.save_png(path, PICTURE)
    overwrite(path, 16, bytes(4))


@case("damaged image")
def png_without_pixels(path):
    films.save_png(path, PICTURE)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"IDAT") - 4] + content[-12:])


@case("damaged image")
def png_of_pixels_that_do_not_inflate(path):
    films.save_png(path, PICTURE)
    overwrite(path, path.read_bytes().index(b"IDAT") + 4, b"no zlib stream begins like this")


@case("20000 x 2 pixels is too small")
def png_of_two_rows(path):
    Image.new("L", (20000, 2)).save(path)


@case("damaged image")
def jpeg_magic_alone(path):
    path.write_bytes(b"\xff\xd8\xff\xe0")


@case("damaged image")
def jpeg_without_pixels(path):
    Image.fromarray(GREY).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:150])


@case("damaged image")
def jpeg_of_no_height(path):
    Image.fromarray(GREY).save(path, "JPEG")
    overwrite(path, path.read_bytes().index(b"\xff\xc0") + 5, bytes(2))


# Other kinds ------------------------------------------------------------------------------------------------

UNKNOWN = "neither DICOM nor PNG, JPEG or TIFF (judged by its first bytes)"


@case(UNKNOWN)
def a_gif(path):
    Image.fromarray(GREY).save(path, "GIF")


@case(UNKNOWN)
def a_webp(path):
    Image.fromarray(GREY).save(path, "WEBP")


@case(UNKNOWN)
def a_dicom_file_that_is_packed(path):
    films.save_dicom(path, PICTURE)
    path.write_bytes(gzip.compress(path.read_bytes()))


@case(UNKNOWN)
def a_pdf(path):
    path.write_bytes(b"%PDF-1.7\n" + bytes(1000))


@case(UNKNOWN)
def nothing_but_zeros(path):
    path.write_bytes(bytes(100_000))


# Tests ------------------------------------------------------------------------------------------------------


def test_the_corpus_is_large_enough():
    assert len(CASES) >= 62  # and 132 in tests/cohort/test_bad_input.py


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_each_is_told_in_one_line(name, tmp_path):
    write, expected = CASES[name]
    write(tmp_path / "film.png")
    for pixels in (False, True):  # headers alone may find nothing wrong
        started = time.monotonic()
        fault = inspection.inspect(inspection.FileToRead(0, "film.png", str(tmp_path.resolve()), 64, pixels))["fault"]
        assert time.monotonic() - started < 10
        assert str(tmp_path) not in fault and "\n" not in fault and len(fault) < 300
    assert fault and expected in fault, fault


def test_a_folder_may_be_named_by_a_relative_path_or_a_link(tmp_path, monkeypatch):
    films.save_png(tmp_path / "films/film.png", PICTURE)
    films.save_png(tmp_path / "beside.png", PICTURE)
    (tmp_path / "link").symlink_to("films")
    monkeypatch.chdir(tmp_path)
    for root in ("films", "link", str(tmp_path / "link")):
        faults = [
            inspection.inspect(inspection.FileToRead(0, name, root, 64))["fault"]
            for name in ("film.png", "../beside.png")
        ]
        assert faults == ["", "leads out of the folder of the images"]
