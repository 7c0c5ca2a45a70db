"""From the solid to a radiograph: view, Beer-Lambert, scatter, noise, look-up curve, marker and collimation.

Attenuation: NIST mass coefficients times the densities below. Shown in 01_data_audit.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter

from cervical_phantom.anatomy import Spine
from cervical_phantom.rays import Grid, Rays, Solids, View, chords, tiles, union_length
from cervical_phantom.surroundings import airway, large_bones, skull, soft_tissue

FILM_MM = (240.0, 180.0)  # height and width of the field; the square image is as high as the film

# Linear attenuation in 1/mm at 40, 50, 60, 80 keV (NIST; cortical bone of 1.92 g/cm³, soft tissue of 1.06).
KEV = np.array([40.0, 50.0, 60.0, 80.0])
MU_BONE = np.array([1.278, 0.814, 0.604, 0.428]) / 10
MU_SOFT = np.array([0.285, 0.240, 0.217, 0.193]) / 10
BEND_MM, BEND_LIMIT = 0.22, 0.6  # SD and limit of the irregularity of outlines on the detector (assumption)
# Sizes in mm of the textures' structures: trabeculae, clusters of them, muscle and fat (assumption).
TEXTURE_BANDS = ((0.55, 1.6), (1.5, 4.0), (5.0, 18.0))
GRAIN_MM = 10.0  # path at which the texture of spongy bone has its nominal strength; along a longer one it averages out
TRABECULAR_BONE = 0.42  # share of bone in the spongy part (assumption), the rest is marrow
EFFECTIVE_ENERGY = 0.68  # mean energy behind the patient per kVp (assumption for 3 mm Al and a neck)


@dataclass(frozen=True)
class Equipment:
    """One site's equipment; all values are assumptions within the range of acquisition facts.

    kvp: tube voltage; distance_mm: source to detector; photons: per mm² at the detector without patient, after its
    efficiency; scatter: share of the scattered beam that the grid lets through; blur_mm: SD of the detector's blur;
    bits: stored; slope, toe: of the look-up curve; automatic: share of a deviation from the target exposure that the
    unit takes back; detail: amplification of structures finer than DETAIL_MM; latitude: attenuation of those coarser
    than LATITUDE_MM; marker_mm: height of its lead letters.
    """

    kvp: float
    distance_mm: float
    photons: float
    scatter: float
    blur_mm: float
    bits: int
    slope: float
    toe: float
    automatic: float
    detail: float
    latitude: float
    marker_mm: float


EQUIPMENT = {
    "A": Equipment(
        kvp=75.0, distance_mm=1800.0, photons=60_000, scatter=0.35, blur_mm=0.16, bits=14, slope=1.6,
        toe=0.38, automatic=0.7, detail=1.2, latitude=0.5, marker_mm=11.0,
    ),
    "B": Equipment(
        kvp=70.0, distance_mm=1500.0, photons=35_000, scatter=0.65, blur_mm=0.30, bits=12, slope=1.9,
        toe=0.36, automatic=0.25, detail=0.6, latitude=0.25, marker_mm=15.0,
    ),
}  # fmt: skip


@dataclass
class Pose:
    """One image's geometry: angles in degrees, lengths in mm; side +1 shows the left foramina."""

    side: int
    anterior: bool
    rotation: float
    tube_angle: float
    tilt: float
    shift_right: float
    shift_down: float
    object_detector: float
    source_detector: float

    def view(self) -> View:
        """The view in patient coordinates, displayed as if the patient faced the reader.

        Posterior obliques: the beam enters in front on the shown side, rising with the tube's cephalad angle (RPO shows
        the left foramina). Anterior obliques: the same line the other way (RAO shows the right foramina).
        """
        a, t, r = np.radians([self.rotation, self.tube_angle, self.tilt])
        level = np.array([-self.side * np.sin(a), np.cos(a), 0.0])
        right = np.array([np.cos(a), self.side * np.sin(a), 0.0])
        beam = np.cos(t) * level + np.sin(t) * np.array([0, 0, 1.0])
        up = np.cos(t) * np.array([0, 0, 1.0]) - np.sin(t) * level
        right, up = np.cos(r) * right + np.sin(r) * up, np.cos(r) * up - np.sin(r) * right
        beam = -beam if self.anterior else beam
        enlargement = self.source_detector / (self.source_detector - self.object_detector)
        aim = (self.shift_right * right - self.shift_down * up) / enlargement
        source = -(self.source_detector - self.object_detector) * beam - aim
        return View(source, self.source_detector * beam, right, -up)


