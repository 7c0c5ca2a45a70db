"""One patient of the cohort: every draw, the grades and the label, and the truth of each of their images.

Used by `patients` and, in 01_data_audit, by `pictures`.
"""

from dataclasses import asdict

import numpy as np

from cervical_phantom import acquisition as acq
from cervical_phantom.anatomy import LEVELS, SIDES, Narrowing, Spine
from cervical_phantom.disease import CUTS, called_stenotic, draw_narrowing, draw_person, free_share, grade, stream
from cervical_phantom.foramina import openings
from cervical_phantom.parameters import SyntheticCohort
from cervical_phantom.rays import View

VIEWS = {("L", False): "RPO", ("R", False): "LPO", ("L", True): "LAO", ("R", True): "RAO"}


def draw_pose(parameters: SyntheticCohort, patient: int, side: int, anterior: bool, site: str) -> acq.Pose:
    """How one image's patient stood."""
    p = parameters.positioning
    z = stream(parameters.seed, patient, "positioning", 1 if side > 0 else 2).standard_normal(6)
    return acq.Pose(
        side=side,
        anterior=anterior,
        rotation=p.rotation_deg + p.rotation_sd_deg * z[0],
        tube_angle=p.tube_angle_deg + p.tube_angle_sd_deg * z[1],
        tilt=p.tilt_sd_deg * z[2],
        shift_right=p.shift_sd_mm * z[3],
        shift_down=p.shift_sd_mm * z[4],
        object_detector=float(np.clip(p.object_detector_mm + p.object_detector_sd_mm * z[5], 60, 500)),
        source_detector=acq.EQUIPMENT[site].distance_mm,
    )


def draw_posture(parameters: SyntheticCohort, patient: int, side: int) -> np.ndarray:
    """How the neck was bent for one image, against the scan (see `anatomy.Spine`)."""
    z = stream(parameters.seed, patient, "posture", 1 if side > 0 else 2).standard_normal((2, 7))
    return np.radians(parameters.positioning.posture_sd_deg) * z


def draw_exposure(parameters: SyntheticCohort, patient: int, side: int) -> acq.Exposed:
    """How one image was exposed and collimated (the collimated box in mm from the film's centre)."""
    e = parameters.exposure
    rng = stream(parameters.seed, patient, "exposure", 1 if side > 0 else 2)
    z, edge = rng.standard_normal(2), rng.random(4)
    height, width = acq.FILM_MM
    box = (-height / 2 + 14 * edge[0], -width / 2 + 16 * edge[1], height / 2 - 14 * edge[2], width / 2 - 16 * edge[3])
    return acq.Exposed(
        log_exposure=e.exposure_sd * z[0],
        slope=float(np.exp(e.contrast_sd * z[1])),
        noise=e.noise,
        scatter=e.scatter,
        box=box,
    )


def draw_marker(parameters: SyntheticCohort, patient: int, side: int, anterior: bool, stenotic: bool) -> dict:
    """Whether and where the lead letter lies; it names the side nearest the detector."""
    m = parameters.marker
    rng = stream(parameters.seed, patient, "marker", 1 if side > 0 else 2)
    chance = np.clip(m.present_share + m.label_correlation * (stenotic - 0.5), 0, 1)
    near_left = (side > 0) == anterior
    return {
        "marker_present": bool(rng.random() < chance),
        "marker_letter": "L" if near_left else "R",
        "marker_right": (1 if near_left else -1) * (60 + 8 * rng.random()),
        "marker_down": -78 + 110 * rng.random(),
        "marker_angle": np.radians(6) * rng.standard_normal(),
    }


def pose_in_image(spine: Spine, view: View, side: int) -> dict:
    """The foraminal column C3/4 to C6/7 as a 2-D similarity in normalised image coordinates.

    x to the right and y down, -1 to 1 over the square image (as torch's affine_grid). pose_angle (radians) turns the
    vertical clockwise onto the column; pose_scale is half the column's length.
    """
    ends = view.project(np.array([spine.foramina[level, side].centre for level in (1, 2, 3, 4)]))
    ends = ends / (acq.FILM_MM[0] / 2)
    run = ends[-1] - ends[0]
    x, y = ends.mean(0)
    return {"pose_x": x, "pose_y": y, "pose_angle": np.arctan2(-run[0], run[1]), "pose_scale": np.hypot(*run) / 2}


