"""Change one setting at a time and see what each is worth, on four of AID-LT's rarest classes.

    python benchmarks/ablations.py aid-lt10.csv efficientnet-lite0.pth WORKDIR docs/benchmarks

Every setting trains four classes from a base, in the same number of steps, judged as in
strategies.py. Noises, batches and first weights are the same in all settings of one seed, so that
differences are paired. ablations.md is written anew after each setting; goes on where it was
stopped.
"""

import argparse
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from charts import OURS, chart, save

from augment.config import SamplingConfig
from augment.measure.metrics import copying, kernel_distance, manifold
from augment.network.generator import load_generator
from augment.sample.batch import draw_batch
from classifier.feature_network import FeatureConfig
from classifier.network.features import FeatureNetwork, pretrained_network
from flows.settings.config import RunConfig
from flows.stages.generators import train_class
from flows.stages.run import Run
from terrabalance.device import describe_device
from terrabalance.files import read_json, slug, write_json, write_text
from terrabalance.images import read_patches

# Texture, one object, many objects, a drawing on the ground.
CLASSES = ("Forest", "Stadium", "MediumResidential", "BaseballField")
SEEDS = (0,)
BASE_STEPS, CLASS_STEPS, N_DRAWN = 400, 120, 64
REFERENCE = "preset `cpu`"
# Of the network, of the "loop" of base and class, or of the "class" alone, from the same base.
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    REFERENCE: {},
    "augment 0.12": {"loop": {"augment": 0.12}},
    "dropout 0.1": {"generator": {"dropout": 0.1}},
    "no average of the weights (classes)": {"class": {"ema_decay": 0.0}},
    "no symmetries (classes)": {"class": {"symmetries": "none"}},
    "min-SNR weighting": {"generator": {"min_snr": True}},
    "Adam": {"loop": {"optimizer": "adam"}},
    "half the learning rate (classes)": {"class": {"learning_rate": 5e-4}},
    "noise_schedule_base_size 64": {"generator": {"noise_schedule_base_size": 64}},
    "augment 0.3 (classes)": {"class": {"augment": 0.3}},
}
CPU = torch.device("cpu")
Result = dict[str, list[float]]  # class -> KID, coverage, copying, grain
# class -> features of held-out and of train, grain of held-out
Real = dict[str, tuple[np.ndarray, np.ndarray, float]]


def config_of(data: Path, workdir: Path, name: str, seed: int) -> RunConfig:
    """Return the run of one setting: the preset `cpu`, but for its steps, without evaluations."""
    change = SETTINGS[name]
    # Without evaluations the last step is kept everywhere: choosing would hide what a setting does.
    loop = {"evaluations": 0, **change.get("loop", {})}
    return RunConfig(
        data=data, workdir=workdir, preset="cpu", seed=seed,
        generator=change.get("generator", {}),
        base={"steps": BASE_STEPS, **loop},
        training={"steps": CLASS_STEPS, **loop, **change.get("class", {})},
    )  # fmt: skip


def real_features(config: RunConfig, network: FeatureNetwork) -> Real:
    """Return what is known of each class's real images, the val part and "oracle" held out."""
    manifest, side = Run(config).catalogue, config.generator.image_size
    frame, features = manifest.frame[manifest.frame["status"] == "ok"], {}
    for name in CLASSES:
        rows = frame[frame["class"] == name]
        parts = (rows[rows["split"].isin(splits)] for splits in (["val", "oracle"], ["train"]))
        held_out, train = (read_patches(manifest.paths(part), side) for part in parts)
        features[name] = network.embed(held_out), network.embed(train), grain(held_out)
    return features


def grain(images: np.ndarray) -> float:
    """Return the noise in the differences of the colours, in grey levels; real images have little.

    The standard deviation of white noise by the median of the finest diagonal wavelet (Donoho and
    Johnstone 1994).
    """
    x = np.diff(images.astype(np.float64), axis=1)
    details = x[..., ::2, ::2] - x[..., 1::2, ::2] - x[..., ::2, 1::2] + x[..., 1::2, 1::2]
    return float(np.median(np.abs(details)) / 2 / 0.6745)


def measure(config: RunConfig, network: FeatureNetwork, real: Real) -> Result:
    """Train and judge every class of one setting."""
    result = {}
    for name, (held_out, train, _) in real.items():
        diffusion = load_generator(train_class(Run(config), name), name, CPU)
        images, _ = draw_batch(diffusion, range(N_DRAWN), SamplingConfig(), CPU)
        drawn = network.embed(images)
        result[name] = [
            kernel_distance(held_out, drawn).value,
            manifold(held_out, drawn).coverage,
            copying(train, held_out, drawn).value,
            grain(images),
        ]
    return result


