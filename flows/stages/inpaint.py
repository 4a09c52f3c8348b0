"""Repair a real image: files in, files out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from augment.config import InpaintConfig
from augment.network.card import read_bands, read_card
from augment.network.generator import load_generator
from augment.sample.inpaint import inpaint, n_calls
from augment.sample.layouts import usual_layout
from terrabalance import __version__
from terrabalance.device import pick_device
from terrabalance.errors import BadInput
from terrabalance.files import sha256_of
from terrabalance.images import read_patch, suffix_for, write_image
from terrabalance.levels import centred, to_levels
from terrabalance.marks import ORIGINAL_KEY, REPAIRED_KEY, is_marked_synthetic, read_marks
from terrabalance.progress import Progress, silent
from terrabalance.rasters.decode import decode
from terrabalance.seeds import seed_for

_SAME_SHAPE = 0.02  # relative difference of two aspect ratios that rounding explains


@dataclass(frozen=True)
class Repair:
    """What is to be repaired, and with what.

    Attributes:
        image: a real image.
        mask: an image of the same shape, zero where the image is right.
        generator: folder of a finished generator.
        class_name: to draw; None: the only one that it draws.
        out: file to write, without `count` > 1; None: beside the image.
        count: different fillings.
        seed: the same seed gives the same fillings.
    """

    image: Path
    mask: Path
    generator: Path
    class_name: str | None = None
    out: Path | None = None
    count: int = 1
    seed: int = 0


def repair(
    wanted: Repair, config: InpaintConfig, device_name: str, on_progress: Progress = silent
) -> list[Path]:
    """Fill what the mask covers, at the generator's size; return the files.

    Known pixels are those of the image, cut and resized as training images are. Files say in their
    metadata what was filled, and from which seed.

    Raises:
        BadInput: more steps than the generator has timesteps, the mask does not fit or leaves
            nothing to do or to know, the class is not one of the generator's, the image is
            synthetic, or a file is in the way.
        NotReady: the generator is not finished.
        UnreadableImage: the image or the mask cannot be read.
    """
    device = pick_device(device_name)
    class_name = wanted.class_name or _only_class(wanted.generator)
    diffusion = load_generator(wanted.generator, class_name, device)
    if config.steps > diffusion.num_timesteps:
        raise BadInput(
            f"steps={config.steps}, but {wanted.generator} has {diffusion.num_timesteps} "
            "timesteps. Use at most that many."
        )
    bands, size = read_bands(wanted.generator), tuple(diffusion.image_size)
    if is_marked_synthetic(wanted.image):
        raise BadInput(f"{wanted.image}: is synthetic as a whole. Give a real image.")
    levels = read_patch(wanted.image, size, bands)
    mask = _read_mask(wanted.mask, wanted.image, size)
    marks = [_marks(wanted, class_name, mask, config, index) for index in range(wanted.count)]
    layout = usual_layout([wanted.image], bands)  # repaired, it is opened as it was
    suffix = suffix_for(bands, layout)
    files = [_file(wanted, suffix, index) for index in range(wanted.count)]
    _refuse_others(files, marks)
    image = centred(torch.tensor(levels)).to(device)
    seeds, total = [int(mark["terrabalance:seed"]) for mark in marks], n_calls(config)
    with torch.inference_mode():
        steps = inpaint(diffusion, image, torch.from_numpy(mask).to(device), seeds, config)
        for done, last in enumerate(steps, 1):
            on_progress(done, total, f"{class_name}: filling")
            pictures = last
    filled = to_levels(pictures, bands.level_type)
    for file, mark, picture in zip(files, marks, filled, strict=True):
        write_image(file, np.where(mask, picture, levels), bands, mark, layout)
    return files


def _only_class(generator: Path) -> str:
    draws = [str(name) for name in read_card(generator)["draws"]]
    if len(draws) != 1:
        raise BadInput(f"{generator}: draws {', '.join(draws)}. Choose one with --class.")
    return draws[0]


def _read_mask(path: Path, image: Path, size: tuple[int, ...]) -> np.ndarray:
    """Return (height, width) bool, cut and resized as the image is, without new values.

    Any value but 0 covers, whatever its depth; both are turned as their EXIF orientation says.
    """
    covered = decode(path).without_alpha().pixels.any(0)
    height, width = decode(image).pixels.shape[-2:]
    ratio = covered.shape[1] / covered.shape[0] * height / width
    if abs(ratio - 1) > _SAME_SHAPE:
        raise BadInput(
            f"{path}: {covered.shape[1]} x {covered.shape[0]} px, another shape than the image's "
            f"{width} x {height} px. Draw the mask on a copy of the image."
        )
    scaled = Image.fromarray(covered).resize((width, height), Image.Resampling.NEAREST)
    mask: np.ndarray = _shrunk(np.asarray(scaled), size)
    if not mask.any():
        raise BadInput(f"{path}: covers nothing of the part that is used. Paint it white there.")
    if mask.all():
        raise BadInput(f"{path}: covers all of it. To draw whole images use `terrabalance sample`.")
    return mask


def _shrunk(covered: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Cut and shrink a (H, W) bool mask as `read_patch` does an image; any cover counts."""
    share = min(covered.shape[0] / size[0], covered.shape[1] / size[1])
    height, width = round(size[0] * share), round(size[1] * share)
    top, left = (covered.shape[0] - height) // 2, (covered.shape[1] - width) // 2
    cut = Image.fromarray(covered[top : top + height, left : left + width].astype(np.float32))
    # A pixel of the small image that is cloud to any part is not known.
    shrunk = np.asarray(cut.resize((size[1], size[0]), Image.Resampling.BOX))
    found: np.ndarray = shrunk > 0
    return found


def _marks(
    wanted: Repair, class_name: str, mask: np.ndarray, config: InpaintConfig, index: int
) -> dict[str, str]:
    source = sha256_of(wanted.image)
    return {
        "Software": f"terrabalance {__version__}",
        "Description": "real image, a part of which a diffusion model has filled",
        REPAIRED_KEY: f"{mask.mean():.4f}",
        "terrabalance:class": class_name,
        "terrabalance:generator": wanted.generator.name,
        "terrabalance:seed": str(seed_for(wanted.seed, "inpaint", source, index)),
        ORIGINAL_KEY: f"{wanted.image.name} {source}",
        "terrabalance:mask": sha256_of(wanted.mask),
        "terrabalance:inpainting": config.model_dump_json(),
    }


def _file(wanted: Repair, suffix: str, index: int) -> Path:
    out = wanted.out or wanted.image.with_name(f"{wanted.image.stem}_repaired{suffix}")
    if out.suffix.lower() != suffix:
        raise BadInput(f"--out {out}: this generator's images are written as {suffix}.")
    return out if wanted.count == 1 else out.with_name(f"{out.stem}_{index}{suffix}")


def _refuse_others(files: list[Path], marks: list[dict[str, str]]) -> None:
    for file, mark in zip(files, marks, strict=True):
        if file.exists() and not mark.items() <= read_marks(file).items():
            raise BadInput(f"{file}: exists and is another picture. Name another file with --out.")
