r"""How soon a generator is as near to real images as upstream's `Trainer` is after its own budget.

    python benchmarks/time_to_quality.py aid-lt10.csv efficientnet-lite0.pth WORKDIR \
        docs/benchmarks

Upstream trains one class by its `Trainer` (its defaults, which are the tutorial's: learning rate
8e-5, EMA, mirrored at random) and draws with all 1,000 timesteps. Ours trains the same network on
the same images for some lengths, each a training of its own: from scratch, and from a base, which
is charged in full. Both weight their losses by min-SNR. As `Trainer` refuses fewer than 100 files,
it gets the class's images several times over. Seconds are steps times the duration of a step,
measured here for both in alternating rounds, so that a busy machine slows both. Goes on where it
was stopped.
"""

import argparse
import math
import platform
import tempfile
from pathlib import Path

import numpy as np
import torch
from charts import chart, save
from training_speed import BATCH, pictures, rates, training_of, upstreams
from upstream import upstream_trainer

from augment.config import SamplingConfig, TrainingConfig
from augment.measure.metrics import Estimate, kernel_distance
from augment.network.config import GeneratorConfig
from augment.network.generator import load_generator
from augment.sample.batch import draw_batch
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator
from classifier.feature_network import FeatureConfig
from classifier.network.features import FeatureNetwork, pretrained_network
from flows.settings.config import RunConfig
from flows.stages.generators import train_base
from flows.stages.run import Run
from terrabalance.device import describe_device, pick_device
from terrabalance.files import read_json, write_json, write_text
from terrabalance.images import read_patches, write_png

N_DRAWN, FEWEST_FILES = 64, 100
LENGTHS = (25, 100, 400)


