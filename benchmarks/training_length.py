r"""How long a class may be trained before its images are learned by heart, by how many it has.

    python benchmarks/training_length.py aid-lt10.csv efficientnet-lite0.pth WORKDIR \
        docs/benchmarks

From a base trained as in the preset `cpu`, but shorter, one generator is trained on each
number of images of a class for the same steps, and evaluated on the way as every training is
(`augment.train.evaluation`), but not ended. Goes on where it was stopped.
"""

import argparse
import platform
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from charts import chart, save
from matplotlib.ticker import NullFormatter

from augment.train.data import HeldOut, TrainingData
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator
from classifier.feature_network import FeatureConfig
from classifier.network.features import FeatureNetwork, pretrained_network
from flows.settings.config import RunConfig
from flows.stages.generators import train_base
from flows.stages.run import Run
from terrabalance.device import describe_device
from terrabalance.files import write_text
from terrabalance.images import read_patches

CPU = torch.device("cpu")
SIZES = {"BaseballField": (10,), "Pond": (30, 98)}
BASE_STEPS = 800
STEPS, EVALUATIONS = 800, 4


def evaluations_of(config: RunConfig, network: FeatureNetwork, name: str, n: int) -> pd.DataFrame:
    """Train on `n` images of a class; return the evaluations."""
    manifest, size = Run(config).catalogue, config.generator.image_size
    classes = tuple(sorted(manifest.usable("train")["class"].unique()))
    train = read_patches(manifest.paths(manifest.usable("train", name).head(n)), size)
    unseen = read_patches(manifest.paths(manifest.usable("val", name)), size)
    label = np.full(len(unseen), classes.index(name))
    loop = config.training.model_copy(
        update={"steps": STEPS, "evaluations": EVALUATIONS, "passes": None, "memorizing": 99.0}
    )
    spec = TrainingSpec(name, config.generator, loop, config.seed, train_base(Run(config)), classes)
    folder = config.workdir / "length" / f"{name}-{n}"
    held_out = HeldOut(unseen, label, network.embed, network.name)
    train_generator(TrainingData(train, held_out=held_out), spec, folder, [CPU])
    return pd.read_csv(folder / "looks.csv")


def curves(found: dict[str, pd.DataFrame], path: Path) -> None:
    """Draw the evaluations against the passes over each image."""
    figure, (losses, distances) = chart(2, 9)
    for place, (name, rows) in enumerate(found.items()):
        colour = f"C{place}"
        losses.plot(rows["passes"], rows["held_out_loss"], "o-", color=colour, label=name)
        losses.plot(rows["passes"], rows["loss"], ":", color=colour)
        distances.errorbar(
            rows["passes"], rows["kid"], rows["kid_error"], fmt="o-", color=colour, label=name
        )
    for axes, label in ((losses, "loss: validation, and training (dotted)"), (distances, "KID")):
        axes.set(xscale="log", xlabel="passes over each training image", ylabel=label)
        axes.xaxis.set_minor_formatter(NullFormatter())
    losses.legend(frameon=False)
    save(figure, path)


def main() -> None:
    """Train what is missing, write the page, draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "weights", "workdir", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    judge = FeatureConfig(model="tf_efficientnet_lite0", weights=given.weights, image_size=96)
    base = {"steps": BASE_STEPS, "evaluations": 0}
    config = RunConfig(data=given.data, workdir=given.workdir, preset="cpu", base=base)
    network = pretrained_network(judge, CPU)
    batch = config.training.batch_size * config.training.accumulate
    lines = [
        "# Training length", "",
        f"Classes of AID-LT at {config.generator.image_size} px, from a base of {BASE_STEPS} "
        f"steps, batches of {batch}, "
        f"{STEPS:,} steps with the learning rate falling linearly. Losses on the training images "
        "and on images of the validation part, always with the same noise; KID of 32 drawn "
        f"images to the validation part by {network.name} at 96 px. {describe_device(CPU)}, torch "
        f"{torch.__version__}, Python {platform.python_version()} "
        "(`benchmarks/training_length.py`).", "",
        "| Class | Images | Steps | Passes over each | Loss, training | Loss, validation | over "
        "its lowest | KID | Copies |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    found = {}
    for name, sizes in SIZES.items():
        for n in sizes:
            rows = evaluations_of(config, network, name, n)
            rows["passes"] = rows["step"] * batch / n
            found[f"{name}, {n} images"] = rows
            lowest = rows["held_out_loss"].cummin()
            for row, low in zip(rows.itertuples(), lowest, strict=True):
                lines.append(
                    f"| {name} | {n} | {row.step:,} | {row.passes:,.0f} | "
                    f"{row.loss:.4f} | {row.held_out_loss:.4f} | "
                    f"{100 * (row.held_out_loss / low - 1):+.0f} % | "
                    f"{'too few' if np.isnan(row.kid) else f'{row.kid:.2f} ± {row.kid_error:.2f}'} "
                    f"| {100 * row.copies:.0f} % |"
                )
            print(lines[-1], flush=True)
    curves(found, given.out / "training_length.png")
    picture = ["", "![Losses and KID](training_length.png)", ""]
    write_text(given.out / "training_length.md", "\n".join([*lines, *picture]))


if __name__ == "__main__":
    main()
