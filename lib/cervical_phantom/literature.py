"""Published figures about necks and radiographs, and how the synthetic cohort compares with them.

Each comparison is a DataFrame that the tests read; notebook 01 shows it, or what `literature` sums up of it. Sources:

- foramina: Abu Ghaida et al., CT of 320 normal people of 16 to 37 years, C2/3 to C7/T1; area as an ellipse of height
  and width
- radiograph against CT: Am J Orthop 2011;40(5):241-5 (PubMed 21734932), oblique radiographs and oblique CT
  reconstructions at 50°; reader reliabilities from its abstract. A neck is bent otherwise on the radiograph than in
  the scanner (`Positioning.posture_sd_deg`), which lowers the height's r most
- disease: Ko et al., Clin Orthop Surg 2018;10:433-8, CT of 438 adults without neck complaints; Yonsei Med J 2024, 997
  patients with oblique radiographs and MRI, prevalence inferred from its accuracy figures
- appearance: measured by us on 740 public antero-posterior spine radiographs ("Vertebrae Detection", Roboflow Universe,
  CC BY 4.0), 8 bits and already contrast-enhanced, fitted into 160 px: other parts of the body, but real radiographs
"""

import numpy as np
import pandas as pd
from scipy.stats import entropy, spearmanr

from cervical_phantom.anatomy import FORAMEN_HEIGHT, FORAMEN_WIDTH, LEVELS

FORAMEN = pd.DataFrame(
    {"height": FORAMEN_HEIGHT, "width": FORAMEN_WIDTH, "area": np.pi / 4 * FORAMEN_HEIGHT * FORAMEN_WIDTH},
    index=pd.Index(LEVELS, name="level"),
)
# SD in mm of published foraminal diameters, 1.2 to 1.4; the source's abstract gives none.
FORAMEN_SD = 1.3
UNITS = {"height": "mm", "width": "mm", "area": "mm2"}

# Pearson r of the measurement on the radiograph with that on CT, and how reliably each is read.
RADIOGRAPH_R = pd.DataFrame(
    {"r": [0.439, 0.871, 0.899], "radiograph_reader": [0.91, 0.90, 0.84], "ct_reader": [0.99, 0.97, 0.92]},
    index=pd.Index(["height", "width", "area"], name="measure"),
)
MOST_NARROWED = "C5/6"  # 24.7 % of 438 adults on the left (Ko et al.)
HOSPITAL_PREVALENCE = 0.66  # of the nearest published system's cohort (Yonsei Med J 2024)

# Mean and SD over films; see `appearance` for the measures.
REAL_FILMS = pd.DataFrame(
    {"mean": [2.53, 0.48, 0.24, 5.77], "sd": [0.44, 0.05, 0.02, 0.15]},
    index=pd.Index(["spectral exponent", "grey mean", "grey SD", "grey entropy"], name="measure"),
)


def column(measure: str, level: str, kind: str = "") -> str:
    """The truth table's column of a measure ("width"), a level ("C5/6") and kind ("" the solid, "_projected")."""
    return f"{measure}{kind}_{UNITS[measure]}_{level.replace('/', '_')}"


def unaffected(truth: pd.DataFrame, level: str) -> pd.Series:
    """The images whose foramen at a level has no spur and no disc loss to speak of."""
    key = level.replace("/", "_")
    lost = truth[f"spur_front_{key}"] + truth[f"spur_back_{key}"]
    return (lost < 0.02) & (truth[f"disc_loss_{key}"] < 0.1)


def foramen_sizes(truth: pd.DataFrame) -> pd.DataFrame:
    """Normal foramina, per level and measure: published mean and SD, synthetic mean and SD, the difference in
    published SD, and n.

    Areas on both sides are those of the ellipse of height and width, as in the source; the truth's own column counts
    the whole opening. The source's people were 16 to 37 years old, without degeneration: only unaffected foramina are
    compared.
    """
    rows = []
    for level in LEVELS:
        normal = truth[unaffected(truth, level)]
        sizes = {measure: normal[column(measure, level)] for measure in ("height", "width")}
        sizes["area"] = np.pi / 4 * sizes["height"] * sizes["width"]
        for measure, values in sizes.items():
            published = FORAMEN.loc[level, measure]
            height, width = FORAMEN.loc[level, ["height", "width"]]
            spread = FORAMEN_SD * (np.pi / 4 * np.hypot(height, width) if measure == "area" else 1)
            rows.append([level, measure, published, spread, values.mean(), values.std(), len(values)])
    table = pd.DataFrame(rows, columns=["level", "measure", "published", "published_sd", "synthetic", "sd", "n"])
    table["difference_in_sd"] = (table["synthetic"] - table["published"]) / table["published_sd"]
    return table.set_index(["level", "measure"])