class Bench:
    """One class: its images, its held-out images, and who compares."""

    def __init__(self, config: RunConfig, name: str, network: FeatureNetwork) -> None:
        manifest, side = Run(config).catalogue, config.generator.image_size
        frame = manifest.frame[manifest.frame["status"] == "ok"]
        held_out = frame[(frame["class"] == name) & frame["split"].isin(["val", "oracle"])]
        self.classes = tuple(sorted(manifest.usable("train")["class"].unique()))
        self.config, self.name, self.network = config, name, network
        self.device = pick_device(config.device)
        self.images = read_patches(manifest.paths(manifest.usable("train", name)), side)
        self.real = network.embed(read_patches(manifest.paths(held_out), side))

    def kid(self, drawn: np.ndarray) -> Estimate:
        """Return the distance of drawn images to held-out ones."""
        return kernel_distance(self.real, self.network.embed(drawn))

    def upstreams(self, steps: int, folder: Path) -> Estimate:
        """Train and draw as upstream does."""
        torch.manual_seed(0)
        copies = -(-FEWEST_FILES // len(self.images))
        with tempfile.TemporaryDirectory() as files:
            for index, image in enumerate(np.concatenate([self.images] * copies)):
                write_png(Path(files) / f"{index}.png", image)
            trainer = upstream_trainer(self.config.generator, Path(files), folder, BATCH, steps)
            trainer.train()
        drawn = trainer.ema.ema_model.sample(batch_size=N_DRAWN).cpu()
        return self.kid((drawn * 255).round().to(torch.uint8).numpy())

    def ours(self, steps: int, base: Path | None, folder: Path) -> Estimate:
        """Train for some steps, from a base or from scratch, and draw by the default sampler."""
        rate = 1e-3 if base else 2e-3
        loop = TrainingConfig(steps=steps, batch_size=BATCH, learning_rate=rate, evaluations=0)
        classes = self.classes if base else ()
        spec = TrainingSpec(self.name, self.config.generator, loop, 0, base, classes)
        train_generator(TrainingData(self.images), spec, folder, [self.device])
        model = load_generator(folder, self.name, self.device)
        seeds = list(range(N_DRAWN))
        return self.kid(draw_batch(model, seeds, SamplingConfig(), self.device)[0])


def measure(
    bench: Bench, base_steps: int, budget: int, workdir: Path
) -> dict[str, list[list[float]]]:
    """Return the [steps, KID, its standard error] of each training, by who and start."""

    def once(key: str, work: object) -> list[float]:
        path = workdir / f"{key}.json"
        if not path.exists():
            steps, estimate = work()  # type: ignore[operator]
            write_json(path, [steps, estimate.value, estimate.standard_error])
        found: list[float] = read_json(path)
        print(key, found, flush=True)
        return found

    budgeted = f"upstream-{bench.name}-{budget}"
    goal = once(budgeted, lambda: (budget, bench.upstreams(budget, workdir / budgeted)))
    found = {"upstream": [goal]}
    base = train_base(Run(bench.config))
    for start, folder in (("scratch", None), ("warm start", base)):
        found[start] = []
        for steps in LENGTHS:
            key = f"{start.replace(' ', '-')}-{bench.name}-{steps}"
            run = once(key, lambda: (steps, bench.ours(steps, folder, workdir / key)))  # noqa: B023
            found[start].append([run[0] + (base_steps if folder else 0), *run[1:]])
    return found


def against(goal: list[float], run: list[float]) -> str:
    """Say how a training stands to upstream's, both as [seconds, KID, its standard error]."""
    further, doubt = run[1] - goal[1], 2 * math.hypot(run[2], goal[2])
    if abs(further) <= doubt:
        return f"no clear difference, 1/{goal[0] / run[0]:.0f} of the time"
    return f"{'farther' if further > 0 else 'nearer'}, 1/{goal[0] / run[0]:.0f} of the time"


def curves(found: dict[str, dict[str, list[list[float]]]], path: Path) -> None:
    """Draw KID against seconds, {class: {who: [seconds, KID, standard error] each}}."""
    figure, all_axes = chart(len(found), 6.4 * len(found))
    for axes, (name, runs) in zip(all_axes, found.items(), strict=True):
        for who, points in runs.items():
            seconds, kid, error = zip(*points, strict=True)
            axes.errorbar(seconds, kid, error, fmt="o-", label=who)
        axes.axhline(runs["upstream"][0][1], color="C0", linewidth=0.6)
        axes.set(xlabel="seconds of training", ylabel="KID (lower is nearer)", title=name)
        axes.legend(frameon=False, loc="center")
    save(figure, path)


def speeds(config: GeneratorConfig, side_px: int) -> tuple[float, float]:
    """Return images a second of our loop and of upstream's."""
    images = pictures(side_px)
    with tempfile.TemporaryDirectory() as folder:
        training = training_of(config, images, Path(folder))
        return rates(training, upstreams(config, images, Path(folder)), 10)


def main() -> None:
    """Measure what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "weights", "workdir", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--classes", nargs="+", default=["Stadium", "Meadow"])
    parser.add_argument("--budget", type=int, default=1500, help="upstream's steps")
    parser.add_argument("--base-steps", type=int, default=400)
    parser.add_argument("--side", type=int, default=32)
    given = parser.parse_args()
    judge = FeatureConfig(model="tf_efficientnet_lite0", weights=given.weights, image_size=96)
    config = RunConfig(
        data=given.data, workdir=given.workdir, preset="cpu",
        generator={"image_size": given.side, "min_snr": True},
        base={"steps": given.base_steps, "evaluations": 0},
    )  # fmt: skip
    device = pick_device(config.device)
    network = pretrained_network(judge, device)
    mine, theirs = speeds(config.generator, given.side)
    lines = [
        "# Time to quality", "",
        f"{given.side} px, batches of {BATCH}, {config.generator.dim} channels, ours on patches of "
        f"{config.generator.patch} pixels; upstream's own budget is {given.budget:,} steps. KID of "
        f"{N_DRAWN} drawn images to real ones that no generator saw, by {network.name} at 96 px. "
        f"The warm start's base is charged in full to the one class: {given.base_steps} of its "
        "steps. All with min-SNR weighting. "
        f"{describe_device(device)}, torch {torch.__version__}, Python "
        f"{platform.python_version()}; upstream {theirs:.1f} images a second, ours {mine:.1f} "
        "(`benchmarks/time_to_quality.py`).", "",
        "The last column compares the KID with upstream's: clearly nearer or farther is what two "
        "standard errors of the difference tell apart, and then in which part of upstream's "
        "seconds. All are far from real images at such budgets, and KID tells blurred from noisy "
        "ones badly.", "",
        "| Class (images) | Who | Steps | Seconds | KID | to upstream |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    timed: dict[str, dict[str, list[list[float]]]] = {}
    for name in given.classes:
        bench = Bench(config, name, network)
        found = measure(bench, given.base_steps, given.budget, given.workdir)
        rate = {who: theirs if who == "upstream" else mine for who in found}
        timed[name] = {
            who: [[run[0] * BATCH / rate[who], *run[1:]] for run in runs]
            for who, runs in found.items()
        }
        goal = timed[name]["upstream"][0]
        for who, runs in timed[name].items():
            for (steps, *_), (seconds, kid, error) in zip(found[who], runs, strict=True):
                said = against(goal, [seconds, kid, error]) if who != "upstream" else ""
                lines.append(
                    f"| {name} ({len(bench.images)}) | {who} | {steps:,.0f} | {seconds:.0f} | "
                    f"{kid:.2f} ± {error:.2f} | {said} |"
                )
    curves(timed, given.out / "time_to_quality.png")
    picture = ["", "![KID against seconds](time_to_quality.png)", ""]
    write_text(given.out / "time_to_quality.md", "\n".join([*lines, *picture]))


if __name__ == "__main__":
    main()
