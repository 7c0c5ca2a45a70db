"""What is known without the image."""

import numpy as np
import pandas as pd

from labelled_radiographs import metadata


def test_the_metadata_only_baseline_learns_from_training_patients_alone():
    n = 60
    rows = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(n)],
            "label": np.arange(n) % 2,
            "split": np.where(np.arange(n) < 40, "train", "test"),
            "site": "",
            "side": "",
            "view": "",
            "sex": np.where(np.arange(n) % 2, "F", "M"),
            "age": np.nan,
        }
    )
    scores = metadata.baseline(rows).to_numpy()
    assert scores[rows["label"] == 1].min() > 0.8 and scores[rows["label"] == 0].max() < 0.2
    turned = rows.assign(label=np.where(rows["split"] == "test", 1 - rows["label"], rows["label"]))
    assert (metadata.baseline(turned) == scores).all()
    assert metadata.baseline(rows.assign(sex="")) is None
