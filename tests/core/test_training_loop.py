"""The one training loop: it is what a textbook's ten lines are, stops when told, and follows its schedule."""

import numpy as np
import pytest
import torch
from torch import nn

from foramen.core import geometry
from foramen.core.training_loop import fit, one_cycle, one_cycle_schedule
from foramen.training import backbone
from foramen.training.checkpoints import TrainingState
from foramen.training.classifier import Classifier, Transformer

EPOCHS, CLIP = 3, 0.1


def tiny() -> tuple[nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """A network with its optimiser and schedule, the same each time."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    return net, optimizer, one_cycle_schedule(optimizer, steps=EPOCHS * 4, warmup=0.25)


@pytest.fixture
def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    images = torch.randn(32, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    return list(zip(images.split(8), (torch.arange(32) % 2.0).split(8), strict=True))


def cross_entropy(net: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return nn.functional.binary_cross_entropy_with_logits(net(batch[0])[:, 0], batch[1])


def test_the_loop_of_notebook_05_gives_the_same_weights(batches):
    fitted, *rest = tiny()
    means = []
    fit(
        fitted, lambda _: batches, lambda batch: cross_entropy(fitted, batch), *rest, range(EPOCHS),
        lambda _, losses: means.append(losses.mean().item()), CLIP,
    )  # fmt: skip
    net, optimizer, schedule = tiny()
    expected = []
    for _ in range(EPOCHS):
        losses = []
        for batch in batches:
            loss = cross_entropy(net, batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        expected.append(np.mean(losses))
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), fitted.state_dict().values(), strict=True))
    assert means == pytest.approx(expected) and means[-1] < means[0]


def test_it_stops_when_told_and_refuses_a_gradient_that_is_not_finite(batches):
    net, *rest = tiny()
    seen = []
    fit(
        net, lambda _: batches, lambda batch: cross_entropy(net, batch), *rest, range(9),
        lambda epoch, _: seen.append(epoch) or epoch == 1,
    )  # fmt: skip
    assert seen == [0, 1]
    with pytest.raises(RuntimeError, match="non-finite"):
        fit(net, lambda _: batches, lambda batch: cross_entropy(net, batch) * np.inf, *rest, range(1), lambda *_: None)


def test_every_group_follows_one_cycle_up_to_its_own_peak():
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (1.0, 1e-3)]
    optimizer = torch.optim.SGD(groups)
    schedule = one_cycle_schedule(optimizer, steps=20, warmup=0.1)
    for step in range(20):
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == pytest.approx([one_cycle(step / 20, 0.1), 1e-3 * one_cycle(step / 20, 0.1)])
        optimizer.step()
        schedule.step()


def test_what_is_saved_continues_as_if_nothing_had_happened(tmp_path, batches):
    def train(state: TrainingState, stop_after: int) -> nn.Module:
        net, optimizer, schedule = tiny()
        generator = torch.Generator().manual_seed(5)
        state.resume(model=net, optimizer=optimizer, schedule=schedule, generator=generator)

        def on_epoch(epoch: int, losses: torch.Tensor) -> bool:
            state.end_epoch({"loss": losses.mean().item(), "images_per_second": 1.0, "seconds": 1.0})
            return epoch + 1 == stop_after

        shuffled = lambda _: [batches[i] for i in torch.randperm(4, generator=generator)]  # noqa: E731
        fit(net, shuffled, lambda batch: cross_entropy(net, batch), optimizer, schedule, state.remaining, on_epoch)
        return net

    whole = TrainingState(EPOCHS)
    expected = train(whole, EPOCHS)
    train(TrainingState(EPOCHS, tmp_path, "key", 0.0), stop_after=2)
    resumed = TrainingState(EPOCHS, tmp_path, "key", 0.0)
    got = train(resumed, EPOCHS)
    assert resumed.history == whole.history
    assert all(torch.equal(a, b) for a, b in zip(expected.parameters(), got.parameters(), strict=True))


def test_training_mode_holds_frozen_statistics_and_those_of_the_transformer():
    transformer = Transformer(geometry.crop_frame(1.0), (8, 8), 1)  # taught beforehand, as far as it can be
    transformer.norm = nn.BatchNorm2d(1)
    model = Classifier(transformer, backbone.create("resnet50"))
    backbone.freeze(model.network, "layer4")
    model.train()
    assert not transformer.norm.training and not model.network.bn1.training
    assert model.network.layer4[0].bn1.training
