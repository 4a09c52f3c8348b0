"""Compare the three strategies on the same number of optimizer steps, on AID-LT's rarest classes.

    python benchmarks/strategies.py aid-lt10.csv efficientnet-lite0.pth WORKDIR docs/benchmarks

Writes strategies.md (the table) and strategies.png (the first images of every strategy, none picked
by hand). Judged by features of an ImageNet tf_efficientnet_lite0 at 96 px, against real images that
no generator saw: the val part and, for less noise, the images that AID-LT took out of the tail
("oracle"). Goes on where it was stopped.
"""

import argparse
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFont

from augment.config import SamplingConfig
from augment.measure.fidelity import measure_class
from augment.network.generator import load_generator
from augment.sample.batch import draw_batch
from augment.train.cost import estimate_cost
from classifier.feature_network import FeatureConfig
from classifier.network.features import FeatureNetwork, pretrained_network
from flows.settings.config import RunConfig
from flows.stages.generators import train_class
from flows.stages.run import Run
from terrabalance.device import describe_device
from terrabalance.files import read_json, write_json, write_text
from terrabalance.images import grid, read_patches, to_pil, write_png
from terrabalance.manifest import even_share

N_CLASSES, N_DRAWN, N_SHOWN, CPU = 10, 88, 3, torch.device("cpu")
# Optimizer steps of 16 images: (for the base, for each class); as many in all for ten classes.
TOTAL = 6000
BUDGETS = {"scratch": (0, 600), "warm-start": (3000, 300), "conditional": (TOTAL, 0)}
RATES = {"scratch": 2e-3, "warm-start": 1e-3, "conditional": 1e-3}


def config_of(data: Path, workdir: Path, strategy: str) -> RunConfig:
    """Return the run of one strategy: the preset `cpu`, but for its number of steps."""
    base, steps = BUDGETS[strategy]
    return RunConfig(
        data=data, workdir=workdir, preset="cpu", strategy=strategy, plan={"rarest": N_CLASSES},
        base={"steps": max(base, 1)},
        training={"steps": max(steps, 1), "passes": None, "learning_rate": RATES[strategy]},
    )  # fmt: skip


def cost(strategy: str) -> float:
    """Return the seconds that a strategy's trainings take here, by steps measured now."""
    config = config_of(Path(), Path(), strategy)
    base, steps = BUDGETS[strategy]
    trainings = [config.base] * (base > 0) + [config.training] * (N_CLASSES if steps else 0)
    return estimate_cost(trainings, 0, config.generator, config.sampling, CPU)["train_s"]


def judge(config: RunConfig, network: FeatureNetwork, name: str) -> tuple[dict[str, Any], Any]:
    """Train one class, draw it, and measure it; return the measures and its first images."""
    folder, side = train_class(Run(config), name), config.generator.image_size
    manifest = Run(config).catalogue
    frame = manifest.frame[manifest.frame["status"] == "ok"]
    held_out = frame[(frame["class"] == name) & frame["split"].isin(["val", "oracle"])]
    train = manifest.usable("train")
    others = even_share(train[train["class"] != name], 500)
    drawn, _ = draw_batch(load_generator(folder, name, CPU), range(N_DRAWN), SamplingConfig(), CPU)
    parts = [held_out, train[train["class"] == name], others]
    real = [network.embed(read_patches(manifest.paths(part), side)) for part in parts]
    return measure_class(network.embed(drawn), *real) or {}, drawn[:N_SHOWN]


def measure(config: RunConfig, network: FeatureNetwork, out: Path) -> list[dict[str, Any]]:
    """Judge every class of one strategy, once."""
    counts = Run(config).catalogue.usable("train").groupby("class").size().sort_values()
    rows, pictures = [], []
    for name, n_train in counts.head(N_CLASSES).items():
        measures, drawn = judge(config, network, str(name))
        rows.append({"class": name, "n_train": int(n_train), **measures})
        pictures.append(drawn)
        print(config.strategy, name, measures["kid"], measures["manifold"]["coverage"], flush=True)
    np.save(out.with_suffix(".npy"), np.concatenate(pictures))
    write_json(out, rows)
    return rows


def table(results: dict[str, list[dict[str, Any]]], network: str) -> str:
    """Return the page: means over the classes, then KID by class."""
    side = config_of(Path(), Path(), "scratch").generator.image_size
    lines = [
        "# From scratch, warm start, conditional", "",
        f"AID-LT's {N_CLASSES} rarest classes, {side} px, the preset `cpu`, {TOTAL:,} optimizer "
        f"steps of 16 images in all for each strategy. Judged by {network} at 96 px on {N_DRAWN} "
        f"drawn images a class. {describe_device(CPU)}, torch {torch.__version__}, "
        f"Python {platform.python_version()}.", "",
        "| Strategy | Steps: base + each class | Minutes | KID | Precision | Coverage | Copying |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for strategy, rows in results.items():
        kid = np.mean([row["kid"]["value"] for row in rows])
        error = np.sqrt(np.sum([row["kid"]["standard_error"] ** 2 for row in rows])) / len(rows)
        shares = [
            np.mean([row["manifold"][key] for row in rows]) for key in ("precision", "coverage")
        ]
        copying = np.mean([row["copying"]["value"] for row in rows])
        base, steps = BUDGETS[strategy]
        minutes = cost(strategy) / 60
        lines.append(
            f"| {strategy} | {base:,} + {N_CLASSES} x {steps} | {minutes:.0f} | {kid:.2f} ± "
            f"{error:.2f} | {shares[0]:.2f} | {shares[1]:.2f} | {copying:.2f} |"
        )
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
    return "\n".join([*lines, "", "![First images of each](strategies.png)", ""])


def sheet(names: list[str], pictures: dict[str, np.ndarray]) -> np.ndarray:
    """Return a (3, H, W) picture: a row of classes for each strategy.

    Real images are not beside them: AID's must not be copied into a repository.
    """
    label, line, scale = 96, 22, 2
    rows = [grid(p.repeat(scale, 2).repeat(scale, 3), len(p), gap_px=2) for p in pictures.values()]
    height, width = rows[0].shape[1:]
    page = Image.new("RGB", (label + width, line + len(rows) * (height + 4)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for index, name in enumerate(names):
        draw.text((label + index * (width + 2) // len(names), 3), name, "#24292f", font)
    for index, (strategy, row) in enumerate(zip(pictures, rows, strict=True)):
        top = line + index * (height + 4)
        draw.text((4, top + height // 2 - 7), strategy, "#24292f", font)
        page.paste(to_pil(row), (label, top))
    return np.asarray(page).transpose(2, 0, 1)


def main() -> None:
    """Measure what is missing, then write the page and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "weights", "workdir", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    judge_config = FeatureConfig(
        model="tf_efficientnet_lite0", weights=given.weights, image_size=96
    )
    network, results, pictures = pretrained_network(judge_config, CPU), {}, {}
    for strategy in BUDGETS:
        out = given.workdir / f"{strategy}.json"
        config = config_of(given.data, given.workdir, strategy)
        results[strategy] = read_json(out) if out.exists() else measure(config, network, out)
        pictures[strategy] = np.load(out.with_suffix(".npy"))
    write_text(given.out / "strategies.md", table(results, network.name))
    names = [row["class"] for row in results["scratch"]]
    write_png(given.out / "strategies.png", sheet(names, pictures))


if __name__ == "__main__":
    main()
