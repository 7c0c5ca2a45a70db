"""Source shown in notebooks is the library's own; sentences format and miss no number."""

import jinja2
import numpy as np
import pandas as pd
import pytest

from foramen.core.display import readings, show
from foramen.core.files import digest, write_json


def test_source_of_each_function_is_shown() -> None:
    code = show(digest, write_json)
    assert code.data.startswith("def digest(") and "\n\n\ndef write_json(" in code.data
    assert code.language == "python" and "highlight" in code._repr_html_()


def test_a_sentence_formats_its_numbers_and_misses_none():
    sentences = readings("stn")
    assert "seed **1**: 2,400 training radiographs" in sentences.arm("proposed", "joint", 1, 2400)
    with pytest.raises(jinja2.UndefinedError, match="way"):
        sentences.arm("proposed")


@pytest.mark.parametrize(
    ("val_loss", "val_auroc", "said"),
    [(0.7, np.nan, "AUROC not defined"), (0.7, 0.6, "0.200 above training loss: the network has overfitted"),
     (0.6, 0.6, "0.100 above training loss."), (0.4, 0.6, "0.100 below training loss.")],
)  # fmt: skip
def test_how_a_training_ended(val_loss: float, val_auroc: float, said: str):
    row = {"epoch": 1, "train_loss": 0.5, "val_loss": val_loss, "val_auroc": val_auroc, "images_per_second": 9}
    history = pd.DataFrame([row, row | {"epoch": 2, "val_loss": 9.0}])  # the first epoch was kept
    text = " ".join(readings("fine_tuning").training(history, 1, 0.0).split())
    assert said in text and text.startswith("After 1 epoch:")
    smoothed = readings("fine_tuning").training(history, 1, 0.1)
    assert "training loss 0.500" in smoothed and "above" not in smoothed and "overfitted" not in smoothed


def test_the_verdict_on_an_stn():
    facts = {"images": 400, "det": 0.3, "outside": 0.012, "collapsed": True, "recovery": {"shift_x": 0.25, "zoom": 0.9}}
    text = " ".join(readings("stn").verdict(facts).split())
    assert "with 1.2% of the output beyond the image. By the rule it has **collapsed**." in text
    assert "best: zoom (r = 0.90); worst: shift_x (r = 0.25). But the transformer has collapsed" in text
    del facts["recovery"]
    assert "No true poses are known" in readings("stn").verdict(facts)
