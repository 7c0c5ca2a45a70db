"""Every kind of file ends as the same picture: full scale, bone bright, upright, square."""

import re
import textwrap
import time

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import films
import radiographs
from radiographs import letterbox, looks_like_text, on_square, read, read_header, valid_area
from radiographs.radiograph import FULL_SCALE, ORIENTATIONS, reduce_blocks

PICTURE = films.picture(3)
SIZE = 64


def square(path, size: int = SIZE) -> np.ndarray:
    """The letterboxed picture in 0..1."""
    return letterbox(read(path, size), size)[0] / FULL_SCALE


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> np.ndarray:
    path = tmp_path_factory.mktemp("expected") / "film.tif"
    tifffile.imwrite(path, PICTURE.astype(np.float32))
    return square(path)


def close(got: np.ndarray, expected: np.ndarray, tolerance: float = 0.006) -> bool:
    return bool(np.abs(got - expected).max() <= tolerance)


@pytest.mark.parametrize("bits", [8, 16])
def test_png(tmp_path, expected, bits):
    films.save_png(tmp_path / "film.png", PICTURE, bits)
    assert close(square(tmp_path / "film.png"), expected)


def test_png_of_a_12_bit_detector_is_not_dark(tmp_path, expected):
    Image.fromarray(np.rint(PICTURE * 4095).astype(np.uint16)).save(tmp_path / "film.png")
    assert close(square(tmp_path / "film.png"), expected)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_grey_in_colour(tmp_path, expected, mode):
    Image.fromarray(np.rint(PICTURE * 255).astype(np.uint8)).convert(mode).save(tmp_path / "film.png")
    assert close(square(tmp_path / "film.png"), expected)


def test_jpeg_upright_by_its_exif_tag(tmp_path, expected):
    image = Image.fromarray(np.rint(PICTURE * 255).astype(np.uint8)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[274] = 6
    image.save(tmp_path / "film.jpg", quality=97, exif=exif)
    assert close(square(tmp_path / "film.jpg"), expected, 0.04)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "uint32", "float32", "float64"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_tiff(tmp_path, expected, kind, photometric):
    scale = 1 if kind.startswith("float") else {"int16": 4095, "uint32": 4095}.get(kind, np.iinfo(kind).max)
    values = (1 - PICTURE if photometric == "miniswhite" else PICTURE) * scale
    stored = values.astype(kind) if scale == 1 else np.rint(values).astype(kind)
    tifffile.imwrite(tmp_path / "film.tif", stored, photometric=photometric)
    assert close(square(tmp_path / "film.tif"), expected)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_tiff_in_colour(tmp_path, expected, kind):
    stored = np.rint(PICTURE * np.iinfo(kind).max).astype(kind)
    tifffile.imwrite(tmp_path / "film.tif", np.stack([stored] * 3, axis=-1), photometric="rgb")
    assert close(square(tmp_path / "film.tif"), expected)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_palette_is_looked_up(tmp_path, expected, compression):
    falling = np.stack([np.arange(255, -1, -1, np.uint16) * 257] * 3)
    stored = np.rint((1 - PICTURE) * 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "film.tif", stored, photometric="palette", colormap=falling, compression=compression)
    assert close(square(tmp_path / "film.tif"), expected)


def test_tiff_whose_page_names_itself_as_the_next(tmp_path, expected):
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, PICTURE.astype(np.float32))
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
    content = bytearray(path.read_bytes())
    end = page.offset + 2 + 12 * int.from_bytes(content[page.offset : page.offset + 2], "little")
    content[end : end + 4] = page.offset.to_bytes(4, "little")
    path.write_bytes(content)
    assert close(square(path), expected)


def test_tiff_with_a_smaller_copy_behind_it(tmp_path, expected):
    tifffile.imwrite(tmp_path / "film.tif", PICTURE.astype(np.float32))
    tifffile.imwrite(tmp_path / "film.tif", PICTURE[::2, ::2].astype(np.float32), append=True)
    assert close(square(tmp_path / "film.tif"), expected)


