"""What lies about the cervical spine: neck, head and shoulders, the airway, and the large bones. All assumptions.

Sizes scale with the person; the positions follow the spine, so that head and shoulders move with posture.
"""

import numpy as np

from cervical_phantom.anatomy import Spine, frame_along, unit
from cervical_phantom.rays import SolidList, Solids

UPRIGHT = np.eye(3)


def soft_tissue(spine: Spine) -> Solids:
    """Neck, head, face, shoulders and the slope between them."""
    s, (wide, deep), jaw = spine.person.scale, spine.person.neck, 3 * spine.person.jaw
    top, low, parts = spine.origin[0], spine.origin[6], SolidList()
    lean = np.array([0, 0.12, 1.0])
    parts.add((0, 2, 0), frame_along(lean, (0, 1, 0)), (wide, deep, np.inf), 0, [(unit(lean), 200)], 200)
    parts.add(top + (0, 8, 104 * s), UPRIGHT, (78 * s, 100 * s, 98 * s), 0)
    parts.add(top + (0, -50 * s, 16 * s + jaw), UPRIGHT, (50 * s, 46 * s, 34 * s), 0)
    parts.add(low + (0, 14, -66), UPRIGHT, (205 * s, 78, 72), 0)
    parts.add(low + (0, 10, -20), UPRIGHT, (105 * s, 60, 40), 0)
    return parts.solids()


def airway(spine: Spine) -> Solids:
    """Pharynx, trachea, the mouth's air and the apices of the lungs, which rise to the first thoracic vertebra."""
    s, top, low, front, parts = spine.person.scale, spine.origin[0], spine.origin[6], -spine.half_depth[2], SolidList()
    parts.add((0, front - 13 - 4 * s, 8), frame_along((0, 0.05, 1.0), (0, 1, 0)), (9 * s, 6 * s, 48 * s), 0)
    parts.add((0, front - 21 * s, -52), frame_along((0, -0.18, 1.0), (0, 1, 0)), (8 * s, 8 * s, 62), 0)
    parts.add(top + (0, -50 * s, 27 * s), UPRIGHT, (16 * s, 30 * s, 5 * s), 0)
    for side in (1, -1):
        parts.add(low + (side * 46 * s, -6, -74), frame_along((-side * 0.25, 0.1, 1)), (36 * s, 44 * s, 66), 0)
    return parts.solids()


def large_bones(spine: Spine) -> Solids:
    """Jaw, base of the skull with its mastoid and petrous parts, hyoid, first ribs and clavicles."""
    s, top, low, front, parts = spine.person.scale, spine.origin[0], spine.origin[6], -spine.half_depth[2], SolidList()
    parts.add((0, front - 41 * s, 8), UPRIGHT, (13 * s, 3.2, 4.5), 0, shell=0.8)
    parts.add(top + (0, 30 * s, 38 * s), frame_along((0, 1, -0.25)), (30 * s, 5 * s, 34 * s), 0, shell=1.5)
    parts.add(top + (0, -2 * s, 46 * s), frame_along((0, -1, 0.6)), (11 * s, 6 * s, 24 * s), 0, shell=1.0)
    _jaw(parts, top + (0, 0, 3 * spine.person.jaw), s)
    for side in (1, -1):
        parts.add(
            top + (side * 50 * s, 14 * s, 28 * s), frame_along((0, -0.25, 1)), (9 * s, 13 * s, 21 * s), 0, shell=0.8
        )
        parts.add(
            top + (side * 32 * s, 6 * s, 41 * s), frame_along((side, -0.6, 0)), (8 * s, 7 * s, 28 * s), 0, shell=1.0
        )
        parts.add(
            (side * 13 * s, front - 30 * s, 11), frame_along((side * 0.5, 1, 0.25)), (1.5, 2.2, 14 * s), 0, shell=0.8
        )
        parts.add(low + (side * 48 * s, 4, -14), frame_along((side, -0.7, -0.5)), (5, 3.2, 36 * s), 0, shell=0.9)
        parts.add(low + (side * 75 * s, -34, -36), frame_along((side, 0.35, 0.18)), (5.5, 5.5, 72 * s), 0, shell=1.4)
    return parts.solids()


def _jaw(parts: SolidList, top: np.ndarray, s: float) -> None:
    """Mandible: on each side a ramus from the condyle to the angle and a body with its teeth, and the chin between."""
    parts.add(top + np.array([0, -80, -10]) * s, UPRIGHT, (17 * s, 7 * s, 13 * s), 0, shell=1.8)
    for side in (1, -1):
        condyle, angle, chin = (
            np.array([side * x, y, z]) * s for x, y, z in ((50, -9, 48), (46, -22, 0), (14, -80, -10))
        )
        for start, end, up, thick, wide in (
            (condyle, angle, (0, 1, 0), 4.0, 15.0),
            (angle, chin, (0, 0, 1), 5.5, 13.0),
        ):
            run, reach = unit(end - start), 3 + float(np.linalg.norm(end - start)) / 2
            frame, semi = frame_along(run, up), (thick * s, wide * s, np.inf)
            parts.add(top + (start + end) / 2, frame, semi, 0, [(run, reach)], reach, 1.5)
        teeth = 0.4 * angle + 0.6 * chin + (0, 0, 16 * s)
        parts.add(top + teeth, frame_along(chin - angle), (3.5 * s, 8 * s, 22 * s), 0, shell=2.0)


def skull(spine: Spine) -> Solids:
    """The vault with its base plate, which rises forwards from the occiput: thick bone about a brain."""
    s, lean = spine.person.scale, unit((0, 0.42, 1.0))
    vault = SolidList()
    vault.add(
        spine.origin[0] + (0, 6, 112 * s),
        frame_along(lean, (0, 1, 0)),
        (70 * s, 90 * s, 82 * s),
        0,
        [(lean, 68 * s)],
        shell=3.2,
    )
    return vault.solids()
