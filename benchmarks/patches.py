r"""Which network and optimizer are best at equal processor time.

    python benchmarks/patches.py ../shared/eurosat-lt100-a.csv WEIGHTS.pth WORKDIR OUT.md \
        --side 64 --seconds 200 "patch=1" "patch=2" "patch=2 optimizer=adam learning_rate=2e-3"

Each network is trained on the train part of all classes, conditioned on the class, one thread, for
the same seconds of processor time. It is that of the preset `cpu`, with the settings that are
named, of the generator or of its training, whose learning rate is constant, 1e-3. Six times on the
way, and not counted, its averaged weights are tried on images of the val part, always with the same
noise: that loss compares, as all predict the same pixels. At the end images are drawn and measured:

- KID to the val part;
- colour: root mean square distance of an image's mean colour to that of its class in the val part,
  over that of real images (1). KID to all classes is blind to it;
- gradient: mean square difference of neighbouring pixels, over that of real images (1);
- grid: that difference across the borders of patches of 2 and of 4 pixels over the one within them,
  over that of real images (1). A patch must not leave its period in the image.

Goes on where it was stopped, network by network.
"""

import argparse
import platform
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from colours import colour_ratio
from denoising_diffusion_pytorch import GaussianDiffusion
from networks import settings_of

from augment.config import SamplingConfig, TrainingConfig
from augment.measure.metrics import kernel_distance
from augment.network.conditioning import set_labels
from augment.network.config import GeneratorConfig
from augment.sample.batch import draw_batch
from augment.train.data import TrainingData
from augment.train.evaluation import even_loss
from augment.train.loop import TrainingLoop
from augment.train.spec import TrainingSpec
from classifier.feature_network import FeatureConfig
from classifier.network.features import pretrained_network
from flows.settings.config import RunConfig
from flows.stages.run import Run
from terrabalance.device import autocast
from terrabalance.evenly import evenly
from terrabalance.files import read_json, write_json, write_text
from terrabalance.images import grid, read_patches, write_png
from terrabalance.levels import centred

EVALUATIONS, CALLS, N_DRAWN, N_SHOWN = 6, 20, 256, 24
AT_ONCE, PERIODS = 32, (2, 4)
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Pictures:
    """Images of the parts train and val, with labels."""

    train: np.ndarray
    labels: np.ndarray
    unseen: np.ndarray
    unseen_labels: np.ndarray
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """Of one network: (CPU seconds, steps, loss) of each evaluation, and measures at the end."""

    curve: list[tuple[float, int, float]]
    drawing_ms: float
    kid: float
    kid_error: float
    colour: float
    gradient: float
    grid: list[float]
    parameters: int


def pictures(data: Path, workdir: Path, side: int) -> Pictures:
    """Read the images."""
    config = RunConfig(data=data, workdir=workdir, preset="cpu", generator={"image_size": side})
    manifest = Run(config).catalogue
    classes = tuple(sorted(manifest.usable("train")["class"].unique()))
    parts = []
    for part in ("train", "val"):
        rows = manifest.usable(part)
        labels = rows["class"].map(classes.index).to_numpy()
        parts += [read_patches(manifest.paths(rows), side), labels]
    return Pictures(*parts, classes)


def loss_of(diffusion: GaussianDiffusion, known: Pictures) -> float:
    """Return the loss on 192 unseen images, always with the same noise."""
    some = evenly(len(known.unseen), 192)
    images = centred(torch.from_numpy(known.unseen[some]))
    labels = torch.from_numpy(known.unseen_labels[some])
    return even_loss(diffusion, images, labels, torch.Generator().manual_seed(7))


def differences(images: np.ndarray) -> tuple[float, list[float]]:
    """Return the mean square difference of neighbours, and for each period across over within."""
    squares = [
        np.square(np.diff(images.astype(np.float32), axis=axis)).mean((0, 1, 5 - axis))
        for axis in (2, 3)
    ]
    ratios = []
    for period in PERIODS:
        borders = [np.arange(1, len(square) + 1) % period == 0 for square in squares]
        across, within = (
            np.concatenate([square[at] for square, at in zip(squares, places, strict=True)]).mean()
            for places in (borders, [~at for at in borders])
        )
        ratios.append(float(across / within))
    return float(np.concatenate(squares).mean()), ratios


