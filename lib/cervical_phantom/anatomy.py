"""A parametric cervical spine, C1 to T2, with its skull, jaw, hyoid, ribs and soft tissue, as convex solids.

Patient coordinates in mm: x to the patient's left, y backwards, z up; the origin is the body of C4. Published sizes are
in `literature`; what no source gives is marked as an assumption there. Shown in 01_data_audit.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from cervical_phantom.rays import SolidList, Solids, cross

VERTEBRAE = ("C2", "C3", "C4", "C5", "C6", "C7", "T1", "T2")
LEVELS = ("C2/3", "C3/4", "C4/5", "C5/6", "C6/7", "C7/T1")
SIDES = {"L": 1, "R": -1}  # sign of x

# Normal foramen, mm (Abu Ghaida et al., n = 320), and the angle that opens it best (PubMed 19190430: 46.3° to
# 56.1°).
FORAMEN_HEIGHT = np.array([10.15, 8.09, 8.00, 8.18, 8.43, 7.97])
FORAMEN_WIDTH = np.array([6.34, 5.73, 6.03, 6.11, 6.83, 7.33])
FORAMEN_ANGLE = np.radians(np.linspace(46.3, 56.1, 6))
FORAMEN_SLOPE = np.radians(12.0)  # caudal slope of the foramen's axis (assumption; why the tube is angled)

BODY_HALF_WIDTH = np.array([9.0, 9.0, 9.4, 9.9, 10.6, 11.5, 12.5, 12.8])
BODY_HALF_DEPTH = np.array([7.4, 7.1, 7.1, 7.2, 7.5, 7.8, 8.2, 8.6])
BODY_HALF_HEIGHT = np.array([7.5, 5.6, 5.5, 5.4, 5.6, 6.2, 7.2, 7.8])
DISC_HEIGHT = np.array([4.4, 4.4, 4.6, 4.7, 4.8, 4.6, 4.4])
SPINOUS_LENGTH = np.array([17.0, 12.0, 12.0, 14.0, 19.0, 29.0, 31.0, 32.0])
SPINOUS_SLOPE = np.radians([18.0, 22.0, 22.0, 22.0, 22.0, 18.0, 28.0, 38.0])
BIFID = np.array([True, True, True, True, True, False, False, False])
OUTLET = 5.0  # mm along the foramen's axis from the body's origin to its narrowest part (assumption)

NEUTRAL = np.zeros((2, 7))  # no bend beyond the lordosis

# What a solid belongs to (tag = 100 * group + vertebra or level).
BONE, NEAR_LEFT, NEAR_RIGHT, SPUR_LEFT, SPUR_RIGHT, OTHER, PROCESS_LEFT, PROCESS_RIGHT = range(8)


@dataclass
class Person:
    """What one patient is made of, before disease: sizes in mm, arrays by vertebra (8), level (6) or level and side."""

    age: float
    female: bool
    scale: float
    lordosis: float
    inclination: float
    neck: np.ndarray
    width: np.ndarray
    height: np.ndarray
    angle: np.ndarray
    root: float
    jaw: float


@dataclass
class Narrowing:
    """Disease of one patient: fractions (6, 2) by level and side; `signs` and `growth` (6,) by level.

    front, back: share of the foramen's width lost to uncovertebral and facet bone; soft: share lost to soft disc (not
    visible); signs: share of the disc's height lost; growth: size of anterior osteophytes, 0 to 1.
    """

    front: np.ndarray
    back: np.ndarray
    soft: np.ndarray
    signs: np.ndarray
    growth: np.ndarray


@dataclass
class Foramen:
    """Centre, axes (across: front to back; axis: outwards; up) and healthy size in mm of one foramen."""

    centre: np.ndarray
    across: np.ndarray
    axis: np.ndarray
    up: np.ndarray
    width: float
    height: float


def rotation_x(angle: float) -> np.ndarray:
    """Rows are the axes (left, back, up) of a vertebra tipped backwards by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]])


