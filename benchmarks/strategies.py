"""Compare the three strategies on the same number of optimizer steps, on the rarest classes.

    python benchmarks/strategies.py aid-lt10.csv lite0.pth WORKDIR strategies.md
    python benchmarks/strategies.py eurosat-lt100-a.csv lite0.pth WORKDIR page.md --classes 5 --real

Writes the page, and beside it a picture of the first images of every strategy, none picked by hand.
Judged by features of an ImageNet tf_efficientnet_lite0 at 96 px, against real images that no
generator saw: the val part and, for less noise, the images that the protocol took out of the tail
("oracle"). Colour is the root mean square distance of an image's mean colour to that of its class
in those, over the same of real images (1). Both are also told of images that start from pure noise,
instead of from a mean colour of the class. Goes on where it was stopped.
"""

import argparse
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from colours import colour_ratio
from PIL import Image, ImageDraw, ImageFont

from augment.measure.fidelity import measure_class
from augment.network.generator import load_generator
from augment.sample.batch import draw_batch
from augment.sample.starts import mean_colours
from augment.train.cost import estimate_cost
from classifier.feature_network import FeatureConfig
from classifier.network.features import FeatureNetwork, pretrained_network
from flows.settings.config import RunConfig
from flows.stages.generators import train_class
from flows.stages.run import Run
from terrabalance.device import describe_device
from terrabalance.files import read_json, write_json, write_text
from terrabalance.images import grid, read_patches, to_pil
from terrabalance.manifest import even_share

N_DRAWN, N_SHOWN, CPU = 88, 4, torch.device("cpu")
RATES = {"scratch": 2e-3, "warm-start": 1e-3, "conditional": 1e-3}