def drawn_by(diffusion: GaussianDiffusion, known: Pictures) -> tuple[np.ndarray, float]:
    """Draw images of all classes in turn; return them and the CPU milliseconds of each."""
    labels, images = torch.arange(N_DRAWN) % len(known.classes), []
    began = time.process_time()
    for block in torch.arange(N_DRAWN).split(AT_ONCE):
        set_labels(diffusion.model, labels[block])
        config = SamplingConfig(steps=CALLS)
        images.append(draw_batch(diffusion, block.tolist(), config, CPU)[0])
    return np.concatenate(images), 1000 * (time.process_time() - began) / N_DRAWN


def train(loop: TrainingLoop, known: Pictures, seconds: float) -> list[tuple[float, int, float]]:
    """Train for so many seconds of processor time, and evaluate on the way."""
    curve: list[tuple[float, int, float]] = []
    spent = 0.0
    for number in range(1, EVALUATIONS + 1):
        while spent < seconds * number / EVALUATIONS:
            began = time.process_time()
            loop.stepper.advance()
            spent += time.process_time() - began
        with loop.stepper.drawing_with(loop.stepper.average) as diffusion, torch.inference_mode():
            curve.append((spent, loop.stepper.step, loss_of(diffusion, known)))
        print("  {:.0f} s, {} steps: {:.4f}".format(*curve[-1]), flush=True)
    return curve


def measure(name: str, known: Pictures, given: argparse.Namespace) -> Found:
    """Train and measure one network, unless that is done."""
    stem = re.sub(r"\W+", "-", f"{given.data.stem}-{given.side}-{given.seconds}-{name}")
    path = given.workdir / f"{stem}.json"
    if path.exists():
        return Found(**read_json(path))
    network, training = settings_of(name.split(), given.side)
    data = TrainingData(known.train, known.labels)
    spec = TrainingSpec(
        "", GeneratorConfig(**network), TrainingConfig(**training), seed=0, classes=known.classes
    )
    loop = TrainingLoop(data, spec, given.workdir / "training", CPU)
    print(name, loop.precision, flush=True)
    curve = train(loop, known, given.seconds)
    with (
        loop.stepper.drawing_with(loop.stepper.average) as diffusion,
        autocast(CPU, loop.precision),
    ):
        images, milliseconds = drawn_by(diffusion, known)
    judge = FeatureConfig(model="tf_efficientnet_lite0", weights=given.weights, image_size=96)
    embed = pretrained_network(judge, CPU).embed
    kid = kernel_distance(embed(known.unseen), embed(images))
    (power, border), (real_power, real_border) = map(differences, (images, known.unseen))
    ratios = [mine / real for mine, real in zip(border, real_border, strict=True)]
    n_weights = sum(each.numel() for each in diffusion.model.parameters())
    labels = np.arange(N_DRAWN) % len(known.classes)
    colour = colour_ratio(images, labels, known.unseen, known.unseen_labels)
    found = Found(
        curve, milliseconds, kid.value, kid.standard_error, colour, power / real_power, ratios,
        n_weights,
    )  # fmt: skip
    write_png(path.with_suffix(".png"), grid(images[:N_SHOWN], 12))
    write_json(path, asdict(found))
    return found


def row(name: str, found: Found) -> str:
    """Return the row of the table."""
    _, steps, loss = found.curve[-1]
    return (
        f"| {name} | {found.parameters / 1e6:.1f} M | {steps:,} | {loss:.4f} | "
        f"{found.kid:.2f} ± {found.kid_error:.2f} | {found.drawing_ms:.0f} | "
        f"{found.colour:.2f} | {found.gradient:.2f} | "
        f"{', '.join(f'{ratio:.2f}' for ratio in found.grid)} |"
    )


def main() -> None:
    """Train what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "weights", "workdir", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("networks", nargs="+", metavar="SETTING=VALUE SETTING=VALUE …")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=400)
    given = parser.parse_args()
    torch.set_num_threads(1)
    known = pictures(given.data, given.workdir, given.side)
    lines = [
        f"{given.data.stem}, {given.side} px, {given.seconds} s of processor time each, one "
        f"thread; {platform.machine()}, Python {platform.python_version()}, torch "
        f"{torch.__version__} (`benchmarks/patches.py`).", "",
        "| Network | Weights | Steps | Loss, val | KID | Drawing, CPU ms an image | colour "
        "| gradient | grid, 2 and 4 px |", "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name in given.networks:
        lines.append(row(name, measure(name, known, given)))
        print(lines[-1], flush=True)
    write_text(given.out, "\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