def rotation_y(angle: float) -> np.ndarray:
    """Turns the rows (left, back, up) of a vertebra by `angle` radians to the left, about its axis to the back."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, -s], [0, 1.0, 0], [s, 0, c]])


def unit(vector: ArrayLike) -> np.ndarray:
    """The vector scaled to length 1."""
    vector = np.asarray(vector, dtype=float)
    return vector / np.sqrt(vector @ vector)


def frame_along(axis: ArrayLike, up: ArrayLike = (0.0, 0.0, 1.0)) -> np.ndarray:
    """Rows: two axes across and `axis` last; the first is as level as `up` allows."""
    third = unit(axis)
    first = unit(cross(np.asarray(up), third))
    return np.array([first, cross(third, first), third])


class Spine:
    """Positions of the vertebrae and foramina of a person with their disease, and the solids they are made of.

    posture (2, 7): radians by which each vertebra, C2 first, is bent backwards and to the left on the one below, beyond
    the person's lordosis.
    """

    def __init__(self, person: Person, narrowing: Narrowing, posture: ArrayLike = NEUTRAL):
        self.person, self.narrowing = person, narrowing
        s = person.scale
        self.half_width, self.half_depth = BODY_HALF_WIDTH * s, BODY_HALF_DEPTH * s
        self.half_height = BODY_HALF_HEIGHT * s
        self.healthy_disc = DISC_HEIGHT * s
        loss = np.append(narrowing.signs, 0.0)
        self.disc = self.healthy_disc * (1 - loss)
        self._stack(np.asarray(posture))
        self._pedicles()
        self.foramina = {(level, side): self._foramen(level, side) for level in range(6) for side in (1, -1)}

    def _stack(self, posture: np.ndarray) -> None:
        """Stack the vertebrae from C4 up and down along the lordotic curve."""
        backwards, aside = (np.concatenate([np.cumsum(bent[::-1])[::-1], [0.0]]) for bent in posture)
        tilt = self.person.inclination + self.person.lordosis * (3 - np.arange(8)) / 5 + backwards - backwards[2]
        self.axes = np.array([
            rotation_y(b) @ rotation_x(a) for a, b in zip(tilt, aside - aside[2], strict=True)
        ])  # fmt: skip
        self.origin = np.zeros((8, 3))
        for v in range(2, 7):
            self.origin[v + 1] = self.origin[v] - self._step(v)
        for v in (1, 0):
            self.origin[v] = self.origin[v + 1] + self._step(v)

    def _step(self, v: int) -> np.ndarray:
        half = self.half_height
        return (
            half[v] * self.axes[v, 2]
            + half[v + 1] * self.axes[v + 1, 2]
            + self.disc[v] * unit(self.axes[v, 2] + self.axes[v + 1, 2])
        )

    def _pedicles(self) -> None:
        """Heights of the pedicles above and below their centre, so that the foramina between them have their height."""
        pitch = self.half_height[:-1] + self.half_height[1:] + self.healthy_disc
        height = self.person.height.mean(1)
        self.pedicle_z = 0.18 * self.half_height
        bar = pitch[:6] - height
        below = np.append(bar, bar[-1] * np.ones(2)) / 2
        above = np.concatenate([[bar[0] + 1], bar, [bar[-1]]]) / 2
        shift = np.append(self.pedicle_z[:6] - self.pedicle_z[1:7], 0.0)
        below[:6] += shift[:6] / 2
        above[1:7] += shift[:6] / 2
        self.pedicle_top = self.pedicle_z + above
        self.pedicle_bottom = self.pedicle_z - below

    def edge(self, v: int, angle: float) -> float:
        """Distance from the body's axis to its back edge across an oblique view at `angle` from the frontal one."""
        return float(np.hypot(self.half_width[v] * np.cos(angle), self.half_depth[v] * np.sin(angle))) * 0.97

    def oblique(self, v: int, level: int, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Unit vectors at vertebra v for a level: across the foramen (front to back), along its axis (outwards), up."""
        c, s = np.cos(self.person.angle[level]), np.sin(self.person.angle[level])
        left, back, up = self.axes[v]
        return side * c * left + s * back, side * s * left - c * back, up

    def at(self, v: int, x: float, y: float, z: float) -> np.ndarray:
        """Patient coordinates of a point in the frame of vertebra v."""
        return self.origin[v] + np.array([x, y, z]) @ self.axes[v]

    def _foramen(self, level: int, side: int) -> Foramen:
        """One foramen, in the frame of its lower vertebra."""
        v, k = level + 1, 0 if side > 0 else 1
        across, along, up = self.oblique(v, level, side)
        width = self.person.width[level, k]
        height = self.person.height[level, k] - (self.healthy_disc[level] - self.disc[level])
        front = max(self.edge(v, self.person.angle[level]), self.edge(level, self.person.angle[level]))
        middle = self.pedicle_top[v] + height / 2
        centre = self.origin[v] + (front + width / 2) * across + OUTLET * along + middle * up
        axis = np.cos(FORAMEN_SLOPE) * along - np.sin(FORAMEN_SLOPE) * up
        return Foramen(centre, across, axis, cross(axis, across) * side, width, height)

    def solids(self) -> Solids:
        """Every bone from C1 to T2 with its spurs, tagged by group and vertebra."""
        parts = SolidList()
        for v in range(len(VERTEBRAE)):
            self._body(parts, v)
            self._spinous(parts, v)
            for side in (1, -1):
                self._arch(parts, v, side)
                self._transverse(parts, v, side)
        self._atlas(parts)
        for level in range(6):
            self._anterior_osteophytes(parts, level)
            for side in (1, -1):
                self._spurs(parts, level, side)
        return parts.solids()

    def carry(self, bones: Solids, other: "Spine") -> Solids:
        """The solids of the same person in another posture: each bone moves with its vertebra, spurs with the lower."""
        group, v = np.divmod(bones.tag, 100)
        v = v + np.isin(group, (SPUR_LEFT, SPUR_RIGHT))
        turn = other.axes[v].transpose(0, 2, 1) @ self.axes[v]
        centre = self.origin[v] + ((bones.centre - other.origin[v])[:, None] @ turn)[:, 0]
        return replace(bones, centre=centre, frame=bones.frame @ turn, normal=bones.normal @ turn)

    def discs(self) -> Solids:
        """The discs, which close the foramen in front although a radiograph does not show them."""
        parts = SolidList()
        for v in range(6):
            mean = unit(self.axes[v, 2] + self.axes[v + 1, 2])
            centre = self.origin[v] - (self.half_height[v] + self.disc[v] / 2) * mean
            half = self.disc[v] / 2 + 1.0
            parts.add(
                centre,
                self.axes[v],
                (self.half_width[v], self.half_depth[v], np.inf),
                100 * BONE + v,
                [(self.axes[v, 2], half)],
                half,
            )
        return parts.solids()

    def _body(self, parts: SolidList, v: int) -> None:
        """Waisted body with endplate rims and a flat back wall."""
        w, d, h = self.half_width[v], self.half_depth[v], self.half_height[v]
        axes, tag = self.axes[v], 100 * BONE + v
        wall = (axes[1], d * 0.93)
        parts.add(self.origin[v], axes, (0.92 * w, 0.94 * d, np.inf), tag, [(axes[2], h), wall], h, 0.55)
        rim = 1.1
        for sign, size in ((1, 1.0), (-1, 0.98)):
            centre = self.origin[v] + sign * (h - rim) * axes[2]
            parts.add(centre, axes, (size * w, size * d, np.inf), tag, [(axes[2], rim), wall], rim, 0.5)
        if v == 0:
            self._dens(parts)

    def _dens(self, parts: SolidList) -> None:
        s, axes = self.person.scale, self.axes[0]
        tip = self.origin[0] + (self.half_height[0] + 6 * s) * axes[2]
        parts.add(tip, axes, (4.6 * s, 5.0 * s, 10.5 * s), 100 * BONE, shell=0.8)

    def _arch(self, parts: SolidList, v: int, side: int) -> None:
        """Uncinate process, pedicle, articular pillar and lamina of one side."""
        s, axes = self.person.scale, self.axes[v]
        tag = 100 * (NEAR_LEFT if side > 0 else NEAR_RIGHT) + v
        level, k = min(max(v - 1, 0), 5), 0 if side > 0 else 1
        across, along, up = self.oblique(v, level, side)
        edge, width = self.edge(v, self.person.angle[level]), self.person.width[level, k]
        if 1 <= v <= 6:
            where = self.at(v, side * (self.half_width[v] - 1.8 * s), 1.5 * s, self.half_height[v] + 0.6 * s)
            parts.add(where, axes, (1.7 * s, 4.6 * s, 3.4 * s), tag, shell=1.0)
        top, bottom = self.pedicle_top[v], self.pedicle_bottom[v]
        middle = self.origin[v] + (edge + width / 2) * across + (OUTLET - 0.5) * along + (top + bottom) / 2 * up
        length = width / 2 + 4.5 * s
        parts.add(
            middle,
            frame_along(across, axes[2]),
            (2.6 * s, (top - bottom) / 2, np.inf),
            tag,
            [(across, length)],
            length,
            1.6,
        )
        for sign in (-1, 1):  # where it flares into body and pillar, which rounds the foramen's corners
            parts.add(
                middle + sign * (width / 2 + 1.0) * across,
                np.array([along, axes[2], across]),
                (2.4 * s, (top - bottom) / 2 + 1.7 * s, 3.2 * s),
                tag,
                shell=1.6,
            )
        below = min(v, 5)
        behind = max(
            max(edge, self.edge(max(v - 1, 0), self.person.angle[level])) + width,
            self.edge(below + 1, self.person.angle[below]) + self.person.width[below, k] - 0.6,
        )
        pillar = self.origin[v] + (behind + 4.9 * s) * across + OUTLET * along
        self._pillar(parts, v, pillar, tag, along)
        tip = self.at(v, 0.8 * side, 27.5 * s + self.half_depth[v] - 7, -1.0)
        start = pillar + 0.5 * along - 1.5 * axes[2]
        run = tip - start
        length = np.sqrt(run @ run) / 2
        parts.add(
            (start + tip) / 2,
            frame_along(run, axes[2]),
            (1.9 * s, 5.2 * s, np.inf),
            tag,
            [(unit(run), length)],
            length,
            0.75,
        )

    def _pillar(self, parts: SolidList, v: int, centre: np.ndarray, tag: int, along: np.ndarray) -> None:
        """Articular pillar: a column cut by the two facet joints, which fall backwards by about 45°."""
        s, axes = self.person.scale, self.axes[v]
        pitch_above = self.half_height[max(v - 1, 0)] + self.half_height[v] + self.disc[max(v - 1, 0)]
        pitch_below = self.half_height[v] + self.half_height[min(v + 1, 7)] + self.disc[min(v, 6)]
        slant = np.radians(40 + 3.0 * v)
        normal = np.cos(slant) * axes[2] + np.sin(slant) * axes[1]
        half = (pitch_above + pitch_below) / 4 * np.cos(slant) - 0.55
        middle = centre + ((pitch_above - pitch_below) / 4 - 0.8 * s) * axes[2]
        frame = np.array([along, cross(axes[2], along), axes[2]])
        parts.add(middle, frame, (6.3 * s, 4.9 * s, np.inf), tag, [(normal, half), (axes[2], 9.5 * s)], 9.5 * s, 1.5)

    def _spinous(self, parts: SolidList, v: int) -> None:
        """Spinous process: a keel that tapers, with two tubercles where it is bifid and one knob where it is not."""
        s, axes = self.person.scale, self.axes[v]
        base = self.at(v, 0, 26.0 * s + self.half_depth[v] - 7, -1.5 * s)
        direction = np.cos(SPINOUS_SLOPE[v]) * axes[1] - np.sin(SPINOUS_SLOPE[v]) * axes[2]
        length, tag = SPINOUS_LENGTH[v] * s, 100 * OTHER + v
        tall = (6.5 if v == 0 else 4.2) * s
        frame = np.array([axes[0], cross(direction, axes[0]), direction])
        parts.add(base + 0.28 * length * direction, frame, (3.1 * s, tall, 0.5 * length), tag, shell=1.0)
        parts.add(base + 0.55 * length * direction, frame, (2.0 * s, tall * 0.72, 0.48 * length), tag, shell=0.9)
        ends = (-1, 1) if BIFID[v] else (0,)
        for sign in ends:
            spread = unit(direction + 0.55 * sign * axes[0] - 0.15 * axes[2])
            end = base + (0.86 * length) * direction + 2.6 * s * sign * axes[0]
            round_frame = frame_along(spread, axes[2])
            size = (2.2 * s, 2.7 * s, 5.0 * s) if sign else (3.2 * s, 4.0 * s, 5.5 * s)
            parts.add(end, round_frame, size, tag, shell=0.9)

    def _transverse(self, parts: SolidList, v: int, side: int) -> None:
        """Anterior and posterior bars with their tubercles; long and plain at the thoracic vertebrae."""
        s, axes = self.person.scale, self.axes[v]
        tag = 100 * (PROCESS_LEFT if side > 0 else PROCESS_RIGHT) + v
        if v >= 6:
            reach = self.at(v, side * 27 * s, 12 * s, 3 * s)
            frame = frame_along(side * axes[0] + 0.35 * axes[1], axes[2])
            parts.add(reach, frame, (4.5 * s, 5 * s, 13 * s), tag, shell=0.7)
            return
        size = 1.0 + 0.35 * (v == 5)
        lateral = unit(side * axes[0] - 0.1 * axes[1] - 0.25 * axes[2])
        half = self.half_width[v]
        bars = (
            ((half + 4.0, -1.0, -0.5), (1.7, 1.9, 5.2)),
            ((half + 8.2, 4.6, -1.3), (1.6, 1.9, 4.6 * size)),
            ((half + 8.0, -1.8, -2.0), (2.0, 2.6, 2.6)),
            ((half + 11.8 * size, 4.0, -3.0), (2.0, 2.3, 2.6)),
        )
        for (x, y, z), semi in bars:
            parts.add(
                self.at(v, side * x * s, y * s, z * s),
                frame_along(lateral, axes[2]),
                tuple(a * s for a in semi),
                tag,
                shell=0.6,
            )

    def _atlas(self, parts: SolidList) -> None:
        """C1: lateral masses, the two arches and transverse processes."""
        s, axes = self.person.scale, self.axes[0]
        z, tag = self.half_height[0] + 8.5 * s, 100 * OTHER
        parts.add(self.at(0, 0, -6.5 * s, z), axes, (9 * s, 2.6 * s, 4.5 * s), tag, shell=0.9)
        for side in (1, -1):
            parts.add(self.at(0, side * 17 * s, 3 * s, z - 1), axes, (7 * s, 8.5 * s, 7 * s), tag, shell=0.8)
            parts.add(self.at(0, side * 30 * s, 3 * s, z - 2), axes, (8 * s, 4 * s, 4 * s), tag, shell=0.7)
            run = np.array([-side * 16, 19.0, 0]) @ axes
            parts.add(
                self.at(0, side * 10 * s, 21 * s, z),
                frame_along(run, axes[2]),
                (2.6 * s, 4 * s, 14 * s),
                tag,
                shell=0.9,
            )
            root = self.at(0, side * 15 * s, 5 * s, -self.half_height[0] * 0.1)
            parts.add(root + 6 * s * axes[2], axes, (7 * s, 7 * s, 6 * s), 100 * OTHER, shell=0.7)

    def _spurs(self, parts: SolidList, level: int, side: int) -> None:
        """Uncovertebral osteophyte in front and hypertrophic facet behind, reaching into one foramen."""
        s, k = self.person.scale, 0 if side > 0 else 1
        f = self.foramina[level, side]
        tag = 100 * (SPUR_LEFT if side > 0 else SPUR_RIGHT) + level
        frame = np.array([f.across, f.axis, f.up])
        lost = f.width * np.array([self.narrowing.front[level, k], self.narrowing.back[level, k]])
        for reach, sign, along, tall, rise in ((lost[0], -1, -0.5, 0.40, -0.10), (lost[1], 1, 0.0, 0.42, 0.04)):
            if reach > 0.05:
                centre = f.centre + sign * (f.width / 2 + 1.2) * f.across + along * f.axis
                centre = centre + rise * f.height * f.up
                parts.add(centre, frame, (reach + 1.2, 3.6 * s, tall * f.height), tag, shell=2.2)

    def _anterior_osteophytes(self, parts: SolidList, level: int) -> None:
        """Beaks at the front rims of a degenerated disc; they do not touch the foramen."""
        size = self.narrowing.growth[level]
        if size < 0.02:
            return
        for v, sign in ((level, -1), (level + 1, 1)):
            axes = self.axes[v]
            where = self.at(v, 0, -self.half_depth[v] - 0.5 * size, sign * (self.half_height[v] - 1.0))
            frame = frame_along(-axes[1] - 0.45 * sign * axes[2], axes[2])
            parts.add(
                where, frame, (0.7 * self.half_width[v], 1.2 + 0.6 * size, 1.0 + 4.5 * size), 100 * BONE + v, shell=0.7
            )