def test_tiff_of_print_colours(tmp_path, expected):
    Image.fromarray(np.rint(PICTURE * 255).astype(np.uint8)).convert("RGB").convert("CMYK").save(tmp_path / "film.tif")
    assert close(square(tmp_path / "film.tif"), expected)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits", "zstd"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_compressed_tiff(tmp_path, expected, compression, kind):
    stored = np.rint(PICTURE * np.iinfo(kind).max).astype(kind)
    Image.fromarray(stored).save(tmp_path / "film.tif", compression=compression)
    assert close(square(tmp_path / "film.tif"), expected)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", [*films.NATIVE, *films.ENCAPSULATED])
def test_dicom_transfer_syntaxes(tmp_path, expected, syntax, photometric):
    values = 1 - PICTURE if photometric == "MONOCHROME1" else PICTURE
    bits = 8 if syntax == "jpeg_baseline" else 12
    films.save_dicom(tmp_path / "film.dcm", values, syntax, bits, PhotometricInterpretation=photometric)
    assert close(square(tmp_path / "film.dcm"), expected, 0.06 if syntax == "jpeg_baseline" else 0.006)
    assert read_header(tmp_path / "film.dcm").grey == photometric


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 15, 16])
def test_dicom_depths(tmp_path, expected, bits):
    films.save_dicom(tmp_path / "film.dcm", PICTURE, bits=bits)
    assert close(square(tmp_path / "film.dcm"), expected)
    assert read_header(tmp_path / "film.dcm").bits == bits


def test_dicom_signed_with_rescale(tmp_path, expected):
    films.save_dicom(tmp_path / "film.dcm", PICTURE, signed=True, RescaleSlope=2, RescaleIntercept=-1000)
    assert close(square(tmp_path / "film.dcm"), expected)


def test_dicom_first_window(tmp_path, expected):
    films.save_dicom(tmp_path / "film.dcm", PICTURE / 4, WindowCenter=[512, 9], WindowWidth=[1024, 9])
    assert close(square(tmp_path / "film.dcm"), expected)


def test_dicom_lut(tmp_path, expected):
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [4096, 0, 16], (65535 - np.arange(4096) * 16).astype("<u2").tobytes()
    films.save_dicom(tmp_path / "film.dcm", 1 - PICTURE, VOILUTSequence=Sequence([item]))
    assert close(square(tmp_path / "film.dcm"), expected)


def test_dicom_modality_lut(tmp_path, expected):
    item = Dataset()
    item.LUTDescriptor, item.LUTData, item.ModalityLUTType = (
        [4096, 0, 16],
        (65535 - np.arange(4096) * 16).astype("<u2").tobytes(),
        "US",
    )
    films.save_dicom(tmp_path / "film.dcm", 1 - PICTURE, ModalityLUTSequence=Sequence([item]))
    assert close(square(tmp_path / "film.dcm"), expected)


def test_dicom_of_a_12_bit_detector_in_16_bits_is_not_dark(tmp_path, expected):
    films.save_dicom(tmp_path / "film.dcm", PICTURE * 4095 / 65535, bits=16)
    assert close(square(tmp_path / "film.dcm"), expected)


def test_dicom_padding_does_not_hide_the_depth(tmp_path, expected):
    stored = np.rint(PICTURE * 4095).astype("<u2")
    stored[:, :8] = 65535
    films.save_dicom(tmp_path / "film.dcm", PICTURE, bits=16, PixelData=stored.tobytes(), PixelPaddingValue=65535)
    grey = read(tmp_path / "film.dcm", SIZE).pixels
    assert close(grey[:, 8:], PICTURE[:, 8:]) and not grey[:, :8].any()


WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": 2048, "WindowWidth": 0},
        {"WindowCenter": 2048},
        {"WindowCenter": None, "WindowWidth": None},
        {"VOILUTFunction": "CUBIC", **WINDOW},
        {"VOILUTFunction": "", **WINDOW},
        {"VOILUTSequence": Sequence([Dataset()])},
        {"VOILUTSequence": Sequence([Dataset()]), **WINDOW},
        {"VOILUTSequence": Sequence()},
        {"ModalityLUTSequence": Sequence([Dataset()])},
        {"RescaleSlope": 0, "RescaleIntercept": 0},
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"RescaleSlope": 0.0001, "WindowCenter": 0.2048, "WindowWidth": 0.4096},
        {"PhotometricInterpretation": "MONOCHROME 2"},
        {"PhotometricInterpretation": "monochrome2"},
        {"PresentationLUTShape": "LIN OD"},
    ],
    ids=str,
)
def test_dicom_of_odd_but_sound_display(tmp_path, expected, tags):
    films.save_dicom(tmp_path / "film.dcm", PICTURE, **tags)
    assert close(square(tmp_path / "film.dcm"), expected)


def test_dicom_monochrome_with_a_blank(tmp_path, expected):
    films.save_dicom(tmp_path / "film.dcm", 1 - PICTURE, PhotometricInterpretation="MONOCHROME 1")
    assert close(square(tmp_path / "film.dcm"), expected)
    assert read_header(tmp_path / "film.dcm").grey == "MONOCHROME1"


def test_dicom_in_colour_has_no_window(tmp_path, expected):
    colours = np.repeat(np.rint(PICTURE * 255).astype("u1")[..., None], 3, axis=-1)
    tags = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PixelData": colours.tobytes(), **WINDOW}
    films.save_dicom(tmp_path / "film.dcm", PICTURE, bits=8, PhotometricInterpretation="RGB", **tags)
    assert close(square(tmp_path / "film.dcm"), expected)


@pytest.mark.parametrize("bits", [8, 10])
def test_dicom_lut_that_says_too_few_bits(tmp_path, expected, bits):
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [4096, 0, bits], (4095 - np.arange(4096)).astype("<u2").tobytes()
    films.save_dicom(tmp_path / "film.dcm", 1 - PICTURE, VOILUTSequence=Sequence([item]))
    assert close(square(tmp_path / "film.dcm"), expected)


def test_dicom_lut_whose_first_value_is_negative_but_written_unsigned(tmp_path, expected):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 65536 - 2048, 16])
    item.add_new("LUTData", "OW", (65535 - np.arange(4096) * 16).astype("<u2").tobytes())
    films.save_dicom(tmp_path / "film.dcm", 1 - PICTURE, signed=True, VOILUTSequence=Sequence([item]))
    assert close(square(tmp_path / "film.dcm"), expected)


def test_dicom_with_zeros_behind_it(tmp_path, expected):
    films.save_dicom(tmp_path / "film.dcm", PICTURE)
    with open(tmp_path / "film.dcm", "ab") as stream:
        stream.write(bytes(50_000_000))
    started = time.monotonic()
    assert close(square(tmp_path / "film.dcm"), expected)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("syntax", ["implicit", "explicit"])
def test_dicom_without_preamble(tmp_path, expected, syntax):
    films.save_dicom(tmp_path / "whole.dcm", PICTURE, syntax)
    content = (tmp_path / "whole.dcm").read_bytes()
    length = int.from_bytes(content[140:144], "little")
    (tmp_path / "bare.dcm").write_bytes(content[144 + length :])
    (tmp_path / "with_meta.dcm").write_bytes(content[132:])
    assert close(square(tmp_path / "bare.dcm"), expected)
    assert close(square(tmp_path / "with_meta.dcm"), expected)


def test_dicom_whose_preamble_holds_a_tiff_header(tmp_path, expected):
    films.save_dicom(tmp_path / "film.dcm", PICTURE)
    content = (tmp_path / "film.dcm").read_bytes()
    (tmp_path / "film.dcm").write_bytes(b"II*\0" + content[4:])
    assert read_header(tmp_path / "film.dcm").format == "DICOM"
    assert close(square(tmp_path / "film.dcm"), expected)


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (["L", "F"], PICTURE),
        (["R", "F"], PICTURE[:, ::-1]),
        (["L", "H"], PICTURE[::-1]),
        (["R", "H"], PICTURE[::-1, ::-1]),
        (["F", "L"], PICTURE.T),
        (["LA", "F"], PICTURE),
        (["A", "F"], PICTURE),
    ],
)
def test_dicom_orientation(tmp_path, expected, orientation, stored):
    films.save_dicom(tmp_path / "film.dcm", np.ascontiguousarray(stored), PatientOrientation=orientation)
    assert close(square(tmp_path / "film.dcm"), expected)


