"""Few network calls against upstream's 1,000: KID and images a second, with the same noise.

    python benchmarks/sampling.py GENERATOR CLASS HELD_OUT efficientnet-lite0.pth docs/benchmarks

GENERATOR is a trained generator's folder, HELD_OUT a CSV with path, class and split that lies
beside the folder of its images (as aid-lt10.csv beside aid); its val and oracle images of CLASS are
the real ones to compare with. Writes sampling.md and the curve sampling.png. Network calls are
timed in rounds, ours and upstream's in turn; on a CPU by the processor's seconds, with one thread,
which other work on the machine changes less.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
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
_TIMED_CALLS, _ROUNDS, _EXACT_CALLS = 5, 5, 200
_NOTE = (
    f"Distance: root mean square to the images of {_EXACT_CALLS} calls of UniPC from the same "
    "noise, in levels of 255. Upstream's row draws with the same weights in all their timesteps, "
    "from other noise. DDIM's smoother images score lower than it with this generator, which was "
    "trained for minutes only; with calls its figures approach the others."
)
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
    distance: float


def upstream(diffusion: GaussianDiffusion) -> np.ndarray:
    """Draw with upstream's own loop of all timesteps; (N, 3, S, S) uint8."""
    torch.manual_seed(0)
    with torch.inference_mode():
        images = diffusion.p_sample_loop((N_IMAGES, 3, *diffusion.image_size))
    return (images.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def times_a_call(
    diffusion: GaussianDiffusion, config: GeneratorConfig, device: torch.device
) -> list[tuple[float, float]]:
    """Return the seconds of a network call of ours and of upstream's, round after round."""
    theirs = upstream_diffusion(config).to(device).eval()
    noise = torch.randn(N_IMAGES, 3, *theirs.image_size, device=device)
    few = SamplingConfig(sampler="unipc", steps=_TIMED_CALLS)
    clock = time.process_time if device.type == "cpu" else time.perf_counter

    def timed(work: Callable[[], object]) -> float:
        began = clock()
        work()
        return (clock() - began) / _TIMED_CALLS

    def upstreams() -> float:
        images = noise
        for step in range(_TIMED_CALLS):
            images, _ = theirs.p_sample(images, theirs.num_timesteps - 1 - step)
        return images.sum().item()  # waits for the device

    with torch.inference_mode():
        pairs = [
            (timed(lambda: draw_batch(diffusion, range(N_IMAGES), few, device)), timed(upstreams))
            for _ in range(_ROUNDS + 1)
        ]
    return pairs[1:]  # the first warms up


def measure(diffusion: GaussianDiffusion, real: np.ndarray, embed: Embed) -> list[Point]:
    """Measure what every solver and number of calls gives, and upstream's sampling."""
    device, points = pick_device("auto"), []

    def ours(config: SamplingConfig) -> np.ndarray:
        return draw_batch(diffusion, range(N_IMAGES), config, device)[0]

    exact = ours(SamplingConfig(sampler="unipc", steps=_EXACT_CALLS)).astype(np.float32)

    def point(sampler: str, calls: int, images: np.ndarray) -> None:
        kid = kernel_distance(real, embed(images))
        distance = float(np.sqrt(np.square(images - exact).mean()))
        points.append(Point(sampler, calls, kid, distance))
        print(points[-1], flush=True)

    for sampler, all_calls in CALLS.items():
        for calls in all_calls:
            point(sampler, calls, ours(SamplingConfig(sampler=sampler, steps=calls)))
    point("upstream", diffusion.num_timesteps, upstream(diffusion))
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
    if device.type == "cpu":
        torch.set_num_threads(1)
    times = times_a_call(diffusion, config, device)
    points = measure(diffusion, real, network.embed)
    curve(points, given.out / "sampling.png")
    mine, theirs = (statistics.median(side) for side in zip(*times, strict=True))
    ratios = sorted(slow / fast for fast, slow in times)
    middle, low, high = statistics.median(ratios), ratios[0], ratios[-1]
    unit = "CPU second" if device.type == "cpu" else "second"
    lines = [
        "# Network calls an image", "",
        f"{given.class_name} of {given.held_out.stem} at {diffusion.image_size[0]} px, "
        f"{N_IMAGES} images against {len(real):,} real ones that the generator never saw, by "
        f"{network.name} at 96 px. {describe_device(device)}, torch {torch.__version__}, Python "
        f"{platform.python_version()} (`benchmarks/sampling.py`).", "",
        f"A network call for {N_IMAGES} images takes {1000 * mine:.0f} ms, of upstream's own "
        f"network, in fp32 and without patches, {1000 * theirs:.0f}: {middle:.1f} times as long "
        f"({low:.1f} to {high:.1f} in {_ROUNDS} rounds in turn). The last columns follow from that "
        "and from the calls.", "",
        _NOTE, "",
        f"| Sampler | Calls | Distance | KID | Images a {unit} | times upstream's |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    slowest = diffusion.num_timesteps * theirs
    for p in points:
        is_ours = p.sampler != "upstream"
        seconds = p.calls * (mine if is_ours else theirs)
        kid = f"{p.kid.value:.2f} ± {p.kid.standard_error:.2f}"
        near = f"{p.distance:.2f}" if is_ours else "other noise"
        lines.append(
            f"| {p.sampler} | {p.calls} | {near} | {kid} | {N_IMAGES / seconds:.3g} | "
            f"{slowest / seconds:,.0f} |"
        )
    write_text(given.out / "sampling.md", "\n".join([*lines, "", "![KID](sampling.png)", ""]))


if __name__ == "__main__":
    main()