def values(results: list[Result]) -> np.ndarray:
    """Return (seeds x classes, 4): KID, coverage, copying, grain."""
    return np.array([result[name] for result in results for name in CLASSES])


def change_of(results: list[Result], reference: list[Result]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean change against the reference of the same seeds and its error, (4,) each."""
    base = values(reference[: len(results)])
    change = values(results) - base
    change[:, 0] *= 100 / base[:, 0]  # classes differ tenfold in KID
    return change.mean(0), change.std(0, ddof=1) / np.sqrt(len(change))


def bars(results: dict[str, list[Result]], path: Path) -> None:
    """Draw by how much each setting changes KID and grain."""
    figure, all_axes = chart(2, 10)
    names = [name for name in results if name != REFERENCE]
    for place, name in enumerate(names):
        mean, error = change_of(results[name], results[REFERENCE])
        for axes, column in zip(all_axes, (0, 3), strict=True):
            axes.errorbar(mean[column], place, xerr=error[column], fmt="o", color=OURS)
    for axes in all_axes:
        axes.axvline(0, color="black", linewidth=0.6)
        axes.set_yticks(range(len(names)), names if axes is all_axes[0] else [])
        axes.invert_yaxis()
    all_axes[0].set(xlabel="change of KID, % (negative is nearer)")
    all_axes[1].set(xlabel="change of grain, levels")
    save(figure, path)


def line(name: str, results: list[Result], reference: list[Result]) -> str:
    """Return a row of the table: means, and changes against the reference of the same seeds."""
    mean, error = change_of(results, reference)
    kid, coverage, copying, grains = values(results).mean(0)
    cells = [name, str(len(results)), f"{kid:.2f}", f"{coverage:.2f}", f"{copying:.2f}"]
    cells.append(f"{grains:.1f}")
    if name == REFERENCE:
        return "| " + " | ".join([*cells, "", "", "", ""]) + " |"
    cells.append(f"{mean[0]:+.0f} ± {error[0]:.0f} %")
    cells += [f"{m:+.2f} ± {e:.2f}" for m, e in zip(mean[1:3], error[1:3], strict=True)]
    cells.append(f"{mean[3]:+.1f} ± {error[3]:.1f}")
    return "| " + " | ".join(cells) + " |"


def page(results: dict[str, list[Result]], network: str, real_grain: float) -> str:
    """Return the page with what has been measured."""
    reference = results[REFERENCE]
    side = RunConfig(data=Path(), preset="cpu").generator.image_size
    lines = [
        "# One setting at a time", "",
        f"{', '.join(CLASSES)}: four of AID-LT's ten rarest classes, with 10 to 17 training "
        f"images each. {side} px, the preset `cpu` with {BASE_STEPS} steps of the base and "
        f"{CLASS_STEPS} of each class from it, 16 images a step, without evaluations. Judged by "
        f"{network} at 96 px on {N_DRAWN} drawn images a class against real images that no "
        f"generator saw. {describe_device(CPU)}, torch {torch.__version__}, Python "
        f"{platform.python_version()}.", "",
        "The changes are against the reference with the same seed and class; ± is their standard "
        "error over classes and seeds. Settings of the classes alone start from the reference's "
        "base. Lower KID and copying and higher coverage are better. Grain is noise in the "
        f"differences of the colours, in grey levels: {real_grain:.1f} in the real images. KID, by "
        "a network that looks at shapes, hardly sees it; people do.", "",
        "| Setting | Seeds | KID | Coverage | Copying | Grain | KID changes by | Coverage "
        "| Copying | Grain |", "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [line(name, measured, reference) for name, measured in results.items()]
    return "\n".join([*lines, "", "![Changes of KID](ablations.png)", ""])


def main() -> None:
    """Measure what is missing, seed by seed, and write the page after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "weights", "workdir", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    network = pretrained_network(
        FeatureConfig(model="tf_efficientnet_lite0", weights=given.weights, image_size=96), CPU
    )
    real = real_features(config_of(given.data, given.workdir, REFERENCE, SEEDS[0]), network)
    real_grain = float(np.mean([known[2] for known in real.values()]))
    results: dict[str, list[Result]] = {}
    for seed in SEEDS:
        for name in SETTINGS:
            out = given.workdir / f"{slug(name)}-seed{seed}.json"
            if not out.exists():
                config = config_of(given.data, given.workdir, name, seed)
                write_json(out, measure(config, network, real))
            results.setdefault(name, []).append(read_json(out))
            write_text(given.out / "ablations.md", page(results, network.name, real_grain))
            bars(results, given.out / "ablations.png")
            print(line(name, results[name], results[REFERENCE]), flush=True)


if __name__ == "__main__":
    main()
