"""Facts of made-up images, and predictions whose scores are built from them."""

import numpy as np
import pandas as pd

N = 600  # images, two a patient


def known() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    signs = rng.standard_normal(N)
    table = pd.DataFrame(
        {"signs": signs, "narrowness": 0.5 * signs + rng.standard_normal(N), "age": rng.normal(60, 9, N)}
    )
    table["chance"] = 1 / (1 + np.exp(-3 * table["narrowness"]))
    return table.set_index(pd.Index([f"I{i}" for i in range(N)], name="image_id"))


def frame(**scores: np.ndarray) -> pd.DataFrame:
    """Test predictions of arms with these scores, two seeds that differ by noise."""
    rng = np.random.default_rng(1)
    facts = known()
    label = (facts["narrowness"] + rng.standard_normal(N) > 0).astype(int).to_numpy()
    rows = {"image_id": facts.index, "patient_id": [f"P{i // 2}" for i in range(N)], "split": "test", "label": label}
    parts = [
        pd.DataFrame({**rows, "arm": arm, "seed": seed, "score": 0.5 + (score + 0.1 * rng.standard_normal(N)) / 20})
        for arm, score in scores.items()
        for seed in (1, 2)
    ]
    return pd.concat(parts, ignore_index=True)
