"""Write a class's synthetic images to a folder: seeded, resumable, marked as synthetic."""

import json
import logging
from dataclasses import asdict
from pathlib import Path

from augment.catalogue.hashes import sketch_of
from augment.catalogue.pictures import grey_picture
from augment.network.card import read_bands
from augment.network.generator import load_generator
from augment.sample.class_sampler import ClassSampler
from augment.sample.files import SCREENING
from augment.sample.request import RealImages, SamplingRequest
from terrabalance import __version__
from terrabalance.bands import Bands
from terrabalance.errors import BadInput, NotReady, UnreadableImage
from terrabalance.files import sha256_of
from terrabalance.finished import done, mark_done
from terrabalance.images import suffix_for, write_image
from terrabalance.manifest import Manifest, frame_of, read_manifest, write_manifest
from terrabalance.marks import GENERATOR_KEY, KEPT_KEY, SYNTHETIC_KEY, lost_marks, read_marks
from terrabalance.progress import Progress, silent
from terrabalance.rasters.decode import decode

_log = logging.getLogger(__name__)
_LAYOUT_KEY = "terrabalance:layout"  # of a TIFF that is stored like real ones
MARK = "synthetic image made by a diffusion model, not a photograph"


def sample_class(
    request: SamplingRequest, real: RealImages | None = None, on_progress: Progress = silent
) -> Path:
    """Draw the images of a request into its folder, skipping those that are there and whole.

    Batches are blocks of indices that do not depend on what exists already, so a drawing that was
    killed and resumed leaves the same files as one that was not.

    Args:
        request: what to draw. Its folder gets `000000.png` and on (`.tif` for what PNG cannot
            hold), `strip.png`, the manifest, `spectrum.json` where the spectrum is matched, and
            `done.json` last.
        real: real training images, read only where images are missing; None: images start from
            pure noise and are not filtered.
        on_progress: called with (images done, images in all, message).

    Returns:
        The folder.

    Raises:
        NotReady: the generator is not finished.
        BadInput: the generator does not know the class, or more steps than the model has timesteps.
    """
    folder, altered = request.folder, _altered(request.folder)
    if is_drawn(folder, request.n_images):
        return folder
    if altered and _listed(folder, tell=True) is not None:
        first, more = sorted(altered)[:3], " …" if len(altered) > 3 else ""
        _log.warning("%s: changed or lost, drawn again: %s%s", folder, ", ".join(first), more)
    bands = read_bands(request.generator)
    marks = [_marks(request, index, bands) for index in range(request.n_images)]
    _draw_missing(_class_sampler(request, bands, real), request, bands, marks, altered, on_progress)
    (folder / SCREENING).unlink(missing_ok=True)  # it is of the images as they were
    rows = [_row(request, index, of_one, bands) for index, of_one in enumerate(marks)]
    write_manifest(Manifest(folder, frame_of(rows)), folder)
    record = {"class": request.class_name, "n_images": request.n_images}
    mark_done(folder, {**record, "generator": request.generator.name})
    return folder


def _class_sampler(request: SamplingRequest, bands: Bands, real: RealImages | None) -> ClassSampler:
    """Load the generator.

    Raises:
        NotReady, BadInput: as of `sample_class`.
    """
    config, generator = request.config, request.generator
    diffusion = load_generator(generator, request.class_name, request.device, config.guidance)
    try:
        config.check_timesteps(diffusion.num_timesteps)
    except ValueError as error:
        raise BadInput(f"{generator.name}: {error}.") from error
    return ClassSampler(diffusion, request, bands, real)


def _draw_missing(
    sampler: ClassSampler,
    request: SamplingRequest,
    bands: Bands,
    marks: list[dict[str, str]],
    altered: set[str],
    on_progress: Progress,
) -> None:
    """Draw every block of which an image is missing, altered, or of another request."""
    for first in range(0, request.n_images, request.config.batch_size):
        block = range(first, min(first + request.config.batch_size, request.n_images))
        files = {index: _file(request, index, bands) for index in block}
        missing = [
            index
            for index, file in files.items()
            if file.name in altered or not _is_whole(file, marks[index])
        ]
        if missing:
            images = sampler.images(block)
            for index in missing:
                image, mark = images[index - first], marks[index]
                write_image(files[index], image, bands, mark, request.layout)
        on_progress(block.stop, request.n_images, f"{request.class_name}: drawing")


