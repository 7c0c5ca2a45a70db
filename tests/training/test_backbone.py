"""The network: weights adapted or refused, stages, what trains and how fast."""

import zipfile
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from foramen.core.errors import InputError
from foramen.training import backbone


@pytest.fixture(scope="module")
def colour() -> torch.nn.Module:
    """A ResNet50 as weights collections hold it: three input channels, 1000 classes, warm statistics."""
    torch.manual_seed(3)
    model = timm.create_model("resnet50", num_classes=1000)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
    return model.eval()


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    return backbone.create("resnet50", seed=1)


NETWORKS = ["resnet50", "tf_efficientnet_lite0"]


def image(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 1, 64, 64, generator=torch.Generator().manual_seed(0))


def written(path: Path, state: dict) -> Path:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def test_one_channel_in_one_logit_out_the_same_for_a_seed(model):
    state = torch.get_rng_state()
    again, other = backbone.create("resnet50", seed=1), backbone.create("resnet50", seed=2)
    assert torch.equal(state, torch.get_rng_state())
    assert model(image()).shape == (2, 1)
    assert model.conv1.weight.shape == (64, 1, 7, 7)
    assert torch.equal(again.conv1.weight, model.conv1.weight)
    assert not torch.equal(other.conv1.weight, model.conv1.weight)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}])
def test_a_grey_image_gives_what_three_equal_channels_gave(colour, tmp_path, wrap):
    path = written(tmp_path / "colour.pth", wrap(colour.state_dict()))
    grey = backbone.create("resnet50", path).eval()
    with torch.no_grad():
        expected = colour.forward_features(image().expand(-1, 3, -1, -1))
        torch.testing.assert_close(grey.forward_features(image()), expected, rtol=1e-3, atol=1e-4)
    assert grey.fc.weight.shape == (1, 2048)


def test_half_precision_and_parallel_names_are_understood(model, tmp_path):
    state = {f"module.{k}": v.half() for k, v in model.state_dict().items()}
    loaded = backbone.create("resnet50", written(tmp_path / "half.safetensors", state))
    assert loaded.conv1.weight.dtype == torch.float32
    torch.testing.assert_close(loaded.fc.weight, model.fc.weight, rtol=1e-3, atol=1e-4)


def test_the_first_tensor_that_does_not_fit_is_named_with_both_shapes(model, tmp_path):
    state = dict(model.state_dict())
    state["layer2.0.conv1.weight"] = torch.zeros(7, 256, 1, 1)
    state["layer3.0.conv1.weight"] = torch.zeros(7, 256, 1, 1)
    fault = refusal(written(tmp_path / "other.safetensors", state))
    assert "layer2.0.conv1.weight is (7, 256, 1, 1), resnet50 has (128, 256, 1, 1)" in fault
    del state["layer1.0.conv1.weight"]
    assert "layer1.0.conv1.weight (64, 64, 1, 1) is missing" in refusal(written(tmp_path / "b.pth", state))


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as refused:
        backbone.create("resnet50", path)
    assert str(path) in str(refused.value)
    return str(refused.value)


class Malicious:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_code_in_a_weights_file_is_not_run(tmp_path):
    trace = tmp_path / "trace"
    assert "no code was run" in refusal(written(tmp_path / "evil.pth", {"conv1.weight": Malicious(trace)}))
    assert not trace.exists()


def test_damaged_missing_and_empty_files_are_refused(model, tmp_path):
    assert "no such weights file" in refusal(tmp_path / "none.pth")
    for suffix in (".pth", ".safetensors"):
        whole = written(tmp_path / f"whole{suffix}", model.state_dict())
        cut = tmp_path / f"cut{suffix}"
        cut.write_bytes(whole.read_bytes()[:100_000])
        refusal(cut)
    (tmp_path / "empty.pth").touch()
    refusal(tmp_path / "empty.pth")
    assert "no table" in refusal(written(tmp_path / "list.pth", [torch.zeros(3)]))


@pytest.mark.parametrize(
    "pickled", [b"\x80\x02ccollections\nOrderedDict\nq\x00R.", b"\x80\x02X\x05\0", b"\x80\x02h\x07."]
)
def test_a_damaged_pickle_is_refused(tmp_path, pickled):
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "whole.pth")
    with zipfile.ZipFile(tmp_path / "whole.pth") as whole, zipfile.ZipFile(tmp_path / "damaged.pth", "w") as damaged:
        for name in whole.namelist():
            damaged.writestr(name, pickled if name.endswith("data.pkl") else whole.read(name))
    assert "damaged.pth: not readable as a weights file" in refusal(tmp_path / "damaged.pth")


@pytest.mark.parametrize("network", NETWORKS)
def test_the_stages_in_a_row_are_the_network(network):
    model = backbone.create(network, seed=1).eval()
    x, sides = image(), []
    with torch.no_grad():
        expected = model(x)
        for stage in backbone.stages(model).values():
            x = stage(x)
            sides.append(x.shape[-1])
    assert torch.equal(x, expected)
    assert sides[1:5] == [16, 8, 4, 2]
    assert sum(p.numel() for p in model.parameters()) == sum(
        p.numel() for stage in backbone.stages(model).values() for p in stage.parameters()
    )


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("trainable", ["head", "layer4", "layer1", "all"])
def test_frozen_stages_stay_as_they_are_and_the_others_move(trainable, network):
    model = backbone.create(network, seed=1)
    for parameter in model.parameters():  # timm starts each block's last scale at 0, so that nothing before it moves
        if parameter.ndim == 1:
            torch.nn.init.uniform_(parameter, 0.5, 1.0)
    backbone.freeze(model, trainable)
    backbone.train_mode(model)
    before = {name: dict(stage.state_dict()) for name, stage in backbone.stages(model).items()}
    before = {name: {k: v.clone() for k, v in state.items()} for name, state in before.items()}
    groups = backbone.parameter_groups(model, 0.1, 1.0, 1.0, 0.05)
    optimiser = torch.optim.AdamW(groups)
    torch.nn.functional.softplus(model(image(4))).sum().backward()
    optimiser.step()
    first = 0 if trainable == "all" else backbone.STAGES.index(trainable)
    for i, (name, stage) in enumerate(backbone.stages(model).items()):
        same = [torch.equal(v, before[name][k]) for k, v in stage.state_dict().items()]
        assert all(same) if i < first else not any(same), name


def test_learning_rates_and_decay_of_the_groups(model):
    model = backbone.create("resnet50")
    groups = {g["name"]: g for g in backbone.parameter_groups(model, 1e-3, 5.0, 0.5, 0.05)}
    rates = [groups[f"{stage} weights"]["lr"] for stage in backbone.STAGES]
    assert rates == pytest.approx([1e-3 * f for f in (0.0625, 0.125, 0.25, 0.5, 1.0, 5.0)])
    for name, group in groups.items():
        assert group["weight_decay"] == (0.05 if name.endswith("weights") else 0.0)
        assert all((p.ndim > 1) == name.endswith("weights") for p in group["params"])
    members = [id(p) for g in groups.values() for p in g["params"]]
    assert sorted(members) == sorted(id(p) for p in model.parameters())
    backbone.freeze(model, "layer4")
    kept = {g["name"].split()[0] for g in backbone.parameter_groups(model, 1e-3, 5.0, 0.5, 0.05)}
    assert kept == {"layer4", "head"}
