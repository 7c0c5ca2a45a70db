"""How fast the training loop is, against its ceiling and two other loops: `python -m benchmarks.training`.

All train a ResNet50 on the same number of images of the same size, in one process and in turns, so that another program
on the machine disturbs them alike:

- `study`: the loop of notebook 05, images resident as bytes; `study, STN`: the same with an STN that learns.
- `ceiling`: forward, backward and optimiser on one batch that is there already; nothing can be faster. `ceiling, STN`
  is that of the network with its STN, which is more to compute; the study's loop with STN is set against this one.
- `tutorial`: float32 and a DataLoader that decodes PNG files, as tutorials write it.
- `timm`: timm's loader, optimiser, schedule and meter as its train.py puts them together, in the study's precision.

Then: one training with all processor cores against trainings with one thread each side by side, on a GPU all on that.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image
from timm.data import ImageDataset, create_loader
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from timm.utils import AverageMeter
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, Grayscale, Resize, ToTensor

from foramen.core import compute
from foramen.core.training_loop import fit
from foramen.stn import step as stn
from foramen.study.model import Study
from foramen.training import backbone
from foramen.training.classifier import Classifier, TrainingImages
from foramen.training.fine_tuning import FineTuning
from foramen.training.step import transformer_rate

Loop = Callable[[], None]  # trains on IMAGES images
IMAGES, BATCH, SIZE = 128, 32, 96


def study_of(way: str) -> Study:
    """A study of one arm whose STN is trained in this way; its images are noise, which costs the same."""
    return Study.model_validate(
        {
            "name": "benchmark",
            "arms": {"arm": {"stn": way, "initialisation": "random"}},
            "training": {"input": [SIZE, SIZE], "batch_size": BATCH, "epochs": 1000},
            "plan": {"reference": "arm", "primary": {"arm": "arm"}},
        }
    )


def classifier(study: Study) -> Classifier:
    """The network of the study's arm, untrained."""
    return Classifier(stn.build(study.run("arm", 1)), backbone.create("resnet50"), 0.5, 0.25)


def study_loop(way: str) -> Loop:
    """An epoch of the loop of notebook 05 on resident images."""
    study, device = study_of(way), compute.device()
    side = study.cohort.image_size
    images = torch.randint(0, 256, (IMAGES, 1, side, side), dtype=torch.uint8).to(device)
    rows = torch.arange(IMAGES)
    labels = torch.arange(IMAGES, device=device) % 2.0
    data = TrainingImages(images, labels, np.zeros(IMAGES, bool), {"train": rows}, False)
    model = classifier(study).to(device, memory_format=torch.channels_last)
    rate = transformer_rate(study, study.arms["arm"])
    tuning = FineTuning(model, data, study.training, study.augmentation, transformer_rate=rate)

    def epoch() -> None:
        fit(model, tuning.batches, tuning.loss, tuning.optimizer, tuning.schedule, range(1), lambda *_: None)

    return epoch