@dataclass(frozen=True)
class Contest:
    """What every strategy is given: the data, the rarest classes, and optimizer steps in all."""

    data: Path
    workdir: Path
    n_classes: int
    steps: int

    def budget(self, strategy: str) -> tuple[int, int]:
        """Return the optimizer steps of the base and of each class."""
        base = {"scratch": 0, "warm-start": self.steps // 2, "conditional": self.steps}[strategy]
        return base, (self.steps - base) // self.n_classes

    def config(self, strategy: str) -> RunConfig:
        """Return the run of one strategy: the preset `cpu`, but for its number of steps."""
        base, steps = self.budget(strategy)
        return RunConfig(
            data=self.data, workdir=self.workdir, preset="cpu", strategy=strategy,
            plan={"rarest": self.n_classes}, base={"steps": max(base, 1)},
            training={"steps": max(steps, 1), "passes": None, "learning_rate": RATES[strategy]},
        )  # fmt: skip

    def cost(self, strategy: str) -> float:
        """Return the seconds that a strategy's trainings take here, by steps measured now."""
        (base, steps), config = self.budget(strategy), self.config(strategy)
        trainings = [config.base] * (base > 0) + [config.training] * (self.n_classes * (steps > 0))
        cost = estimate_cost(trainings, 0, config.generator, config.sampling, CPU)
        return float(cost["train_s"])

    def names(self) -> dict[str, int]:
        """Return the rarest classes with their training images, the rarest first."""
        counts = Run(self.config("scratch")).catalogue.usable("train").groupby("class").size()
        return {str(k): int(n) for k, n in counts.sort_values().head(self.n_classes).items()}


def judge(config: RunConfig, network: FeatureNetwork, name: str) -> tuple[dict[str, Any], Any]:
    """Train one class, draw it, and measure it; return the measures and its first images."""
    folder, side = train_class(Run(config), name), config.generator.image_size
    manifest = Run(config).catalogue
    frame = manifest.frame[manifest.frame["status"] == "ok"]
    held_out = frame[(frame["class"] == name) & frame["split"].isin(["val", "oracle"])]
    train = manifest.usable("train")
    others = even_share(train[train["class"] != name], 500)
    parts = [held_out, train[train["class"] == name], others]
    images = [read_patches(manifest.paths(part), side) for part in parts]
    real, model = [network.embed(each) for each in images], load_generator(folder, name, CPU)
    kinds: dict[str, Any] = {}
    for begin, colours in {"noise": None, "class": mean_colours(images[1])}.items():
        drawn, _ = draw_batch(model, range(N_DRAWN), config.sampling, CPU, colours=colours)
        measures = measure_class(network.embed(drawn), *real) or {}
        one_class = [np.zeros(len(each), int) for each in (drawn, images[0])]
        colour = colour_ratio(drawn, one_class[0], images[0], one_class[1])
        kinds[begin] = {**measures, "colour": colour}
    return {**kinds["class"], "noise": kinds["noise"]}, drawn[:N_SHOWN]


def measure(
    config: RunConfig, network: FeatureNetwork, names: dict[str, int], out: Path
) -> list[dict[str, Any]]:
    """Judge every class of one strategy, once."""
    rows, pictures = [], []
    for name, n_train in names.items():
        measures, drawn = judge(config, network, name)
        rows.append({"class": name, "n_train": n_train, **measures})
        pictures.append(drawn)
        print(config.strategy, name, measures["kid"], measures["manifold"]["coverage"], flush=True)
    np.save(out.with_suffix(".npy"), np.concatenate(pictures))
    write_json(out, rows)
    return rows


def strategy_row(contest: Contest, strategy: str, rows: list[dict[str, Any]]) -> str:
    """Return the line of a strategy, with means over the classes."""
    kid = np.mean([row["kid"]["value"] for row in rows])
    error = np.sqrt(np.sum([row["kid"]["standard_error"] ** 2 for row in rows])) / len(rows)
    colour = np.mean([row["colour"] for row in rows])
    noise_kid = np.mean([row["noise"]["kid"]["value"] for row in rows])
    noise_colour = np.mean([row["noise"]["colour"] for row in rows])
    precision, coverage = (
        np.mean([row["manifold"][key] for row in rows]) for key in ("precision", "coverage")
    )
    copying = np.mean([row["copying"]["value"] for row in rows])
    base, steps = contest.budget(strategy)
    minutes = contest.cost(strategy) / 60
    return (
        f"| {strategy} | {base:,} + {len(rows)} x {steps} | {minutes:.0f} | {kid:.2f} ± "
        f"{error:.2f} | {colour:.2f} | {noise_kid:.2f}, {noise_colour:.2f} | {precision:.2f} "
        f"| {coverage:.2f} | {copying:.2f} |"
    )


def table(contest: Contest, results: dict[str, list[dict[str, Any]]], network: str) -> list[str]:
    """Return the page's lines: means over the classes, then KID by class."""
    config = contest.config("scratch")
    side, batch = config.generator.image_size, config.training.batch_size
    lines = [
        "# From scratch, warm start, conditional", "",
        f"The {contest.n_classes} rarest classes of `{contest.data.name}`, {side} px, the preset "
        f"`cpu`, {contest.steps:,} optimizer steps of {batch} images in all for each strategy. "
        f"Judged by {network} at 96 px on {N_DRAWN} drawn images a class. {describe_device(CPU)}, "
        f"torch {torch.__version__}, Python {platform.python_version()}.", "",
        "| Strategy | Steps: base + each class | Minutes | KID | Colour | from noise: KID, colour "
        "| Precision | Coverage | Copying |", "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [strategy_row(contest, strategy, rows) for strategy, rows in results.items()]
    by_class = pd.DataFrame(
        {
            strategy: {
                f"{row['class']} ({row['n_train']})": f"{row['kid']['value']:.2f} ± "
                f"{row['kid']['standard_error']:.2f}"
                for row in rows
            }
            for strategy, rows in results.items()
        }
    )
    first = next(iter(results.values()))
    by_class["real"] = [f"{row['floor']['value']:.2f}" for row in first]
    by_class["other classes"] = [f"{row['ceiling']['value']:.2f}" for row in first]
    header = "| Class (training images) | " + " | ".join(by_class.columns) + " |"
    lines += ["", "KID by class; `real` is what the class's own training images score:", "", header]
    lines.append("|---" * (len(by_class.columns) + 1) + "|")
    lines += [f"| {name} | " + " | ".join(row) + " |" for name, row in by_class.iterrows()]
    return lines


def real_images(contest: Contest, names: dict[str, int]) -> np.ndarray:
    """Return the first training images of every class, (N, 3, S, S) uint8."""
    config = contest.config("scratch")
    side, catalogue = config.generator.image_size, Run(config).catalogue
    parts = [catalogue.usable("train", name).head(N_SHOWN) for name in names]
    return np.concatenate([read_patches(catalogue.paths(part), side) for part in parts])


def sheet(names: list[str], pictures: dict[str, np.ndarray]) -> Image.Image:
    """Return a picture: a row for each class, a column for each strategy."""
    label, line, gap = 148, 22, 10
    columns = [grid(shown, N_SHOWN) for shown in pictures.values()]
    height, width = columns[0].shape[1:]
    page = Image.new("RGB", (label + len(columns) * (width + gap), line + height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for index, name in enumerate(names):
        draw.text((4, line + round(height * (index + 0.5) / len(names)) - 7), name, "#24292f", font)
    for index, (strategy, column) in enumerate(zip(pictures, columns, strict=True)):
        left = label + index * (width + gap)
        draw.text((left, 3), strategy, "#24292f", font)
        page.paste(to_pil(column), (left, line))
    return page


def main() -> None:
    """Measure what is missing, then write the page and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "weights", "workdir", "page"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--steps", type=int, default=3000)
    # AID's images must not be copied into a repository, so they are shown only on request.
    parser.add_argument("--real", action="store_true", help="show training images too")
    given = parser.parse_args()
    judge_config = FeatureConfig(
        model="tf_efficientnet_lite0", weights=given.weights, image_size=96
    )
    contest = Contest(given.data, given.workdir, given.classes, given.steps)
    network, names, results = pretrained_network(judge_config, CPU), contest.names(), {}
    pictures = {"training": real_images(contest, names)} if given.real else {}
    for strategy in RATES:
        out = given.workdir / f"{strategy}.json"
        config = contest.config(strategy)
        results[strategy] = read_json(out) if out.exists() else measure(config, network, names, out)
        pictures[strategy] = np.load(out.with_suffix(".npy"))
    picture = given.page.with_suffix(".webp")  # a third of a PNG's bytes
    lines = [*table(contest, results, network.name), "", f"![First images of each]({picture.name})"]
    write_text(given.page, "\n".join([*lines, ""]))
    sheet(list(names), pictures).save(picture, quality=92)


if __name__ == "__main__":
    main()