class Case:
    """One patient: anatomy, disease, site, the scan that gives the grades, and `spines` and `bones` as each image
    found them.

    narrowing: a disease to give the patient instead of their own (for the figures of 01_data_audit).
    """

    def __init__(self, parameters: SyntheticCohort, patient: int, narrowing: Narrowing | None = None):
        self.parameters, self.patient = parameters, patient
        self.person = draw_person(parameters, patient)
        self.narrowing = narrowing or draw_narrowing(parameters, patient, self.person.age)
        rng = stream(parameters.seed, patient, "laterality")
        shown = rng.random(2) < (parameters.laterality.left_share, parameters.laterality.right_share)
        self.sides = [name for name, taken in zip(("L", "R"), shown, strict=True) if taken]
        self.anterior = bool(rng.random() < parameters.laterality.anterior_share)
        scanned = Spine(self.person, self.narrowing)
        bones = scanned.solids()
        solid = openings(scanned, bones, [(side, None) for side in SIDES.values()])
        self.solid = dict(zip(SIDES, solid, strict=True))
        self.free = {name: self._free(name) for name in SIDES}
        self.cut = float(CUTS[parameters.label.minimum_grade - 1])
        self.stenotic = {name: self._deciding(free) <= self.cut for name, free in self.free.items()}
        site = parameters.site
        chance = np.clip(site.b_share + site.label_correlation * (max(self.stenotic.values()) - 0.5), 0, 1)
        self.site = "B" if stream(parameters.seed, patient, "site").random() < chance else "A"
        self.poses = {n: draw_pose(parameters, patient, SIDES[n], self.anterior, self.site) for n in self.sides}
        self.spines = {
            n: Spine(self.person, self.narrowing, draw_posture(parameters, patient, SIDES[n])) for n in self.sides
        }
        self.bones = {n: spine.carry(bones, scanned) for n, spine in self.spines.items()}
        self.projected = {
            n: openings(self.spines[n], self.bones[n], [(pose.side, pose.view())])[0] for n, pose in self.poses.items()
        }

    def _free(self, name: str, visible: bool = False) -> np.ndarray:
        k = list(SIDES).index(name)
        soft = self.narrowing.soft[:, k] * self.person.width[:, k] * (not visible)
        narrowest = np.array([o.narrowest for o in self.solid[name]])
        return free_share(narrowest, soft, self.parameters.label.nerve_root_mm * self.person.root)

    def _deciding(self, free: np.ndarray) -> float:
        """The least free share among the counted levels; at or below the cut the image is stenotic."""
        return float(min(free[LEVELS.index(name)] for name in self.parameters.label.levels))

    def row(self, name: str) -> dict:
        """Manifest and truth of the image that shows side `name`."""
        side, k, p = SIDES[name], list(SIDES).index(name), self.parameters
        pose = self.poses[name]
        view = pose.view()
        stenotic = self.stenotic[name]
        free, visible = self._deciding(self.free[name]), self._deciding(self._free(name, visible=True))
        called = called_stenotic(free, self.cut, p.label.kappa)
        patient_id = f"S{self.patient:06d}"
        row = {
            "image_id": f"{patient_id}_{name}",
            "image_path": "",
            "patient_id": patient_id,
            "label": int(stream(p.seed, self.patient, "label", 1 + k).random() < called),
            "side": name,
            "view": VIEWS[name, self.anterior],
            "site": self.site,
            "age": round(self.person.age, 1),
            "sex": "F" if self.person.female else "M",
            "label_before_noise": int(stenotic),
            "label_visible": int(visible <= self.cut),
            "visible_probability": called_stenotic(visible, self.cut, p.label.kappa),
            "free_share": free,
        }
        row |= self._level_truth(name)
        row |= {key: value for key, value in asdict(pose).items() if key not in ("side", "anterior")}
        row["magnification"] = float(view.magnification(np.zeros((1, 3)))[0])
        row |= pose_in_image(self.spines[name], view, side)
        exposed = asdict(draw_exposure(p, self.patient, side))
        box = exposed.pop("box")
        row |= exposed | dict(zip(("box_top", "box_left", "box_bottom", "box_right"), box, strict=True))
        row |= draw_marker(p, self.patient, side, self.anterior, stenotic)
        return row

    def _level_truth(self, name: str) -> dict:
        k, row = list(SIDES).index(name), dict[str, float]()
        for i, level in enumerate(LEVELS):
            key = level.replace("/", "_")
            for kind, o in (("", self.solid[name][i]), ("_projected", self.projected[name][i])):
                row |= {
                    f"{m}{kind}_mm{'2' if m == 'area' else ''}_{key}": float(getattr(o, m))
                    for m in ("area", "width", "height", "narrowest")
                }
            n = self.narrowing
            row |= {
                f"grade_{key}": int(grade(self.free[name][i])),
                f"spur_front_{key}": float(n.front[i, k]),
                f"spur_back_{key}": float(n.back[i, k]),
                f"soft_disc_{key}": float(n.soft[i, k]),
                f"disc_loss_{key}": float(n.signs[i]),
                f"osteophyte_{key}": float(n.growth[i]),
            }
        return row
