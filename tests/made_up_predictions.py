"""Predictions tables whose faults are known, for the tests of the pitfalls."""

import numpy as np
import pandas as pd


def predictions(
    patients: int = 120,
    images: int = 2,
    skills: dict[str, float] | None = None,
    seeds: int = 3,
    alike: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """A fifth of the patients for validation, the others for testing; `alike`: a patient's images have one score."""
    rng, tables = np.random.default_rng(seed), []
    number, n = np.repeat(np.arange(patients), images), patients * images
    labels = rng.integers(0, 2, patients)[number]
    for arm, skill in (skills or {"basic": 1.0, "proposed": 1.0}).items():
        for run in range(1, seeds + 1):
            noise = rng.normal(size=patients)[number] if alike else rng.normal(size=n)
            score = 1 / (1 + np.exp(-((labels - 0.5) * skill + noise)))
            rows = {"arm": arm, "seed": run, "label": labels, "score": score, "number": number}
            tables.append(pd.DataFrame(rows).assign(image_id=[f"i{k:04d}" for k in range(n)]))
    frame = pd.concat(tables, ignore_index=True)
    frame["patient_id"] = "p" + frame["number"].astype(str).str.zfill(4)
    frame["split"] = np.where(frame["number"] < patients // 5, "val", "test")
    return frame.drop(columns="number")
