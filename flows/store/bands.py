"""The bands in which the images of a run are read."""

import logging
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

from flows.settings.config import RunConfig
from flows.store import paths
from flows.store.pinned_base import read_base_card
from flows.store.result import Files, make_once
from terrabalance.bands import RGB, Bands, bands_from, measure_bands
from terrabalance.contents import contents
from terrabalance.errors import BadInput
from terrabalance.files import MADE_ANEW, fingerprint, read_json, write_json
from terrabalance.manifest import USED, Manifest, even_share
from terrabalance.rasters.decode import decode
from terrabalance.rasters.raster import holds_bytes

_log = logging.getLogger(__name__)

_SAMPLED = 256  # images that the ranges of deep bands are measured on


def bands_of(config: RunConfig, manifest: Manifest, base: Path | None = None) -> Bands:
    """Return the bands of the data: all of them where the images agree in number and depth.

    Where they do not, in whichever part, or `generator.bands` says so, RGB of 8 bit. The ranges of
    deep bands are measured on the train part of all classes, once, and kept beside the catalogues.

    Args:
        config: of the run.
        manifest: of the images.
        base: folder of the base that the run names (`base_from`), whose ranges are then used, or
            one new image would change the range of all; None: it names none.

    Raises:
        BadInput: the base has other bands than the images, or `generator.shown_bands` names one
            that they do not have.
        StoreUnreachable: the ranges may be in the store, which does not answer.
    """
    kind, shown = _kind_of(config, manifest), config.generator.shown_bands
    if kind is not None or base is not None:
        _refuse_absent(shown, (kind or (3, True))[0])
    if base is not None:
        return _bands_of_base(base, kind or (3, True), shown)
    is_scaled = bool((manifest.usable("train")["scaling"] != "").any())
    if kind is None or (*kind, shown, is_scaled) == (3, True, None, False):
        return RGB
    # The same files have other bands where alpha is kept or dropped (`scan.alpha`).
    key = fingerprint(list(contents(manifest.usable("train"))), shown, *kind)
    ranges = Files(
        what="the range of the bands",
        place=paths.catalogues_folder(config) / f"bands-{key}.json",
    )

    def measure(_devices: object, _progress: object) -> None:
        write_json(ranges.place, asdict(_measured(config, manifest)))

    path = make_once(config, ranges, measure)
    # Not its folder: that holds the catalogues of all data of the workdir.
    return bands_from(read_json(path, MADE_ANEW), path, MADE_ANEW)


def _refuse_absent(shown: tuple[int, int, int] | None, count: int) -> None:
    for band in shown or ():
        if band >= count:
            raise BadInput(
                f"generator.shown_bands: band {band} of {count} (counted from 0) is not there: the "
                f"images of this run are read with bands 0 to {count - 1}. Name three of these."
            )


def _bands_of_base(base: Path, kind: tuple[int, bool], shown: tuple[int, int, int] | None) -> Bands:
    bands = read_base_card(base).bands
    has = (bands.count, bands.dtype == "uint8")
    if has != kind:
        raise BadInput(
            f"base_from: {base.name} draws images {_depth(*has)}, and the images of this run are "
            f"read {_depth(*kind)}. Name a base of such images, or see generator.bands."
        )
    return replace(bands, shown=shown or bands.shown)


def _kind_of(config: RunConfig, manifest: Manifest) -> tuple[int, bool] | None:
    """Return how many bands the images have and whether of 8 bit; None: to be read as RGB."""
    if config.generator.bands == "rgb" or manifest.usable("train").empty:
        return None
    # Of all parts: bytes in the range of 16-bit training images would be tested as black images.
    rows = manifest.usable()
    rows = rows[rows["split"].isin(USED)]
    kinds = Counter(
        (int(count), holds_bytes(mode))
        for count, mode in zip(rows["bands"], rows["mode"], strict=True)
    )
    if len(kinds) > 1:
        _log.warning("read as RGB of 8 bit, as the images differ: %s", _describe(kinds))
        return None
    return next(iter(kinds))


def _measured(config: RunConfig, manifest: Manifest) -> Bands:
    sampled = even_share(manifest.usable("train"), _SAMPLED)
    files = zip(manifest.paths(sampled), sampled["bands"], strict=True)
    samples = (decode(path).of_bands(int(count)) for path, count in files)
    return measure_bands(samples, config.generator.shown_bands)


def _describe(kinds: Counter[tuple[int, bool]]) -> str:
    return ", ".join(f"{n} {_depth(*kind)}" for kind, n in kinds.most_common())


def _depth(count: int, is_eight_bit: bool) -> str:
    return f"of {count} bands of {'8 bit' if is_eight_bit else 'more than 8 bit'}"