def radiograph_against_solid(truth: pd.DataFrame) -> pd.DataFrame:
    """Pearson r between the foramen on the projection and in the solid, all levels and images, against the published.

    as_read: r after the attenuation by the published readers' reliabilities (Spearman 1904: r times the root of their
    product), because the phantom's own measurements have no reader.
    """
    rows = {}
    for measure in UNITS:
        solid, film = (
            np.concatenate([truth[column(measure, level, kind)] for level in LEVELS]) for kind in ("", "_projected")
        )
        published = RADIOGRAPH_R.loc[measure]
        r = float(np.corrcoef(solid, film)[0, 1])
        reading = np.sqrt(published["radiograph_reader"] * published["ct_reader"])
        rows[measure] = {"r": r, "as_read": r * reading, "published": published["r"]}
    return pd.DataFrame(rows).T.rename_axis("measure")


def severity_by_level(manifest: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Per level: share of the images with any narrowing (grade 1 or more) and with grade 2 or more, and Spearman's
    correlation of the grade with age and its p-value (NaN where nothing is narrowed).
    """
    rows = {}
    for level in LEVELS:
        grades = truth["grade_" + level.replace("/", "_")]
        rho, p = spearmanr(grades, manifest["age"]) if grades.nunique() > 1 else (np.nan, np.nan)
        rows[level] = {"narrowed": (grades >= 1).mean(), "grade_2_or_more": (grades >= 2).mean(), "rho": rho, "p": p}
    return pd.DataFrame(rows).T.rename_axis("level")


def spectral_exponent(image: np.ndarray) -> float:
    """b of the power spectrum 1 / f^b of an image, from 0.04 to 0.35 cycles per pixel; 0: white noise.

    Radial mean of the Hann-windowed central square (at most 96 px), fitted in logarithms over nine bands.
    """
    size = min(96, *image.shape)
    top, left = (np.array(image.shape) - size) // 2
    window = np.hanning(size)
    centre = image[top : top + size, left : left + size]
    power = np.abs(np.fft.rfft2((centre - centre.mean()) * window * window[:, None])) ** 2
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    band = np.digitize(frequency, np.geomspace(0.04, 0.35, 10))
    points = [(frequency[band == k].mean(), power[band == k].mean()) for k in range(1, 10) if (band == k).any()]
    x, y = np.log(np.array(points)).T
    return float(-np.polyfit(x, y, 1)[0])


def film_measures(image: np.ndarray) -> list[float]:
    """Spectral exponent, grey mean, grey SD and grey entropy (bits, 64 bins) of the valid area of an image in 0..1."""
    histogram = np.histogram(image, 64, (0, 1))[0]
    return [spectral_exponent(image), float(image.mean()), float(image.std()), float(entropy(histogram, base=2))]


def appearance(images: np.ndarray, boxes: np.ndarray, n: int = 200) -> pd.DataFrame:
    """Mean and SD over up to n images of `film_measures`, beside those of real films.

    images: (N, S, S) uint16; boxes: (N, 4) their valid areas.
    """
    chosen = np.linspace(0, len(images) - 1, min(n, len(images))).astype(int)
    measured = np.array([film_measures(images[i][t:b, left:r] / 65535) for i in chosen for t, left, b, r in [boxes[i]]])
    table = REAL_FILMS.add_prefix("real_")
    table["synthetic_mean"], table["synthetic_sd"] = measured.mean(0), measured.std(0)
    table["difference_in_sd"] = (table["synthetic_mean"] - table["real_mean"]) / table["real_sd"]
    return table


def literature(manifest: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """The comparisons in one table: subject, published, synthetic, source (the table `literature` of 01_data_audit)."""
    sizes, r = foramen_sizes(truth), radiograph_against_solid(truth)
    severity = severity_by_level(manifest, truth)
    rows = [
        (f"normal foramen, {m}: largest difference of a level's mean, in SD", "0", f"{d:.2f}", "Abu Ghaida et al.")
        for m, d in sizes["difference_in_sd"].abs().groupby("measure").max().items()
    ]
    rows += [
        (f"{m} on film against solid, r as read", f"{row.published:.2f}", f"{row.as_read:.2f}", "PubMed 21734932")
        for m, row in r.iterrows()
    ]
    rising = int((severity["rho"].iloc[1:5] > 0).sum())
    prevalence = truth["label_before_noise"].mean()
    rows += [
        ("level narrowed most often", MOST_NARROWED, severity["narrowed"].idxmax(), "Ko et al. 2018"),
        ("levels C3/4 to C6/7 where severity rises with age", "4", str(rising), "Ko et al. 2018"),
        ("prevalence of stenosis", f"{HOSPITAL_PREVALENCE:.2f}", f"{prevalence:.2f}", "Yonsei Med J 2024"),
    ]
    return pd.DataFrame(rows, columns=["subject", "published", "synthetic", "source"])
