"""Images without labels that a base learns: listed once, and read for its training."""

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from augment.catalogue.hashes import Sketches
from augment.catalogue.sketch_file import read_sketches, write_sketches
from augment.catalogue.unlabelled import (
    HELD_OUT,
    held_out_rows,
    open_unlabelled,
    scan_unlabelled,
)
from augment.network.unlabelled import UnlabelledRecord, read_unlabelled
from augment.plan import FEWEST_IMAGES
from augment.train.data import TrainingData, Unlabelled
from flows.settings.config import RunConfig
from flows.stages.catalogue import note_uses, refuse_results_in
from flows.store import paths
from flows.store.names import unlabelled_folder
from flows.store.result import Folder, make_once
from terrabalance.bands import Bands
from terrabalance.contents import contents
from terrabalance.errors import BadInput
from terrabalance.finished import mark_done
from terrabalance.images import read_patches
from terrabalance.manifest import Manifest, read_manifest, write_manifest
from terrabalance.progress import Progress, silent

_log = logging.getLogger(__name__)

# Of either kind. At 256 px they take 4 GB of memory; more images than that teach a base nothing
# that a rare class could use.
MOST_BASE_IMAGES = 20_000
_SKETCHES = "sketches.safetensors"


@dataclass(frozen=True, eq=False)
class UnlabelledImages:
    """A finished list of images without labels.

    Attributes:
        manifest: a row each, those that are kept out among them.
        sketches: of the usable rows, in their order.
        is_compared: whether what a run holds out was looked for among them.
    """

    manifest: Manifest
    sketches: Sketches
    is_compared: bool

    def read(self, config: RunConfig, bands: Bands, n_labelled: int = 0) -> TrainingData:
        """Return at most `MOST_BASE_IMAGES` of the usable images for a training.

        Args:
            config: of the run.
            bands: in which they are read.
            n_labelled: images with a label that are learned beside them.

        Raises:
            BadInput: one of them has changed since it was listed.
        """
        rows = self.manifest.usable()
        # In the order of their hashes: a training that was stopped goes on after they were moved.
        chosen = np.argsort(contents(rows).to_numpy(object), kind="stable")[:MOST_BASE_IMAGES]
        rows = rows.iloc[chosen]
        images = read_patches(self.manifest.unchanged(rows), config.generator.image_size, bands)
        record = self._record(config, len(rows), n_labelled)
        known = Unlabelled(len(rows), self.sketches.take(chosen), record)
        return TrainingData(images, hashes=tuple(rows["sha256"]), unlabelled=known)

    def behind(
        self, data: TrainingData, config: RunConfig, bands: Bands, label: int
    ) -> TrainingData:
        """Return the data of a training with these images behind its own, all of one label.

        Raises:
            BadInput: as of `read`.
        """
        assert data.labels is not None
        more = self.read(config, bands, len(data.images))
        return replace(
            data,
            images=np.concatenate([data.images, more.images]),
            labels=np.concatenate([data.labels, np.full(len(more.images), label)]),
            hashes=(*data.hashes, *more.hashes),
            unlabelled=more.unlabelled,
        )

    def _record(self, config: RunConfig, n_learned: int, n_labelled: int) -> UnlabelledRecord:
        assert config.base.images is not None
        counts = Counter(map(str, self.manifest.frame["status"]))
        del counts["ok"]
        near = {part: counts.pop(f"leaks into {part}", 0) for part in HELD_OUT}
        return UnlabelledRecord(
            folder=config.base.images.name,
            source=config.base.source,
            licence=config.base.licence,
            n_listed=len(self.manifest.frame),
            n_learned=n_learned,
            n_labelled=n_labelled,
            near_held_out=near if self.is_compared else None,
            left_out=dict(counts),
        )


def list_unlabelled(
    config: RunConfig,
    bands: Bands | None = None,
    catalogue: Manifest | None = None,
    on_progress: Progress = silent,
) -> UnlabelledImages:
    """List the images of `base.images`, once, and leave out those that are not to be learned.

    Args:
        config: of the run.
        bands: in which the run reads images; None: these alone decide them.
        catalogue: the run's images: what is nearly one of val, test or oracle is kept out; None: it
            has none.
        on_progress: counts files.

    Raises:
        BadInput: they cannot be used, hold the folder of results, or too few are left.
    """
    given = config.base.images
    assert given is not None
    refuse_results_in(config, given)
    source = open_unlabelled(given, paths.extracted_folder(config))
    held_out = None if catalogue is None else held_out_rows(catalogue)
    folder = unlabelled_folder(config, source, bands, held_out)

    def make(_devices: object, listener: Progress) -> None:
        manifest, sketches = scan_unlabelled(source, config.scan, bands, catalogue, listener)
        write_manifest(manifest, folder)
        write_sketches(folder / _SKETCHES, sketches)
        files = [folder / name for name in ("manifest.parquet", _SKETCHES)]
        mark_done(folder, {"data": str(given), "n_images": len(manifest.frame)}, files)

    make_once(config, Folder(what="the list of base.images", place=folder), make, on_progress)
    note_uses(config, source, folder, ("base images", "extracted base images"))
    sketches = read_sketches(folder / _SKETCHES)
    found = UnlabelledImages(read_manifest(folder), sketches, held_out is not None)
    _refuse_too_few(given, found.manifest)
    return found


def _refuse_too_few(given: Path, manifest: Manifest) -> None:
    n_usable = len(manifest.usable())
    if n_usable >= FEWEST_IMAGES:
        return
    frame = manifest.frame
    counts = Counter(frame["status"][frame["status"] != "ok"])
    why = ", ".join(f"{status}: {n}" for status, n in counts.most_common())
    first = frame.loc[frame["status"] != "ok", ["path", "detail"]].head(1)
    example = "".join(f", such as {path} ({detail})" for path, detail in first.to_numpy())
    reasons = f" ({why}{example})" if why else ""
    raise BadInput(
        f"base.images: {given}: {n_usable} of {len(frame)} images can be learned{reasons}, and a "
        f"base needs {FEWEST_IMAGES} or more. Give a folder with more of them."
    )


def tell_other_words(config: RunConfig, base: Path) -> None:
    """Warn where a finished base's card has another source or licence than is given now.

    The words decide no weights, so that changing them trains nothing anew.
    """
    record = read_unlabelled(base) if config.base.images is not None else None
    given = (config.base.source, config.base.licence)
    if record is not None and (record.source, record.licence) != given:
        _log.warning(
            "%s: its card keeps the source and the licence of base.images that it was trained "
            "with: %s, %s. To have other words in it, delete the folder, and it is trained again",
            base, record.source, record.licence,
        )  # fmt: skip