def ceiling(way: str) -> Loop:
    """Forward, backward and optimiser step on one resident batch, in the study's precision and memory format.

    An STN that learns samples the images anew; otherwise they are resident as the network sees them.
    """
    study, device = study_of(way), compute.device()
    model = classifier(study).to(device, memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    side = SIZE if way == "none" else study.cohort.image_size
    images = torch.rand(BATCH, 1, side, side, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(BATCH, device=device) % 2.0

    def steps() -> None:
        for _ in range(IMAGES // BATCH):
            seen = images if way == "none" else model.sample_input(images)
            with compute.autocast("auto", device):
                scores = model.classify(seen)
            loss = F.binary_cross_entropy_with_logits(scores, labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return steps


def write_files(folder: Path) -> None:
    """IMAGES PNG files of noise in the size of a radiograph that a reader may have, one folder a class."""
    rng = np.random.default_rng(0)
    for i in range(IMAGES):
        path = folder / str(i % 2) / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (512, 512), np.uint8)).save(path)


def tutorial(folder: Path) -> Loop:
    """A plain float32 loop with a DataLoader over PNG files."""
    device = compute.device()
    dataset = ImageFolder(str(folder), Compose([Grayscale(), Resize((SIZE, SIZE)), ToTensor()]))
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True)
    model = backbone.create("resnet50").to(device).train()
    optimiser = torch.optim.Adam(model.parameters())
    criterion = torch.nn.BCEWithLogitsLoss()

    def epoch() -> None:
        for images, labels in loader:
            optimiser.zero_grad()
            loss = criterion(model(images.to(device))[:, 0], labels.float().to(device))
            loss.backward()
            optimiser.step()

    return epoch


def timm_loop(folder: Path) -> Loop:
    """The core of timm's train.py, in the study's precision and memory format."""
    device = compute.device()
    dataset = ImageDataset(str(folder), input_img_mode="L")
    loader = create_loader(
        dataset, (1, SIZE, SIZE), BATCH, is_training=True, no_aug=True, use_prefetcher=False, mean=(0.5,), std=(0.25,),
        num_workers=0, persistent_workers=False, device=device,
    )  # fmt: skip
    model = backbone.create("resnet50").to(device, memory_format=torch.channels_last).train()
    optimiser = create_optimizer_v2(model, opt="adamw", lr=3e-4, weight_decay=0.05)
    schedule, meter = CosineLRScheduler(optimiser, t_initial=1000), AverageMeter()

    def epoch() -> None:
        for step, (images, labels) in enumerate(loader):
            images = images.to(device).contiguous(memory_format=torch.channels_last)
            with compute.autocast("auto", device):
                loss = F.binary_cross_entropy_with_logits(model(images)[:, 0].float(), labels.float().to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            meter.update(loss.item(), len(images))
            schedule.step_update(step)

    return epoch


def loops(folder: Path) -> dict[str, Loop]:
    """All loops that are compared; those that read files read them from `folder`, where they are written first."""
    write_files(folder)
    return {
        "study": study_loop("none"),
        "ceiling": ceiling("none"),
        "study, STN": study_loop("joint"),
        "ceiling, STN": ceiling("joint"),
        "tutorial": tutorial(folder),
        "timm": timm_loop(folder),
    }


def rates(loops: dict[str, Loop], rounds: int) -> pd.DataFrame:
    """Images a second of each loop, the median over rounds in which they take turns after one to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(rounds + 1):
        for name, loop in loops.items():
            started = time.perf_counter()
            loop()
            if compute.device().type == "cuda":
                torch.cuda.synchronize()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    table = pd.DataFrame({"images_per_second": {k: IMAGES / statistics.median(v) for k, v in seconds.items()}})
    rate = table["images_per_second"]
    table["over_ceiling"] = [
        rate[name] / rate["ceiling, STN" if name.endswith("STN") else "ceiling"] for name in table.index
    ]
    for name in ("tutorial", "timm"):
        table[f"over_{name}"] = rate / rate[name]
    return table


def side_by_side(rounds: int) -> pd.DataFrame:
    """Images a second in total: one training with every core, and one training a core with one thread each."""
    cores = os.cpu_count() or 1
    rows = {}
    for name, threads, processes in (("one training, all cores", cores, 1), ("one training a core", 1, cores)):
        command = [sys.executable, "-m", __spec__.name, "--alone", str(threads), "--rounds", str(rounds)]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
        rows[name] = {
            "threads": threads,
            "trainings": processes,
            "images_per_second": sum(float(p.communicate()[0]) for p in running),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def alone(threads: int, rounds: int) -> float:
    """Images a second of the study's loop with so many threads, for `side_by_side`."""
    compute.deterministic(threads)
    epoch = study_loop("none")
    epoch()
    started = time.perf_counter()
    for _ in range(rounds):
        epoch()
    if compute.device().type == "cuda":
        torch.cuda.synchronize()
    return rounds * IMAGES / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each loop")
    parser.add_argument("--alone", type=int, metavar="THREADS", help="print the study's rate alone")
    given = parser.parse_args()
    if given.alone:
        print(alone(given.alone, given.rounds))
        return
    compute.deterministic(1)
    device = compute.device()
    precision = "bf16" if compute.bfloat16_is_native(device) else "fp32"
    print(f"ResNet50, {SIZE} px, batches of {BATCH}, {device.type}, one thread, {precision} (tutorial: fp32)\n")
    with tempfile.TemporaryDirectory() as name:
        print(rates(loops(Path(name)), given.rounds).round(2).to_string(), "\n")
    print(side_by_side(given.rounds).round(1).to_string())


if __name__ == "__main__":
    main()
