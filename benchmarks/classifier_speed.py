"""Training throughput of the judge against timm's own loop: same network, batch and images.

    python benchmarks/classifier_speed.py AID docs/benchmarks

timm's loop is that of its `train.py`: `create_loader` decodes, crops and mirrors in worker
processes, `create_optimizer_v2` is AdamW, the step is forward under autocast, backward, update.
Ours decodes once and turns, mirrors and crops whole batches. Both alternate in one process and see
the same machine; told is the median of several rounds, in images a second and as a ratio. Set-up
and the first steps are not counted; what our one decoding of all images takes is told beside it.
"""

import argparse
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from timm.data import create_dataset, create_loader
from timm.optim import create_optimizer_v2
from torch.nn import functional
from torch.utils.data import DataLoader

from augment.catalogue.config import ScanConfig, SplitConfig
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source
from augment.catalogue.split import assign_splits
from classifier.arms.arm import BASELINE
from classifier.arms.registry import ARMS
from classifier.config import ClassifierConfig
from classifier.train.experiment import Experiment
from classifier.train.loop import Trainer
from classifier.train.setup import setup_for
from terrabalance.device import describe_device, pick_device, supports_bf16
from terrabalance.files import write_text
from terrabalance.progress import silent

BATCH, WARM_UP, ROUNDS = 32, 3, 5
PER_CLASS, N_CLASSES, SIDE_PX = 16, 16, 150
NETWORKS = (("resnet18", 128), ("tf_efficientnet_lite0", 160))
Steps = Callable[[int], None]


def some_of(data: Path, folder: Path) -> Path:
    """Copy some images of some classes into a folder of their own."""
    for source in sorted(path for path in data.iterdir() if path.is_dir())[:N_CLASSES]:
        (folder / source.name).mkdir(parents=True)
        for image in sorted(source.iterdir())[:PER_CLASS]:
            shutil.copyfile(image, folder / source.name / image.name)
    return folder


def ours(data: Path, name: str, size_px: int) -> tuple[Steps, float]:
    """Return a function that takes our steps, and the images a second that are decoded before."""
    source = open_source(data, data.parent / "extracted")
    manifest = assign_splits(scan(source, ScanConfig()), SplitConfig(val=0.1, test=0.1), seed=0)
    config = ClassifierConfig(model=name, pretrained=False, image_size=size_px, batch_size=BATCH)
    device = pick_device("auto")
    experiment = Experiment(manifest, config, SIDE_PX, device, data.parent)
    rows, classes = manifest.usable("train"), manifest.classes()
    setup = setup_for(experiment, len(classes))
    began = time.perf_counter()
    examples = setup.examples(rows, classes, silent, ARMS[BASELINE])
    decoding = time.perf_counter() - began
    model, counts = setup.model(examples), list(rows.groupby("class").size())

    def take(n: int) -> None:
        trainer = Trainer(model, config.model_copy(update={"steps": n}), 0, device, counts)
        trainer.train(examples, data.parent / "ours", "speed", name, silent, float("inf"))

    return take, len(rows) / decoding


def timms(data: Path, name: str, size_px: int) -> Steps:
    """Return a function that takes steps as timm's train.py does."""
    device = pick_device("auto")
    on_gpu = device.type == "cuda"
    model = timm.create_model(name, num_classes=N_CLASSES).to(
        device, memory_format=torch.channels_last
    )
    optimizer = create_optimizer_v2(model, "adamw", lr=1e-3, weight_decay=0.05)
    loader = create_loader(
        create_dataset("", root=str(data)), (3, size_px, size_px), BATCH, is_training=True,
        num_workers=2, use_prefetcher=on_gpu, device=device, pin_memory=on_gpu,
        scale=(0.64, 1.0), vflip=0.5, color_jitter=0.0, interpolation="bicubic",
    )  # fmt: skip
    batches = cycle_of(loader)

    def take(n: int) -> None:
        model.train()
        for images, labels in islice(batches, n):
            images, labels = images.to(device), labels.to(device)
            images = images.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=supports_bf16(device)):
                loss = functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

    return take


def cycle_of(loader: DataLoader[Any]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Go through a loader again and again."""
    while True:
        yield from loader


def rates(first: Steps, second: Steps, steps: int) -> tuple[float, float]:
    """Return images a second of two loops, medians of alternating rounds."""
    measured: list[float] = []
    for loop in (first, second):
        loop(WARM_UP)
    for _ in range(ROUNDS):
        for loop in (first, second):
            began = time.perf_counter()
            loop(steps)
            measured.append(BATCH * steps / (time.perf_counter() - began))
    return float(np.median(measured[::2])), float(np.median(measured[1::2]))


def main() -> None:
    """Measure both networks and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with one subfolder a class")
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=15, help="a round")
    given = parser.parse_args()
    lines = [
        "# Training throughput of the classifier", "",
        f"Batches of {BATCH}, images of AID at 150 px, AdamW, bf16 where the device has it; "
        f"{describe_device(pick_device('auto'))}, torch {torch.__version__}, timm "
        f"{timm.__version__}, Python {platform.python_version()}. Images a second, median of "
        f"{ROUNDS} alternating rounds of {given.steps} steps (`benchmarks/classifier_speed.py`).",
        "", "| Network | input, px | timm's loop | terrabalance | ratio | decoded once, at |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, size_px in NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            data = some_of(given.data, Path(folder) / "images")
            mine, decoded = ours(data, name, size_px)
            own, other = rates(mine, timms(data, name, size_px), given.steps)
        lines.append(
            f"| {name} | {size_px} | {other:.1f} | {own:.1f} | {own / other:.2f} "
            f"| {decoded:.0f} a second |"
        )
        print(lines[-1], flush=True)
    write_text(given.out / "classifier_speed.md", "\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
