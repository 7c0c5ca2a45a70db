"""Where pre-trained weights come from: formulas (exactly repeatable, killed or not), timm's hub, a file."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

import fractal_images
from foramen import study
from foramen.core import paths
from foramen.core.errors import InputError
from foramen.study.model import Pretraining, Study
from foramen.training import backbone, hub, pretraining, step

TINY = ["pretraining.images=640", "pretraining.classes=4", "pretraining.image_size=32", "training.checkpoint_seconds=0"]


def smoke(*overrides: str) -> Study:
    return study.load("params/smoke.yaml", [*TINY, *overrides])


def test_images_follow_from_seed_and_step_and_categories_differ():
    given = Pretraining(classes=4, image_size=32)
    systems = fractal_images.categories(4, np.random.default_rng(0))
    images, labels = pretraining.batch(systems, given, 5)
    again, _ = pretraining.batch(systems, given, 5)
    later, _ = pretraining.batch(systems, given, 6)
    assert images.shape == (pretraining.BATCH, 1, 32, 32) and images.dtype == torch.float32
    assert torch.equal(images, again) and not torch.equal(images, later)
    assert set(labels.tolist()) == {0, 1, 2, 3}
    assert images.isfinite().all() and (images.std((1, 2, 3)) > 0.5).all()


def test_the_sample_grid_has_a_category_a_row():
    grid = pretraining.sample_grid(Pretraining(classes=4, image_size=32), rows=3, columns=5)
    assert grid.shape == (3, 5, 32, 32)
    assert not np.array_equal(grid[0, 0], grid[0, 1])


def test_killed_and_started_again_it_ends_with_the_same_bytes(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "from foramen.training import step; from foramen import study\n"
        f"print(step.prepare(study.load('params/smoke.yaml', {TINY})))\n"
    )
    disturbed, undisturbed = start(script, tmp_path / "a"), start(script, tmp_path / "b")
    while not list((tmp_path / "a").rglob("epoch_*.json")):  # the first checkpoint
        assert disturbed.poll() is None, disturbed.communicate()
        time.sleep(0.02)
    os.kill(disturbed.pid, signal.SIGKILL)
    disturbed.wait()
    assert not list((tmp_path / "a").rglob("weights.safetensors"))
    made = [finish(start(script, tmp_path / "a")), finish(undisturbed)]
    assert made[0].read_bytes() == made[1].read_bytes()
    assert not (made[0].parent / "checkpoints").exists()
    assert not paths.progress(made[0].parent).exists()


def start(script: Path, output: Path) -> subprocess.Popen:
    environment = os.environ | {"FORAMEN_OUTPUT": str(output), "OMP_NUM_THREADS": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, script], env=environment, cwd=paths.ROOT, text=True, **streams)


def finish(process: subprocess.Popen) -> Path:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return Path(out.strip())


@pytest.fixture
def output(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    return tmp_path


def test_formula_weights_load_and_are_made_once(output):
    given = smoke("pretraining.images=64")
    made = step.prepare(given)
    stamp = made.stat().st_mtime_ns
    course = pd.read_csv(made.parent / "history.csv")
    assert course["images"].iloc[-1] == 64 and course["train_loss"].notna().all()
    assert set(load_file(made)).isdisjoint(("fc.weight", "fc.bias"))
    backbone.create("resnet50", made)
    assert step.prepare(given).stat().st_mtime_ns == stamp
    assert step.folder(smoke("pretraining.images=64", "training.epochs=7")) == made.parent
    assert step.folder(smoke("pretraining.images=128")) != made.parent


def test_two_at_once_share_one_making(output):
    given, made = smoke("pretraining.images=64"), []
    threads = [threading.Thread(target=lambda: made.append(step.prepare(given))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made[0] == made[1] and made[0].exists()


def test_a_given_file_is_adapted_and_known_by_its_content(output):
    path = output / "given.safetensors"
    save_file(timm.create_model("resnet50", num_classes=10).state_dict(), path)
    given = smoke("pretraining.source=file", f"pretraining.file={path}")
    adapted = step.prepare(given)
    assert load_file(adapted)["conv1.weight"].shape == (64, 1, 7, 7)
    save_file(timm.create_model("resnet50", num_classes=10).state_dict(), path)
    assert step.folder(given) != adapted.parent


def test_a_file_that_does_not_fit_is_refused(output):
    path = output / "small.safetensors"
    save_file(timm.create_model("resnet18").state_dict(), path)
    with pytest.raises(InputError, match=r"layer1\.0\.conv1\.weight is \(64, 64, 3, 3\)"):
        step.prepare(smoke("pretraining.source=file", f"pretraining.file={path}"))


@pytest.mark.parametrize("offline", [True, False])
def test_the_hub_out_of_reach_names_the_ways_out(output, monkeypatch, offline):
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(output / "cache"))
    monkeypatch.setattr(hub, "hf_hub_url", lambda *_: "http://127.0.0.1:9/model.safetensors")
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(InputError) as refused:
        step.prepare(smoke("pretraining.source=hub"))
    assert "formula" in str(refused.value) and "pretraining.file" in str(refused.value)


def test_an_address_that_never_answers_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts a connection and says nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/model.safetensors"
        assert hub._obstacle(url, 0.2) in ("no answer", "timed out")


def test_an_unknown_hub_name_gets_the_nearest(output):
    with pytest.raises(InputError, match=r"the nearest is 'resnet50\.tv_in1k'"):
        step.prepare(smoke("pretraining.source=hub", "pretraining.hub_name=resnet50.tv_in1"))


def test_weights_in_the_hubs_cache_need_no_network(output, monkeypatch):
    path = output / "model.safetensors"
    save_file(timm.create_model("resnet50").state_dict(), path)
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: str(path))
    backbone.create("resnet50", step.prepare(smoke("pretraining.source=hub")))
