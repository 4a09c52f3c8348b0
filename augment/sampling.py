"""Draw synthetic images from a finished generator: seeded per image, resumable, marked for good."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from denoising_diffusion_pytorch import GaussianDiffusion
from imagehash import phash
from PIL import Image
from pydantic import Field
from torch import Tensor

from augment.generator import load_generator
from terrabalance import __version__
from terrabalance.errors import BadInput
from terrabalance.files import done, mark_done, sha256_of
from terrabalance.images import grid, write_png
from terrabalance.manifest import Manifest, frame_of, write_manifest
from terrabalance.progress import Progress, silent
from terrabalance.seeds import seed_for
from terrabalance.settings import Settings

_STRIP_FRAMES = 9
MARK = "synthetic image made by a diffusion model, not a photograph"


class SamplingConfig(Settings):
    """How images are drawn."""

    sampler: Literal["ddim", "ancestral"] = Field(
        "ddim",
        description="ddim: few steps (arXiv:2010.02502); ancestral: all timesteps "
        "(arXiv:2006.11239)",
    )
    steps: int = Field(50, ge=1, description="network calls per image; ancestral uses them all")
    eta: float = Field(0.0, ge=0, le=1, description="noise added by ddim; 0 is deterministic")
    batch_size: int = Field(32, ge=1, description="images drawn at once")


Noise = Callable[[], Tensor]


def draw_batch(
    diffusion: GaussianDiffusion,
    seeds: Sequence[int],
    config: SamplingConfig,
    device: torch.device,
    frames: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image per seed.

    Every image has its own random generator, so an image does not depend on its neighbours in
    the batch (beyond float rounding where another batch size chooses another kernel).

    Returns:
        (B, C, S, S) uint8 images, and (frames, C, S, S) uint8 stages of the first image from
        noise to image (empty for `frames=0`).
    """
    side = diffusion.image_size
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]

    def noise() -> Tensor:
        each = [torch.randn((diffusion.channels, *side), generator=draw) for draw in draws]
        return torch.stack(each).to(device)

    stages: list[Tensor] = []
    with torch.inference_mode():
        for images in _trajectory(diffusion, noise, config):
            stages.append(images[:1])
    kept = np.linspace(0, len(stages) - 1, frames).round().astype(int)
    strip = _to_uint8(torch.cat([stages[i] for i in kept])) if frames else _to_uint8(images[:0])
    return _to_uint8(images), strip


def _trajectory(
    diffusion: GaussianDiffusion, noise: Noise, config: SamplingConfig
) -> Iterator[Tensor]:
    """Yield (B, C, S, S) in [-1, 1] after each network call, the pure noise first."""
    images = noise()
    yield images
    if config.sampler == "ancestral":
        for time in reversed(range(diffusion.num_timesteps)):
            times = torch.full((len(images),), time, device=images.device)
            mean, _, log_variance, _ = diffusion.p_mean_variance(x=images, t=times)
            images = mean + (0.5 * log_variance).exp() * noise() if time else mean
            yield images
        return
    # The timesteps of upstream's ddim_sample: evenly spaced from the last down to -1.
    times_down = torch.linspace(-1, diffusion.num_timesteps - 1, config.steps + 1)
    steps = list(reversed(times_down.int().tolist()))
    for time, after in pairwise(steps):
        images = _ddim_step(diffusion, images, time, after, config.eta, noise)
        yield images


def _ddim_step(
    diffusion: GaussianDiffusion, images: Tensor, time: int, after: int, eta: float, noise: Noise
) -> Tensor:
    """Go from timestep `time` to `after` (-1: the clean image); equation 12 of arXiv:2010.02502."""
    times = torch.full((len(images),), time, device=images.device)
    predicted_noise, clean = diffusion.model_predictions(
        images, times, clip_x_start=True, rederive_pred_noise=True
    )
    if after < 0:
        return clean
    now, then = diffusion.alphas_cumprod[time], diffusion.alphas_cumprod[after]
    sigma = eta * ((1 - now / then) * (1 - then) / (1 - now)).sqrt()
    moved = clean * then.sqrt() + (1 - then - sigma**2).sqrt() * predicted_noise
    return moved + sigma * noise() if eta else moved


