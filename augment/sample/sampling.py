"""Draw synthetic images from a finished generator: seeded per image, resumable, marked for good."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from imagehash import phash

from augment.config import SamplingConfig
from augment.network.generator import load_generator, read_bands
from augment.sample.batch import Drawer
from augment.sample.files import SCREENING
from terrabalance import __version__
from terrabalance.bands import Bands
from terrabalance.errors import BadInput, UnreadableImage
from terrabalance.files import done, mark_done, sha256_of
from terrabalance.images import decode, suffix_for, to_pil, to_rgb, write_image
from terrabalance.manifest import Manifest, frame_of, read_manifest, write_manifest
from terrabalance.marks import SYNTHETIC_KEY, lost_marks, read_marks
from terrabalance.progress import Progress, silent
from terrabalance.seeds import seed_for

MARK = "synthetic image made by a diffusion model, not a photograph"


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
    reals: Callable[[], np.ndarray] | None = None,
    others: Callable[[], Sequence[np.ndarray]] | None = None,
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
            manifest, `spectrum.json` where the spectrum is matched, and `done.json` last.
        device: to draw on.
        run: name of the run, written into every file's metadata.
        on_progress: told (images done, images in all).
        reals: gives (N, C, H, W) levels of real training images of the class, and is not asked
            where nothing is to be drawn: what images begin as where
            `config.begins_as_real`, and whose spectrum is matched (`config.match_spectrum`);
            None: neither.
        others: likewise gives those of each other class, which help to tell the spectrum of a
            class of few images.

    Returns:
        `folder`.

    Raises:
        NotReady: the generator is not finished.
        BadInput: the generator does not know the class, or more steps than the model has timesteps.
    """
    altered = _altered(folder)
    if is_drawn(folder, n_images):
        return folder
    bands = read_bands(generator)
    diffusion = load_generator(generator, class_name, device, config.guidance)
    if config.sampler != "ancestral" and config.steps > diffusion.num_timesteps:
        raise BadInput(
            f"sampling.steps={config.steps} but {generator.name} has {diffusion.num_timesteps} "
            "timesteps. Use at most that many."
        )
    marks = [_marks(class_name, seed, i, generator.name, run, config) for i in range(n_images)]
    drawer = Drawer(
        diffusion, lambda i: seed_for(seed, "sample", class_name, i), config, device, bands,
        folder, reals and reals(), generator.name, others,
    )  # fmt: skip
    for first in range(0, n_images, config.batch_size):
        block = range(first, min(first + config.batch_size, n_images))
        files = {i: _file(folder, i, bands) for i in block}
        missing = [
            i for i in block if files[i].name in altered or not _is_whole(files[i], marks[i])
        ]
        if missing:
            images = drawer.images(block)
            for i in missing:
                write_image(files[i], images[i - first], bands, marks[i])
        on_progress(block.stop, n_images, f"{class_name}: drawing")
    (folder / SCREENING).unlink(missing_ok=True)  # it is of the images as they were
    write_manifest(
        Manifest(folder, frame_of([_row(folder, i, m, bands) for i, m in enumerate(marks)])), folder
    )
    mark_done(folder, {"class": class_name, "n_images": n_images, "generator": generator.name})
    return folder


def is_drawn(folder: Path, n_images: int) -> bool:
    """Return whether so many images are there, and all as they were when drawing ended."""
    return _n_drawn(folder) >= n_images and not _altered(folder)


def _n_drawn(folder: Path) -> int:
    """Return how many images are there; 0 where their list is of another drawing than its end."""
    n_images = int((done(folder) or {}).get("n_images", 0))
    return n_images if n_images and len(read_manifest(folder).frame) == n_images else 0


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