def attenuation(kvp: float) -> tuple[float, float, float]:
    """Linear attenuation (cortical bone, trabecular bone, soft tissue) in 1/mm at the tube voltage's mean energy."""
    energy = np.log(EFFECTIVE_ENERGY * kvp)
    bone, soft = (float(np.exp(np.interp(energy, np.log(KEV), np.log(mu)))) for mu in (MU_BONE, MU_SOFT))
    return bone, TRABECULAR_BONE * bone + (1 - TRABECULAR_BONE) * soft, soft


@lru_cache(maxsize=16)
def texture_bank(pitch: float, size: int, fine: float, coarse: float) -> np.ndarray:
    """A periodic band-pass field (size, size), SD 1, of structures between `fine` and `coarse` mm at `pitch` mm."""
    white = np.random.default_rng(20230112).standard_normal((size, size), dtype=np.float32)
    frequency = 2 * np.pi * np.hypot(fft.fftfreq(size)[:, None], fft.rfftfreq(size)) / pitch
    band = np.exp(-((frequency * fine) ** 2) / 2) - np.exp(-((frequency * coarse) ** 2) / 2)
    field = fft.irfft2(fft.rfft2(white) * band.astype(np.float32), (size, size))
    return field / field.std()


@lru_cache(maxsize=8)
def bend_bank(pitch: float, size: int, strength: float) -> np.ndarray:
    """A field (size, size) of mm by which rays are displaced on the detector so that outlines become irregular."""
    return np.clip(BEND_MM * strength * texture_bank(pitch, size, 2.0, 8.0), -BEND_LIMIT, BEND_LIMIT)


def bank_size(grid: Grid) -> int:
    """Size of the banks of textures for a raster: large enough that pieces of it differ."""
    return max(512, 1 << int(np.ceil(np.log2(1.5 * grid.rows))))


def piece(bank: np.ndarray, rng: np.random.Generator, grid: Grid) -> np.ndarray:
    """A random piece (rows, columns) of a bank, maybe turned round."""
    top, left = rng.integers(0, bank.shape[0] - grid.rows), rng.integers(0, bank.shape[1] - grid.columns)
    found = bank[top : top + grid.rows, left : left + grid.columns]
    return found[::-1, ::-1] if rng.random() < 0.5 else found


def raster(image_size: int, factor: int) -> Grid:
    """The film's raster: `factor` samples per pixel of the square image, of the film's width only."""
    pitch = FILM_MM[0] / image_size / factor
    margin = round(image_size * (1 - FILM_MM[1] / FILM_MM[0]) / 2)
    rows, columns = image_size * factor, (image_size - 2 * margin) * factor
    return Grid(rows, columns, pitch, -(columns - 1) / 2 * pitch, -(rows - 1) / 2 * pitch)


def path(
    solids: Solids,
    view: View,
    grid: Grid,
    bend: np.ndarray | None = None,
    group: np.ndarray | None = None,
    hollow: bool = True,
) -> list[np.ndarray]:
    """Path in mm through the union of the solids, and through what their cortex leaves, each (rows, columns).

    bend: (2, groups * rows * columns) mm by which the rays are displaced on the detector, which makes outlines
    irregular; group: (n,) which of the fields a solid sees. hollow False: the first path alone, where there is no
    cortex.
    """
    which, row, column = tiles(solids, view, grid, 0.0 if bend is None else BEND_LIMIT)
    size = grid.rows * grid.columns
    ray = row * grid.columns + column
    u = (grid.left + np.arange(grid.columns) * grid.pitch).astype(np.float32)[column]
    v = (grid.top + np.arange(grid.rows) * grid.pitch).astype(np.float32)[row]
    if bend is not None:
        assert group is not None, "a bend needs each solid's group"
        place = ray + np.repeat(group * size, np.bincount(which, minlength=len(solids)))
        u, v = u + bend[0][place], v + bend[1][place]
    distance = float(np.sqrt(view.centre @ view.centre))
    lengths, rays = [], Rays(which, ray, u, v)
    for shrink in (False, True)[: 1 + hollow]:
        rays, enter, leave = chords(solids, view, rays, shrink)
        length = union_length(rays.ray, enter, leave, size, distance)
        lengths.append(length.astype(np.float32).reshape(grid.rows, grid.columns))
    return lengths


@lru_cache(maxsize=32)
def interpolation(fine: int, coarse: int, step: int) -> np.ndarray:
    """Matrix (fine, coarse) of linear interpolation from every `step`-th sample."""
    where = np.arange(fine) / step
    return np.maximum(0, 1 - np.abs(where[:, None] - np.arange(coarse))).astype(np.float32)


