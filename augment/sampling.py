"""Draw synthetic images from a finished generator: seeded per image, resumable, marked for good."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from denoising_diffusion_pytorch import GaussianDiffusion
from imagehash import phash
from torch import Tensor

from augment.generator import load_generator, read_bands
from augment.solvers import SamplingConfig, trajectory
from terrabalance import __version__
from terrabalance.bands import Bands, centred, to_levels
from terrabalance.errors import BadInput, UnreadableImage
from terrabalance.files import done, mark_done, sha256_of
from terrabalance.images import decode, grid, suffix_for, to_pil, to_rgb, write_image, write_png
from terrabalance.manifest import Manifest, frame_of, read_manifest, write_manifest
from terrabalance.marks import SYNTHETIC_KEY, lost_marks, read_marks
from terrabalance.progress import Progress, silent
from terrabalance.seeds import seed_for
from terrabalance.symmetry import apply_symmetry, keep_shape

SCREENING = "screening.json"  # what `augment.screened` made of the images
_STRIP_FRAMES = 9
MARK = "synthetic image made by a diffusion model, not a photograph"


def draw_batch(
    diffusion: GaussianDiffusion,
    seeds: Sequence[int],
    config: SamplingConfig,
    device: torch.device,
    level_type: np.dtype | type = np.uint8,
    frames: int = 0,
    starts: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image per seed.

    Every image has its own random generator, so an image does not depend on its neighbours in
    the batch (beyond float rounding where another batch size chooses another kernel).

    Args:
        diffusion: the model.
        seeds: one for each image.
        config: solver, calls, and with `starts` the strength.
        device: to draw on.
        level_type: of the images.
        frames: stages of the first image that are returned.
        starts: (N, C, H, W) levels of real images, one of which each image begins as, turned at
            random; None: all begin as pure noise.

    Returns:
        (B, C, H, W) images as levels (`terrabalance.bands`), and (frames, C, H, W) stages of the
        first image from noise to image (empty for `frames=0`).
    """
    side = diffusion.image_size
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]

    def noise() -> Tensor:
        each = [torch.randn((diffusion.channels, *side), generator=draw) for draw in draws]
        return torch.stack(each).to(device)

    start = None if starts is None else _begin(torch.from_numpy(starts), draws).to(device)
    n_calls = diffusion.num_timesteps if config.sampler == "ancestral" else config.steps
    n_calls = n_calls if start is None else max(1, round(config.strength * n_calls))
    shown = np.linspace(0, n_calls, frames).round().astype(int).tolist()
    stages: list[Tensor] = []
    with torch.inference_mode():
        for call, images in enumerate(trajectory(diffusion, noise, config, start)):
            # A copy: a view would keep the whole batch of every call in memory.
            stages += [images[:1].clone()] * shown.count(call)
    strip = torch.cat(stages) if frames else images[:0]
    return to_levels(images, level_type), to_levels(strip, level_type)


def _begin(starts: Tensor, draws: Sequence[torch.Generator]) -> Tensor:
    """Choose a real image and a symmetry for each; (B, C, H, W) in [-1, 1]."""
    among = keep_shape(*starts.shape[-2:])
    chosen = []
    for draw in draws:
        image, which = (
            int(torch.randint(n, (1,), generator=draw)) for n in (len(starts), len(among))
        )
        chosen.append(apply_symmetry(starts[image], among[which]))
    return centred(torch.stack(chosen))