@pytest.mark.parametrize(
    ("tags", "spacing"),
    [
        ({"PixelSpacing": [0.15, 0.15], "ImagerPixelSpacing": [0.2, 0.2]}, 0.15),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.2]}, 0.2),
        ({"ImagerPixelSpacing": [0.175, 0.175]}, 0.175),
        ({}, None),
    ],
)
def test_dicom_spacing(tmp_path, tags, spacing):
    films.save_dicom(tmp_path / "film.dcm", PICTURE, **tags)
    assert read_header(tmp_path / "film.dcm").spacing_mm == spacing


def test_pixels_that_are_not_square_are_made_so(tmp_path, expected):
    films.save_dicom(tmp_path / "film.dcm", np.repeat(PICTURE, 2, axis=0), PixelSpacing=[0.1, 0.2])
    assert close(square(tmp_path / "film.dcm"), expected, 0.05)


BOX = np.array([[8, 20], [24, 36]])  # left, top and right, bottom of a bright square, in stored pixels
MARKED = np.full((96, 72), 0.3)
MARKED[20:36, 8:24] = 0.95


def is_where_it_was_marked(path) -> bool:
    """Whether the bright square of MARKED lies on the letterboxed square where `on_square` puts its box."""
    rows, columns = np.nonzero(square(path, 96) > 0.8)
    seen = np.array([columns.mean() + 0.5, rows.mean() + 0.5]) / 48 - 1
    return np.allclose(seen, on_square(BOX, read_header(path)).mean(0), atol=0.02)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "L", {"quality": 97}),
        ("PNG", "L", {}),
        ("TIFF", "L", {}),
        ("TIFF", "L", {"compression": "tiff_lzw"}),
        ("TIFF", "CMYK", {}),
    ],
)
def test_a_point_of_a_stored_image_turns_with_it(tmp_path, kind, mode, options, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(np.rint(MARKED * 255).astype(np.uint8)).convert(mode).save(
        tmp_path / "film", kind, exif=exif, **options
    )
    assert read_header(tmp_path / "film").orientation == orientation
    assert is_where_it_was_marked(tmp_path / "film")


@pytest.mark.parametrize("orientation", ["L F", "R F", "L H", "R H", "F L", "F R", "H L", "H R"])
@pytest.mark.parametrize("spacing", [[0.15, 0.15], [0.3, 0.15], [0.15, 0.3]])
def test_a_point_of_a_stored_dicom_image_turns_with_it(tmp_path, orientation, spacing):
    films.save_dicom(tmp_path / "film", MARKED, PatientOrientation=orientation.split(), PixelSpacing=spacing)
    assert read(tmp_path / "film", SIZE).header == read_header(tmp_path / "film")
    assert is_where_it_was_marked(tmp_path / "film")


@pytest.mark.parametrize("orientation", [0, 9])
def test_an_orientation_that_is_none_turns_nothing(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    for kind in ("JPEG", "TIFF"):
        Image.fromarray(np.rint(MARKED * 255).astype(np.uint8)).save(tmp_path / kind, kind, exif=exif)
        assert read_header(tmp_path / kind).orientation == 1
        assert is_where_it_was_marked(tmp_path / kind)


def test_padding_value_is_black_in_monochrome1(tmp_path):
    values = 1 - PICTURE
    values[:20] = 0
    films.save_dicom(tmp_path / "film.dcm", values, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0)
    _, box = letterbox(read(tmp_path / "film.dcm", SIZE), SIZE)
    assert abs(box[0] - 20 * SIZE / 96) <= 1


def test_nothing_private_is_kept_of_a_header(tmp_path):
    private = {
        "PatientName": "Doe^Jane",
        "PatientBirthDate": "19500101",
        "PatientID": "12345",
        "InstitutionName": "St Elsewhere",
    }
    films.save_dicom(tmp_path / "film.dcm", PICTURE, ViewPosition="DOE JANE, HER NECK", **private)
    header = read_header(tmp_path / "film.dcm")
    assert set(header.private_fields) == set(private)
    text = repr(header)
    assert not any(word in text for word in ("Doe", "DOE", "1950", "12345", "Elsewhere"))


def test_letterbox_keeps_shape_and_tells_the_valid_box(tmp_path):
    framed = np.zeros((96, 72))
    framed[12:84, 9:63] = PICTURE[12:84, 9:63]
    films.save_png(tmp_path / "film.png", framed)
    pixels, box = letterbox(read(tmp_path / "film.png", 96), 96)
    assert pixels.shape == (96, 96) and pixels.dtype == np.uint16
    assert np.array_equal(box, [12, 12 + 9, 84, 12 + 63])
    assert not pixels[:, :12].any() and not pixels[:, 84:].any()


def test_a_dark_image_is_not_taken_for_border():
    dark = np.zeros((40, 40), np.float32)
    dark[18:22, 18:22] = 1
    assert np.array_equal(valid_area(dark), [0, 0, 40, 40])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.float32])