def enlarge(small: np.ndarray, rows: int, columns: int, step: int) -> np.ndarray:
    """Linear interpolation (rows, columns) of values given at every `step`-th sample, the first included."""
    return interpolation(rows, small.shape[0], step) @ small @ interpolation(columns, small.shape[1], step).T


def coarse_path(solids: Solids, view: View, grid: Grid, step: int, hollow: bool) -> list[np.ndarray]:
    """`path` of large smooth solids, computed on every `step`-th ray and interpolated."""
    small = Grid(grid.rows // step + 2, grid.columns // step + 2, grid.pitch * step, grid.left, grid.top)
    return [enlarge(p, grid.rows, grid.columns, step) for p in path(solids, view, small, hollow=hollow)]


BEND_FIELDS = np.array([0, 1, 2, 1, 2, 0, 1, 2])  # by group: bones of the middle, of the left and of the right side


def line_integrals(
    spine: Spine, bones: Solids, view: View, grid: Grid, rng: np.random.Generator, strength: float
) -> dict[str, np.ndarray]:
    """Paths in mm through cortical bone, spongy bone and soft tissue, each (rows, columns).

    strength: of texture and irregular outlines, in units of the default.
    """
    size = bank_size(grid)
    bends = bend_bank(grid.pitch, size, strength)
    bend = np.stack([piece(bends, rng, grid) for _ in range(6)]).reshape(2, -1)
    outer, inner = path(bones, view, grid, bend, BEND_FIELDS[bones.tag // 100])
    jaw, marrow = coarse_path(large_bones(spine), view, grid, 3, True)
    vault, brain = coarse_path(skull(spine), view, grid, 3, True)
    body = coarse_path(soft_tissue(spine), view, grid, 5, False)[0]
    air = np.minimum(coarse_path(airway(spine), view, grid, 3, False)[0], body)
    fine, broad, clouds = (piece(texture_bank(grid.pitch, size, *band), rng, grid) for band in TEXTURE_BANDS)
    spongy = inner + marrow
    grain = strength * (0.09 * fine + 0.07 * broad) * np.sqrt(GRAIN_MM * (inner + marrow / 4))
    flesh = np.maximum(body - air - outer - jaw - (vault - brain), 0) * (1 + strength * (0.02 * clouds + 0.012 * broad))
    return {
        "cortex": (outer - inner + jaw - marrow) * np.maximum(1 + 0.06 * strength * broad, 0.2) + vault - brain,
        "spongy": np.maximum(spongy + grain, 0.2 * spongy),
        "soft": flesh,
    }


SCATTER_MM = 22.0  # SD of the scatter's spread on the detector (assumption)
SCATTERING = 0.15  # share of the open beam above which little tissue is left to scatter (assumption)


@dataclass
class Exposed:
    """What varies between exposures: log10 of the exposure against the target, factor on the look-up curve's slope,
    noise and scatter factors, and the collimated box (top, left, bottom, right) in mm from the film's centre.
    """

    log_exposure: float
    slope: float
    noise: float
    scatter: float
    box: tuple[float, float, float, float]


def detect(
    paths: dict[str, np.ndarray],
    equipment: Equipment,
    exposed: Exposed,
    pixel_mm: float,
    factor: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Signal at the detector in shares of the open beam's, (rows, columns) of the image: Beer-Lambert, scatter within
    the collimated field, detector blur, quantum noise of the exposure.
    """
    bone, trabecular, soft = attenuation(equipment.kvp)
    primary = np.exp(-(bone * paths["cortex"] + trabecular * paths["spongy"] + soft * paths["soft"]))
    rows, columns = primary.shape[0] // factor, primary.shape[1] // factor
    primary = gaussian_filter(primary, equipment.blur_mm * factor / pixel_mm)
    primary = primary.reshape(rows, factor, columns, factor).mean((1, 3))
    field = aperture(exposed.box, rows, columns, pixel_mm)
    small = primary * field
    every_fourth = np.pad(np.minimum(small, SCATTERING), (0, 4), mode="edge")[::4, ::4]
    haze = enlarge(gaussian_filter(every_fourth, SCATTER_MM / pixel_mm / 4), rows, columns, 4)
    signal = small + equipment.scatter * exposed.scatter * haze
    photons = equipment.photons * 10**exposed.log_exposure * pixel_mm**2
    noise = np.sqrt(signal / photons) * rng.standard_normal(signal.shape)
    return np.maximum(signal + exposed.noise * noise, 1e-5)


def aperture(box: Sequence[float], rows: int, columns: int, pixel_mm: float) -> np.ndarray:
    """The collimators' share of open beam (rows, columns), with a penumbra of about a millimetre."""
    y = (np.arange(rows) - (rows - 1) / 2) * pixel_mm
    x = (np.arange(columns) - (columns - 1) / 2) * pixel_mm
    top, left, bottom, right = box
    down = np.clip((y - top) / 1.5 + 0.5, 0, 1) * np.clip((bottom - y) / 1.5 + 0.5, 0, 1)
    across = np.clip((x - left) / 1.5 + 0.5, 0, 1) * np.clip((right - x) / 1.5 + 0.5, 0, 1)
    return down[:, None] * across


TARGET_SIGNAL = 0.06  # share of the open beam behind a neck, which the sites expose for
DETAIL_MM, LATITUDE_MM = 4.0, 16.0  # SD of the smoothing that parts fine from coarse structures (assumption)
DISPLAY = (0.02, 0.975)  # the exposed area is nowhere quite black (fog) nor quite white, as the collimated border is
CHAMBER_MM = (90.0, 60.0)  # height and width of the exposure meter's field on the detector


def look_up(signal: np.ndarray, equipment: Equipment, exposed: Exposed, pixel_mm: float) -> np.ndarray:
    """Display value 0 to 1, bone bright: a sigmoid of the log signal, as film and the usual digital curves have it.

    What the detector gets is off its target by the exposure's error and by the patient's thickness; the site's
    equipment takes back the share `automatic` of both, as seen by a chamber in the middle of the field.
    """
    rows, columns = signal.shape
    tall, wide = int(CHAMBER_MM[0] / 2 / pixel_mm), int(CHAMBER_MM[1] / 2 / pixel_mm)
    chamber = signal[rows // 2 - tall : rows // 2 + tall, columns // 2 - wide : columns // 2 + wide]
    density = np.log10(signal / TARGET_SIGNAL) + exposed.log_exposure
    density = density - equipment.automatic * (np.log10(chamber.mean() / TARGET_SIGNAL) + exposed.log_exposure)
    density = density + equipment.toe - 0.45
    fine = density - gaussian_filter(density, DETAIL_MM / pixel_mm)
    coarse = gaussian_filter(density, LATITUDE_MM / pixel_mm)
    density = density + equipment.detail * fine - equipment.latitude * coarse
    low, high = DISPLAY
    return low + (high - low) / (1 + np.exp(2.3 * equipment.slope * exposed.slope * density))


LEAD = 0.97  # share of the beam that a lead letter stops (assumption)
LETTERS: dict[str, list[list[tuple[float, float]]]] = {  # the strokes of each, from corner to corner
    "L": [[(0, 0), (0, 1), (0.6, 1)]],
    "R": [
        [(0, 0), (0, 1)],
        [(0, 0), (0.45, 0), (0.6, 0.13), (0.6, 0.37), (0.45, 0.5), (0, 0.5)],
        [(0.3, 0.5), (0.62, 1)],
    ],
}


def put_marker(
    signal: np.ndarray, letter: str, right: float, down: float, height: float, angle: float, pixel_mm: float
) -> None:
    """Shadow `signal` (rows, columns), in place, with a lead letter at (right, down) mm from the film's centre.

    height: of the letter in mm; angle: clockwise in radians.
    """
    rows, columns = signal.shape
    middle = np.array([down, right]) / pixel_mm + (np.array([rows, columns]) - 1) / 2
    reach = height / pixel_mm
    (top, left), (bottom, end) = (np.clip(middle + d, 0, (rows, columns)).astype(int) for d in (-reach, reach))
    y, x = (np.mgrid[top:bottom, left:end] - middle[:, None, None]) * (pixel_mm / height)
    across, along = np.cos(angle) * x + np.sin(angle) * y + 0.3, np.cos(angle) * y - np.sin(angle) * x + 0.5
    nearest = np.full(across.shape, np.inf)
    for (x0, y0), (x1, y1) in itertools.chain(*map(itertools.pairwise, LETTERS[letter])):
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((across - x0) * dx + (along - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        nearest = np.minimum(nearest, np.hypot(across - x0 - t * dx, along - y0 - t * dy))
    signal[top:bottom, left:end] *= 1 - LEAD * np.clip((0.09 - nearest) * height / pixel_mm + 0.5, 0, 1)