def sample_class(
    generator: Path,
    class_name: str,
    n_images: int,
    config: SamplingConfig,
    seed: int,
    folder: Path,
    device: torch.device,
    run: str,
    on_progress: Progress = silent,
    starts: np.ndarray | None = None,
) -> Path:
    """Draw `n_images` of one class into `folder`, skipping those that are there and whole.

    Batches are blocks of indices that do not depend on what exists already, so a run that was
    killed and went on leaves the same files as one that was not.

    Args:
        generator: a finished generator's folder.
        class_name: the class to draw.
        n_images: how many; image i has the seed `seed_for(seed, "sample", class, i)`.
        config: sampler and batch size.
        seed: of the run.
        folder: gets `000000.png` and on (`.tif` for what PNG cannot hold), `strip.png`, the
            manifest, and `done.json` last.
        device: to draw on.
        run: name of the run, written into every file's metadata.
        on_progress: told (images done, images in all).
        starts: see `draw_batch`; needed where `config.strength` is below 1.

    Returns:
        `folder`.

    Raises:
        NotReady: the generator is not finished.
        BadInput: the generator does not know the class, or more steps than the model has timesteps.
    """
    altered = _altered(folder)
    finished = done(folder)
    if finished is not None and finished["n_images"] >= n_images and not altered:
        return folder
    bands = read_bands(generator)
    diffusion = load_generator(generator, class_name, device, config.guidance)
    if config.sampler != "ancestral" and config.steps > diffusion.num_timesteps:
        raise BadInput(
            f"sampling.steps={config.steps} but {generator.name} has {diffusion.num_timesteps} "
            "timesteps. Use at most that many."
        )
    marks = [_marks(class_name, seed, i, generator.name, run, config) for i in range(n_images)]
    for first in range(0, n_images, config.batch_size):
        block = range(first, min(first + config.batch_size, n_images))
        files = {i: _file(folder, i, bands) for i in block}
        missing = [
            i for i in block if files[i].name in altered or not _is_whole(files[i], marks[i])
        ]
        if missing:
            seeds = [int(marks[i]["terrabalance:seed"]) for i in block]
            images, strip = draw_batch(
                diffusion, seeds, config, device, bands.level_type,
                frames=_STRIP_FRAMES if first == 0 else 0, starts=starts,
            )  # fmt: skip
            if len(strip):
                write_png(folder / "strip.png", grid(bands.preview(strip), columns=_STRIP_FRAMES))
            for i in missing:
                write_image(files[i], images[i - first], bands, marks[i])
        on_progress(block.stop, n_images, f"{class_name}: drawing")
    (folder / SCREENING).unlink(missing_ok=True)  # it is of the images as they were
    write_manifest(
        Manifest(folder, frame_of([_row(folder, i, m, bands) for i, m in enumerate(marks)])), folder
    )
    mark_done(folder, {"class": class_name, "n_images": n_images, "generator": generator.name})
    return folder


def _file(folder: Path, index: int, bands: Bands) -> Path:
    return folder / f"{index:06d}{suffix_for(bands)}"


def _altered(folder: Path) -> set[str]:
    """Return the names of images that are gone or changed since a finished drawing."""
    if done(folder) is None:
        return set()
    rows = read_manifest(folder).frame
    listed = zip(rows["path"], rows["sha256"], strict=True)
    files = {name: (folder / name, sha256) for name, sha256 in listed}
    return {n for n, (f, sha256) in files.items() if not f.is_file() or sha256_of(f) != sha256}


def _marks(
    class_name: str, seed: int, index: int, generator: str, run: str, config: SamplingConfig
) -> dict[str, str]:
    return {
        "Software": f"terrabalance {__version__}",
        "Description": MARK,
        SYNTHETIC_KEY: "true",
        "terrabalance:class": class_name,
        "terrabalance:generator": generator,
        "terrabalance:seed": str(seed_for(seed, "sample", class_name, index)),
        "terrabalance:run": run,
        # How many are drawn at once changes no image.
        "terrabalance:sampling": config.model_dump_json(exclude={"batch_size"}),
    }


def _is_whole(path: Path, marks: dict[str, str]) -> bool:
    """Say whether a file is there, decodes, and carries the marks asked for."""
    if not path.is_file():
        return False
    try:
        decode(path)
        text, lost = read_marks(path), lost_marks(path)
    except UnreadableImage:
        return False
    keys = ("terrabalance:seed", "terrabalance:generator", "terrabalance:sampling")
    return not lost and all(text.get(key) == marks[key] for key in keys)


def _row(folder: Path, index: int, marks: dict[str, str], bands: Bands) -> dict[str, object]:
    path = _file(folder, index, bands)
    decoded = decode(path)
    count, height, width = decoded.pixels.shape
    return {
        "path": path.name,
        "class": marks["terrabalance:class"],
        "split": "train",
        "source": "synthetic",
        "status": "ok",
        "width_px": width,
        "height_px": height,
        "bands": count,
        "mode": decoded.mode,
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        "phash": str(phash(to_pil(to_rgb(decoded)))),
        "generator": marks["terrabalance:generator"],
        "seed": int(marks["terrabalance:seed"]),
        "run": marks["terrabalance:run"],
    }
