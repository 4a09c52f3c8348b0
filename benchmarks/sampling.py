"""Few network calls against upstream's 1,000: KID and images a second, with the same noise.

    python benchmarks/sampling.py GENERATOR CLASS HELD_OUT efficientnet-lite0.pth docs/benchmarks

GENERATOR is a trained generator's folder, HELD_OUT a CSV with path, class and split that lies
beside the folder of its images (as aid-lt10.csv beside aid); its val and oracle images of CLASS are
the real ones to compare with. Writes sampling.md and the curve sampling.png.
"""

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from charts import chart, save
from denoising_diffusion_pytorch import GaussianDiffusion
from upstream import upstream_diffusion

from augment.config import SamplingConfig
from augment.measure.metrics import Estimate, kernel_distance
from augment.network.card import read_drawing_card
from augment.network.config import GeneratorConfig
from augment.network.generator import load_generator
from augment.sample.batch import draw_batch
from classifier.feature_network import FeatureConfig
from classifier.network.features import pretrained_network
from terrabalance.device import describe_device, pick_device
from terrabalance.files import write_text
from terrabalance.images import read_patches

Embed = Callable[[np.ndarray], np.ndarray]
N_IMAGES = 64
_NOTE = (
    "What counts is the distance to upstream's row, the same generator solved in all its "
    "timesteps. DDIM's smoother images score lower than it with this generator, which was trained "
    "for minutes only; with calls its figures approach the others."
)
_TIMED_CALLS, _EXACT_CALLS = 20, 200
CALLS = {
    "unipc": (5, 8, 10, 12, 15, 20, 25),
    "dpm++": (5, 8, 10, 12, 15, 20, 25),
    "ddim": (10, 20, 50),
}


@dataclass(frozen=True)
class Point:
    """What one way to sample gave."""

    sampler: str
    calls: int
    kid: Estimate
    images_per_s: float
    distance: float


def upstream(diffusion: GaussianDiffusion) -> np.ndarray:
    """Draw with upstream's own loop of all timesteps; (N, 3, S, S) uint8."""
    torch.manual_seed(0)
    with torch.inference_mode():
        images = diffusion.p_sample_loop((N_IMAGES, 3, *diffusion.image_size))
    return (images.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def upstreams_rate(config: GeneratorConfig, device: torch.device) -> float:
    """Return the images a second of upstream's network with all timesteps, from some of them."""
    diffusion = upstream_diffusion(config).to(device).eval()
    images = torch.randn(N_IMAGES, 3, *diffusion.image_size, device=device)
    with torch.inference_mode():
        images, _ = diffusion.p_sample(images, diffusion.num_timesteps - 1)  # warms up
        images.sum().item()
        began = time.perf_counter()
        for step in range(_TIMED_CALLS):
            images, _ = diffusion.p_sample(images, diffusion.num_timesteps - 2 - step)
        images.sum().item()  # waits for the device
    seconds = time.perf_counter() - began
    return N_IMAGES / (seconds * diffusion.num_timesteps / _TIMED_CALLS)


def measure(
    diffusion: GaussianDiffusion, config: GeneratorConfig, real: np.ndarray, embed: Embed
) -> list[Point]:
    """Measure upstream's sampling and every solver and number of calls."""
    device, points = pick_device("auto"), []

    def ours(config: SamplingConfig) -> np.ndarray:
        return draw_batch(diffusion, range(N_IMAGES), config, device)[0]

    exact = ours(SamplingConfig(sampler="unipc", steps=_EXACT_CALLS)).astype(np.float32)

    def point(
        sampler: str, calls: int, draw: Callable[[], np.ndarray], rate: float | None = None
    ) -> None:
        began = time.perf_counter()
        images = draw()
        rate = rate or N_IMAGES / (time.perf_counter() - began)
        kid = kernel_distance(real, embed(images))
        distance = float(np.sqrt(np.square(images - exact).mean()))
        points.append(Point(sampler, calls, kid, rate, distance))
        print(points[-1], flush=True)

    for sampler, all_calls in CALLS.items():
        for calls in all_calls:
            point(sampler, calls, partial(ours, SamplingConfig(sampler=sampler, steps=calls)))
    rate = upstreams_rate(config, device)
    point("upstream", diffusion.num_timesteps, lambda: upstream(diffusion), rate)
    return points


def curve(points: list[Point], path: Path) -> None:
    """Draw KID against network calls."""
    figure, (axes,) = chart()
    last = points[-1]
    low, high = (last.kid.value + sign * last.kid.standard_error for sign in (-1, 1))
    axes.axhspan(low, high, color="#d0d7de", label=f"upstream, {last.calls:,} calls, ± 1 s.e.")
    for sampler in CALLS:
        mine = [p for p in points if p.sampler == sampler]
        axes.plot([p.calls for p in mine], [p.kid.value for p in mine], "o-", label=sampler)
    axes.set(xscale="log", xlabel="network calls an image", ylabel="KID (lower is nearer)")
    axes.legend(frameon=False)
    save(figure, path)


def main() -> None:
    """Measure, write the table, draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, kind in (("generator", Path), ("class_name", str), ("held_out", Path)):
        parser.add_argument(name, type=kind)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    device = pick_device("auto")
    features = FeatureConfig(model="tf_efficientnet_lite0", weights=given.weights, image_size=96)
    network = pretrained_network(features, device)
    diffusion = load_generator(given.generator, given.class_name, device)
    frame = pd.read_csv(given.held_out)
    held_out = (frame["class"] == given.class_name) & frame["split"].isin(["val", "oracle"])
    paths = [
        given.held_out.parent / given.held_out.stem.split("-")[0] / path
        for path in frame[held_out]["path"]
    ]
    real = network.embed(read_patches(paths, diffusion.image_size[0]))
    config = read_drawing_card(given.generator).config.generator
    points = measure(diffusion, config, real, network.embed)
    curve(points, given.out / "sampling.png")
    lines = [
        "# Network calls an image", "",
        f"{given.class_name} of {given.held_out.stem} at {diffusion.image_size[0]} px, "
        f"{N_IMAGES} images against {len(real)} real ones that the generator never saw, by "
        f"{network.name} at 96 px. {describe_device(device)}, torch {torch.__version__}, Python "
        f"{platform.python_version()} (`benchmarks/sampling.py`).", "",
        _NOTE, "",
        "| Sampler | Calls | Distance | KID | Images a second | times upstream's |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for p in points:
        kid = f"{p.kid.value:.2f} ± {p.kid.standard_error:.2f}"
        ratio = p.images_per_s / points[-1].images_per_s
        near = "other noise" if p.sampler == "upstream" else f"{p.distance:.2f}"
        lines.append(
            f"| {p.sampler} | {p.calls} | {near} | {kid} | {p.images_per_s:.2f} | {ratio:.0f} |"
        )
    write_text(given.out / "sampling.md", "\n".join([*lines, "", "![KID](sampling.png)", ""]))


if __name__ == "__main__":
    main()