def _to_uint8(images: Tensor) -> np.ndarray:
    """Map (B, C, H, W) floats in [-1, 1] to uint8, rounding to the nearest."""
    scaled = images.clamp(-1, 1).add(1).mul(127.5).round()
    return scaled.to(torch.uint8).cpu().numpy()


def sample_class(
    generator: Path,
    n_images: int,
    config: SamplingConfig,
    seed: int,
    folder: Path,
    device: torch.device,
    run: str,
    on_progress: Progress = silent,
) -> Path:
    """Draw `n_images` of one class into `folder`, skipping those that are there and whole.

    Batches are blocks of indices that do not depend on what exists already, so a run that was
    killed and went on leaves the same files as one that was not.

    Args:
        generator: a finished generator's folder.
        n_images: how many; image i has the seed `seed_for(seed, "sample", class, i)`.
        config: sampler and batch size.
        seed: of the run.
        folder: gets `000000.png` and on, `strip.png`, the manifest, and `done.json` last.
        device: to draw on.
        run: name of the run, written into every file's metadata.
        on_progress: told (images done, images in all).

    Returns:
        `folder`.

    Raises:
        NotReady: the generator is not finished.
        BadInput: more DDIM steps than the model has timesteps.
    """
    finished = done(folder)
    if finished is not None and finished["n_images"] >= n_images:
        return folder
    diffusion, card = load_generator(generator, device)
    if config.sampler == "ddim" and config.steps > diffusion.num_timesteps:
        raise BadInput(
            f"sampling.steps={config.steps} but {generator.name} has {diffusion.num_timesteps} "
            "timesteps. Use at most that many."
        )
    name = card["class_name"]
    marks = [_marks(name, seed, i, generator.name, run) for i in range(n_images)]
    for first in range(0, n_images, config.batch_size):
        block = range(first, min(first + config.batch_size, n_images))
        missing = [i for i in block if not _is_whole(_file(folder, i), marks[i])]
        if missing:
            seeds = [int(marks[i]["terrabalance:seed"]) for i in block]
            images, strip = draw_batch(
                diffusion, seeds, config, device, frames=_STRIP_FRAMES if first == 0 else 0
            )
            if len(strip):
                write_png(folder / "strip.png", grid(strip, columns=_STRIP_FRAMES))
            for i in missing:
                write_png(_file(folder, i), images[i - first], marks[i])
        on_progress(block.stop, n_images, f"{name}: drawing")
    write_manifest(
        Manifest(folder, frame_of([_row(folder, i, m) for i, m in enumerate(marks)])), folder
    )
    mark_done(folder, {"class": name, "n_images": n_images, "generator": generator.name})
    return folder


def _file(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}.png"


def _marks(class_name: str, seed: int, index: int, generator: str, run: str) -> dict[str, str]:
    return {
        "Software": f"terrabalance {__version__}",
        "Description": MARK,
        "terrabalance:synthetic": "true",
        "terrabalance:class": class_name,
        "terrabalance:generator": generator,
        "terrabalance:seed": str(seed_for(seed, "sample", class_name, index)),
        "terrabalance:run": run,
    }


def _is_whole(path: Path, marks: dict[str, str]) -> bool:
    """Say whether a file is there, decodes, and carries the seed and generator asked for."""
    if not path.is_file():
        return False
    try:
        with Image.open(path) as image:
            image.load()
            text = getattr(image, "text", {})
    except (OSError, SyntaxError):
        return False
    keys = ("terrabalance:seed", "terrabalance:generator")
    return all(text.get(key) == marks[key] for key in keys)


def _row(folder: Path, index: int, marks: dict[str, str]) -> dict[str, object]:
    path = _file(folder, index)
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    return {
        "path": path.name,
        "class": marks["terrabalance:class"],
        "split": "train",
        "source": "synthetic",
        "status": "ok",
        "width_px": image.width,
        "height_px": image.height,
        "bands": 3,
        "mode": "RGB",
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        "phash": str(phash(image)),
        "generator": marks["terrabalance:generator"],
        "seed": int(marks["terrabalance:seed"]),
    }