def is_drawn(folder: Path, n_images: int) -> bool:
    """Return whether so many images are there, and all as they were when drawing ended."""
    return _n_drawn(folder) >= n_images and not _altered(folder)


def _n_drawn(folder: Path) -> int:
    """Return the number of finished images; 0 where manifest and `done.json` disagree."""
    n_images = (done(folder, {"n_images": int}) or {"n_images": 0})["n_images"]
    manifest = _listed(folder) if n_images else None
    return n_images if manifest is not None and len(manifest.frame) == n_images else 0


def _file(request: SamplingRequest, index: int, bands: Bands) -> Path:
    return request.folder / f"{index:06d}{suffix_for(bands, request.layout)}"


def _altered(folder: Path) -> set[str]:
    """Return the names of images that were lost or changed since a finished drawing."""
    if done(folder) is None:
        return set()
    manifest = _listed(folder)
    if manifest is None:  # nothing tells which are as they were
        return {path.name for path in folder.iterdir() if path.stem.isdigit()}
    return {path.name for path in manifest.changed(manifest.frame)}


def _listed(folder: Path, tell: bool = False) -> Manifest | None:
    """Return the images of a finished drawing; None where their manifest is damaged or gone.

    Args:
        folder: of the images.
        tell: whether to warn of a manifest that is damaged; many ask, before they are drawn again.
    """
    try:
        return read_manifest(folder)
    except NotReady:
        why = f"{folder / 'manifest.parquet'}: gone"
    except BadInput as error:
        why = str(error)
    if tell:
        _log.warning("the images are drawn again: %s", why)
    return None


def _marks(request: SamplingRequest, index: int, bands: Bands) -> dict[str, str]:
    marks = {
        "Software": f"terrabalance {__version__}",
        "Description": MARK,
        SYNTHETIC_KEY: "true",
        "terrabalance:class": request.class_name,
        GENERATOR_KEY: request.generator.name,
        "terrabalance:seed": str(request.seed_of(index)),
        "terrabalance:run": request.run,
        # How many are drawn at once changes no image.
        "terrabalance:sampling": request.config.model_dump_json(exclude={"batch_size"}),
    }
    if request.config.keep:
        marks[KEPT_KEY] = f"{request.config.keep:g}"
    if request.layout is not None and _file(request, index, bands).suffix == ".tif":
        marks[_LAYOUT_KEY] = json.dumps(asdict(request.layout))
    return marks


def _is_whole(path: Path, marks: dict[str, str]) -> bool:
    """Return whether a file exists, decodes, and carries the marks of the request."""
    if not path.is_file():
        return False
    try:
        decode(path)
        text, lost = read_marks(path), lost_marks(path)
    except UnreadableImage:
        return False
    keys = ("terrabalance:seed", GENERATOR_KEY, "terrabalance:sampling", _LAYOUT_KEY)
    return not lost and all(text.get(key) == marks.get(key) for key in keys)


def _row(
    request: SamplingRequest, index: int, marks: dict[str, str], bands: Bands
) -> dict[str, object]:
    path = _file(request, index, bands)
    raster = decode(path).of_bands(bands.count)
    count, height, width = raster.pixels.shape
    return {
        "path": path.name,
        "class": marks["terrabalance:class"],
        "split": "train",
        "source": "synthetic",
        "status": "ok",
        "width_px": width,
        "height_px": height,
        "bands": count,
        "mode": raster.mode,
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        "phash": sketch_of(grey_picture(raster)).phash,
        "generator": marks[GENERATOR_KEY],
        "seed": int(marks["terrabalance:seed"]),
        "run": marks["terrabalance:run"],
    }
