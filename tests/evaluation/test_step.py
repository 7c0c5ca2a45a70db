"""What the evaluation says of arms."""

import pytest

from foramen.evaluation.step import _last_switch
from foramen.study.model import Arm

TALL = {"region": "detected", "stn": "self_supervised", "input": [64, 64]}


@pytest.mark.parametrize(
    ("arm", "before", "word"),
    [
        ({"region": "detected"}, {}, "region"),
        ({"region": "detected", "trainable": "head"}, {"region": "detected"}, "last layer only"),
        ({"trainable": "layer4"}, {}, "last blocks only"),
        ({"region": "detected"}, {"region": "detected", "trainable": "head"}, "fine-tuned"),
        ({"region": "detected", "initialisation": "random"}, {}, "random weights"),
        ({}, {}, "whole film"),
        ({"region": "detected"}, {"region": "detected"}, ""),
        ({"equalization": "global"}, {}, "equalized"),
        ({"flip": "canonical"}, {"flip": "random"}, "mirrored"),
        ({"flip": "random"}, {}, "random flip"),
        ({"flip": "canonical", "stn": "crop"}, {"flip": "canonical"}, "fixed crop"),
        ({"flip": "canonical", "stn": "joint"}, {"flip": "canonical", "stn": "crop"}, "STN frame"),
        ({**TALL, "heads": 4}, TALL, "a crop each"),
    ],
)
def test_an_arm_is_called_by_what_the_one_before_it_does_not(arm, before, word):
    assert _last_switch(Arm(**arm), Arm(**before)) == word
