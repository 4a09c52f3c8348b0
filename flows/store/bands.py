"""Which bands and at which size the images of a run are read."""

import logging
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from flows.settings.config import RunConfig
from flows.store.pinned_base import pinned_base, read_base_card
from flows.store.sync import fetch_file, publish_files
from terrabalance.bands import RGB, Bands, bands_from, measure_bands
from terrabalance.errors import BadInput
from terrabalance.files import fingerprint, read_json, write_json
from terrabalance.images import EIGHT_BIT_MODES, decode
from terrabalance.manifest import Manifest, even_share
from terrabalance.sizes import Size, describe_size, height_width

_log = logging.getLogger(__name__)

_SAMPLED = 256  # images that the ranges of deep bands are measured on


def bands_of(config: RunConfig, manifest: Manifest) -> Bands:
    """Return the bands of the data: all of them where the images agree in number and depth.

    Where they do not, or `generator.bands` says so, RGB of 8 bit. The ranges of deep bands are
    measured on the train part of all classes, and kept beside the catalogues; with a base that is
    named (`base_from`) they are the base's, or one new image would be another range for all.

    Raises:
        NotReady, BadInput, StoreUnreachable: of a base that is named, as of `pinned_base`, and
            where it has other bands than the images.
    """
    asked = (
        config.workdir, config.base_from, config.generator.bands, config.generator.shown_bands,
    )  # fmt: skip
    return manifest.once(("bands", *asked), lambda: _bands_of(config, manifest))


def _bands_of(config: RunConfig, manifest: Manifest) -> Bands:
    kind, shown = _kind_of(config, manifest), config.generator.shown_bands
    if config.base_from is not None:
        return _bands_of_base(config, kind or (3, True))
    if kind is None or (*kind, shown) == (3, True, None):
        return RGB
    key = fingerprint(list(manifest.usable("train")["sha256"]), shown)
    path = config.workdir / "data" / "catalogues" / f"bands-{key}.json"
    if not path.exists():
        fetch_file(config, path)
    if not path.exists():
        write_json(path, asdict(_measured(config, manifest)))
        publish_files(config, [path])
    return bands_from(read_json(path))


def _bands_of_base(config: RunConfig, kind: tuple[int, bool]) -> Bands:
    base = pinned_base(config)
    bands = read_base_card(base).bands
    has = (bands.count, bands.dtype == "uint8")
    if has != kind:
        raise BadInput(
            f"base_from: {base.name} draws images {_depth(*has)}, and the images of this run are "
            f"read {_depth(*kind)}. Name a base of such images, or see generator.bands."
        )
    return replace(bands, shown=config.generator.shown_bands or bands.shown)


def _kind_of(config: RunConfig, manifest: Manifest) -> tuple[int, bool] | None:
    """Return how many bands the images have and whether of 8 bit; None: to be read as RGB."""
    rows = manifest.usable("train")
    kinds = Counter(
        (int(count), mode in EIGHT_BIT_MODES or mode.startswith("uint8x"))
        for count, mode in zip(rows["bands"], rows["mode"], strict=True)
    )
    if config.generator.bands == "rgb" or not kinds:
        return None
    if len(kinds) > 1:
        _log.warning("read as RGB of 8 bit, as the images differ: %s", _describe(kinds))
        return None
    return next(iter(kinds))


def _measured(config: RunConfig, manifest: Manifest) -> Bands:
    paths: list[Path] = manifest.paths(even_share(manifest.usable("train"), _SAMPLED))
    samples: list[np.ndarray] = [decode(path).pixels for path in paths]
    return measure_bands(samples, config.generator.shown_bands)


def _describe(kinds: Counter[tuple[int, bool]]) -> str:
    return ", ".join(f"{n} {_depth(*kind)}" for kind, n in kinds.most_common())


def _depth(count: int, is_eight_bit: bool) -> str:
    return f"of {count} bands of {'8 bit' if is_eight_bit else 'more than 8 bit'}"


def resolution_of(config: RunConfig, usual: Size, synthetic: Size | None) -> Size:
    """Return the size that the classifier's images are reduced to first.

    Args:
        config: of the run.
        usual: where `classifier.resolution` does not say.
        synthetic: of the smallest synthetic image; None: there is none.

    Raises:
        BadInput: the synthetic images are smaller than the resolution asked for. Enlarged, they
            would be soft, and soft would come to mean synthetic.
    """
    wanted = config.classifier.resolution
    if wanted is not None and synthetic is not None and wanted > min(height_width(synthetic)):
        raise BadInput(
            f"a resolution of {wanted} px, but there are synthetic images of "
            f"{describe_size(synthetic)}: enlarged, they would be told by their softness. "
            "Ask for that size or less."
        )
    return wanted or usual