def test_reduction_is_the_mean_of_blocks(kind):
    pixels = (films.picture(1, 205, 157) * 250).astype(kind)
    reduced = reduce_blocks(pixels, 16)
    factor = 205 // 32
    trimmed = pixels[: 205 // factor * factor, : 157 // factor * factor].astype(float)
    blocks = trimmed.reshape(205 // factor, factor, 157 // factor, factor).mean(axis=(1, 3))
    assert np.allclose(reduced, blocks, rtol=1e-5)


CLEAN = Image.fromarray(np.rint(films.picture(5, 900, 700) * 230).astype(np.uint8))
NAMED = CLEAN.copy()
ImageDraw.Draw(NAMED).text((20, 20), "DOE JANE 01.01.1950 CERVICAL", fill=255, font=ImageFont.load_default(28))


def test_burnt_in_text_is_noticed():
    assert looks_like_text(np.asarray(NAMED))
    assert not looks_like_text(np.asarray(CLEAN))


@pytest.mark.parametrize(
    "save",
    [
        lambda path, grey: Image.fromarray(grey).save(path, "PNG"),
        lambda path, grey: Image.fromarray(grey).save(path, "JPEG", quality=90),
        lambda path, grey: Image.fromarray(grey).convert("RGB").save(path, "JPEG", quality=90),
        lambda path, grey: tifffile.imwrite(path, grey),
        lambda path, grey: tifffile.imwrite(path, 255 - grey, photometric="miniswhite"),
        lambda path, grey: tifffile.imwrite(path, 65535 - 257 * grey.astype(np.uint16), photometric="miniswhite"),
        lambda path, grey: films.save_dicom(path, 1 - grey / 255, PhotometricInterpretation="MONOCHROME1"),
    ],
    ids=["png", "jpeg", "colour_jpeg", "tiff", "white_is_zero", "white_is_zero_16", "monochrome1"],
)
def test_burnt_in_text_is_noticed_in_every_kind_of_file_however_small_it_is_wanted(tmp_path, save):
    for name, film in {"named": NAMED, "clean": CLEAN}.items():
        save(tmp_path / name, np.asarray(film))
    assert read(tmp_path / "named", SIZE).text_like
    assert not read(tmp_path / "clean", SIZE).text_like


def test_the_lines_of_the_docstring_run_as_they_stand(tmp_path, monkeypatch, capsys):
    for number in range(2):
        films.save_dicom(tmp_path / f"films/{number}.dcm", films.picture(number))
    monkeypatch.chdir(tmp_path)
    lines = re.search(r"(?:^    .*\n|^\n)+", radiographs.__doc__.partition("files:\n")[2], re.MULTILINE)[0]
    exec(textwrap.dedent(lines), {})  # noqa: S102
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["0.dcm", "1.dcm"]
