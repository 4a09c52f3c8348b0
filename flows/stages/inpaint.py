"""Repair a real image: files in, files out.

What is wrong with the input is told before torch is loaded, which takes seconds.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from augment.config import InpaintConfig
from augment.network.card import read_bands, read_drawing_card
from augment.sample.layouts import usual_layout
from augment.sample.masks import read_mask
from terrabalance import __version__
from terrabalance.bands import Bands
from terrabalance.class_names import one_form
from terrabalance.errors import BadInput
from terrabalance.files import sha256_of
from terrabalance.images import read_patch, suffix_for, write_image
from terrabalance.marks import (
    GENERATOR_KEY,
    ORIGINAL_KEY,
    REPAIRED_KEY,
    is_marked_synthetic,
    read_marks,
)
from terrabalance.progress import Progress, silent
from terrabalance.rasters.beside import record_beside
from terrabalance.rasters.decode import decode
from terrabalance.rasters.formats import format_in
from terrabalance.rasters.raster import Raster, Scaling
from terrabalance.seeds import seed_for
from terrabalance.sizes import height_width

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Repair:
    """What is to be repaired, and with what.

    Attributes:
        image: a real image.
        mask: an image of the same shape, see `augment.sample.masks.read_mask`.
        generator: folder of a finished generator.
        class_name: to draw; None: the only one that it draws.
        out: file to write, without `count` > 1, in a folder that is made where there is none;
            None: beside the image.
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

    A file that says it is this result is left as it is: it may have been retouched since.
    Known pixels are those of the image, cut and resized as training images are. Files say in their
    metadata what was filled, and from which seed.

    Raises:
        BadInput: a file is not there, the folder holds no generator, or one of fewer timesteps
            than steps; the mask cannot be used, the class is not one of the generator's, the image
            is synthetic, a file is in the way, or none can be written there.
        NotReady: the generator is not finished.
        UnreadableImage: the image or the mask cannot be read.
    """
    _refuse_missing(wanted)
    card = read_drawing_card(wanted.generator)
    _refuse_more_steps(config, wanted.generator, card.config.generator.timesteps)
    named = one_form(wanted.class_name) if wanted.class_name else None
    class_name = named or _only_class(wanted.generator, card.draws)
    bands, size = read_bands(wanted.generator), height_width(card.config.generator.image_size)
    if is_marked_synthetic(wanted.image):
        raise BadInput(f"{wanted.image}: is synthetic as a whole. Give a real image.")
    _tell_reduced(wanted.image, bands)
    levels = read_patch(wanted.image, size, bands)
    mask = read_mask(wanted.mask, wanted.image, size)
    marks = [_marks(wanted, class_name, mask, config, index) for index in range(wanted.count)]
    layout = usual_layout([wanted.image], bands)  # repaired, it is opened as it was
    suffix = suffix_for(bands, layout)
    files = [_file(wanted, suffix, index) for index in range(wanted.count)]
    missing = _missing(files, marks)
    if not missing:
        return files
    _make_room(files[0].parent)
    seeds = [int(mark["terrabalance:seed"]) for mark in missing.values()]
    watch = partial(on_progress, message=f"{class_name}: filling")
    pictures = _fill(wanted.generator, class_name, levels, mask, seeds, config, device_name, watch)
    for (file, mark), picture in zip(missing.items(), pictures, strict=True):
        write_image(file, np.where(mask, picture, levels), bands, mark, layout)
    return files


def _refuse_missing(wanted: Repair) -> None:
    for what, path, remedy in (
        ("IMAGE", wanted.image, "Give a real image, of which a part is to be filled."),
        ("--mask", wanted.mask, "Give an image of the same shape, white where it is to be filled."),
    ):
        if not path.is_file():
            raise BadInput(
                f"{what} {path}: {'is' if path.exists() else 'there is'} no file. {remedy}"
            )


def _refuse_more_steps(config: InpaintConfig, generator: Path, timesteps: int) -> None:
    if config.steps <= timesteps:
        return
    # The jump has to stay below the steps.
    jump = f" --set jump={min(2, timesteps - 1)}" if config.jump >= timesteps else ""
    raise BadInput(
        f"steps={config.steps}, but {generator} has {timesteps} timesteps. Give "
        f"`--set steps={timesteps}{jump}`."
    )


def _only_class(generator: Path, draws: Sequence[str]) -> str:
    if len(draws) != 1:
        raise BadInput(f"{generator}: draws {', '.join(draws)}. Choose one with --class.")
    return draws[0]


def _fill(
    generator: Path,
    class_name: str,
    levels: np.ndarray,
    mask: np.ndarray,
    seeds: list[int],
    config: InpaintConfig,
    device_name: str,
    on_progress: Progress,
) -> np.ndarray:
    """Return a picture for each seed, (N, C, height, width) levels; it loads torch."""
    import torch

    from augment.network.generator import load_generator
    from augment.sample.inpaint import inpaint, n_calls
    from terrabalance.device import pick_device
    from terrabalance.levels import centred, to_levels

    device, total = pick_device(device_name), n_calls(config)
    diffusion = load_generator(generator, class_name, device)
    image, covered = centred(torch.tensor(levels)).to(device), torch.from_numpy(mask).to(device)
    with torch.inference_mode():
        for done, last in enumerate(inpaint(diffusion, image, covered, seeds, config), 1):
            on_progress(done, total)
            pictures = last
    return to_levels(pictures, levels.dtype)


def _tell_reduced(image: Path, bands: Bands) -> None:
    """Warn of values that the generator does not keep, as they are none of its training images."""
    if not bands.is_rgb:
        _tell_cut(image, decode(image).of_bands(bands.count), bands)
        return
    pixels = decode(image).without_alpha().pixels
    if pixels.dtype != np.uint8 or len(pixels) > 3:
        _log.warning(
            "%s: has %d bands of %s. The generator draws RGB of 8 bit, so the image is brought to "
            "that first, all of it. To keep its values, use a generator of such images",
            image, len(pixels), pixels.dtype,
        )  # fmt: skip


def _tell_cut(image: Path, raster: Raster, bands: Bands) -> None:
    """Warn of the type, the scale and the range of values that a generator of deep bands has."""
    if len(raster.pixels) != bands.count:
        return  # refused when it is read
    if (raster.pixels.dtype.name, raster.scaling) != (bands.dtype, bands.scaling):
        _log.warning(
            "%s: holds %s with %s. The generator's images are %s with %s, and the result is "
            "written as these",
            image, raster.pixels.dtype.name, _scale_in_words(raster.scaling), bands.dtype,
            _scale_in_words(bands.scaling),
        )  # fmt: skip
    half = 0.5 / np.iinfo(bands.level_type).max
    n_cut = 0
    for band, plane in enumerate(raster.pixels):
        shares, valid = bands.shares(plane, band, raster.scaling), raster.valid_in(band)
        beyond = (shares < -half) | (shares > 1 + half)
        n_cut += int((beyond if valid is None else beyond & valid[0]).sum())
    if n_cut:
        _log.warning(
            "%s: %d of its %d values (%.1f %%) are beyond the range of the generator's images, and "
            "are cut to it, also where nothing is filled. Where all are, its unit may be another",
            image, n_cut, raster.pixels.size, 100 * n_cut / raster.pixels.size,
        )  # fmt: skip


def _scale_in_words(scaling: Scaling | None) -> str:
    if scaling is None:
        return "no declared scale"
    return f"scale {scaling.scale[0]:g} and offset {scaling.offset[0]:g}"


def _marks(
    wanted: Repair, class_name: str, mask: np.ndarray, config: InpaintConfig, index: int
) -> dict[str, str]:
    source = sha256_of(wanted.image)
    beside = record_beside(wanted.image, format_in(wanted.image))
    return {
        "Software": f"terrabalance {__version__}",
        "Description": "real image, a part of which a diffusion model has filled",
        REPAIRED_KEY: f"{mask.mean():.4f}",
        "terrabalance:class": class_name,
        GENERATOR_KEY: wanted.generator.name,
        "terrabalance:seed": str(seed_for(wanted.seed, "inpaint", source, index)),
        ORIGINAL_KEY: f"{wanted.image.name} {source}",
        **({"terrabalance:beside": beside} if beside not in ("", "{}") else {}),
        "terrabalance:mask": sha256_of(wanted.mask),
        "terrabalance:inpainting": config.model_dump_json(),
    }


def _file(wanted: Repair, suffix: str, index: int) -> Path:
    out = wanted.out or wanted.image.with_name(f"{wanted.image.stem}_repaired{suffix}")
    if out.suffix.lower() != suffix:
        raise BadInput(
            f"--out {out}: this generator's images are written as {suffix}. Name such a file."
        )
    return out if wanted.count == 1 else out.with_name(f"{out.stem}_{index}{suffix}")


def _missing(files: list[Path], marks: list[dict[str, str]]) -> dict[Path, dict[str, str]]:
    """Return the marks of the files that are not there; refuse any other picture in the way."""
    missing = {}
    for file, mark in zip(files, marks, strict=True):
        if not file.exists():
            missing[file] = mark
        elif mark.items() <= read_marks(file).items():
            _log.warning(
                "%s: is there already, and left as it is. To fill it anew, move it elsewhere, or "
                "name another file with --out", file,
            )  # fmt: skip
        else:
            raise BadInput(f"{file}: exists and is another picture. Name another file with --out.")
    return missing


def _make_room(folder: Path) -> None:
    """Make the folder of the files; refuse it before they are computed, not after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(
            f"{folder}: no file can be written there ({error.strerror}). Name a file in another "
            "folder with --out."
        ) from error
