"""The real images of a catalogue, for machines that do not have the folder they were found in."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flows.settings.config import RunConfig
from flows.store.listings import fetch_verified
from flows.store.remote import Remote
from terrabalance.errors import BadInput
from terrabalance.manifest import Manifest
from terrabalance.progress import Progress
from terrabalance.rasters.beside import listed_beside

_log = logging.getLogger(__name__)
_LOOKED_AT = 50  # images


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredManifest(Manifest):
    """A manifest whose images are fetched from the store when they are asked for.

    Attributes:
        address: of the store.
    """

    address: str

    def paths(self, rows: pd.DataFrame) -> list[Path]:
        """Return the full path of each row, fetched first where it is not here yet.

        Raises:
            BadInput: a path that leaves the root, an image that the store lacks, or a store that
                cannot be used.
            StoreUnreachable: it does not answer.
        """
        paths = super().paths(rows)
        listed = _files(paths, rows)
        missing = {path: (_name(sha), sha) for path, sha in listed if not path.is_file()}
        if missing:
            _log.info("fetching %d files of images from %s", len(missing), self.address)
            try:
                fetch_verified(Remote(self.address), missing)
            except FileNotFoundError as error:
                raise BadInput(
                    f"{self.address}: lacks images of the catalogue ({error}). Run `terrabalance "
                    "scan` where the data is."
                ) from error
        return paths


def publish_originals(config: RunConfig, manifest: Manifest, on_progress: Progress) -> None:
    """Upload the usable images of a catalogue that the store lacks, each by its content.

    Raises:
        BadInput: the store cannot be used.
        StoreUnreachable: it does not answer or is full.
    """
    if config.storage is None:
        return
    remote, rows = Remote(config.storage), manifest.usable()
    by_folder: dict[str, dict[str, Path]] = defaultdict(dict)
    for path, sha256 in _files(manifest.paths(rows), rows):
        folder, _, name = _name(sha256).rpartition("/")
        by_folder[folder][name] = path
    n_looked_at, n_files = 0, sum(map(len, by_folder.values()))
    for folder, files in by_folder.items():
        there = remote.names(folder)
        remote.put({f"{folder}/{n}": path for n, path in files.items() if n not in there})
        n_looked_at += len(files)
        on_progress(n_looked_at, n_files, "publishing images")


def with_originals(config: RunConfig, catalogue: Path, manifest: Manifest) -> Manifest:
    """Return the manifest so that its images can be read on this machine.

    With a store, where they are not in the folder they were found in, they are fetched into the
    working copy as they are asked for.
    """
    if config.storage is None or _holds_images(manifest):
        return manifest
    root = config.workdir / "data" / "images" / catalogue.name
    return StoredManifest(root, manifest.frame, address=config.storage)


def _holds_images(manifest: Manifest) -> bool:
    """Look at a few: a folder of that name may be here and hold something else, or nothing."""
    rows = manifest.usable()
    rows = rows.iloc[:: max(1, len(rows) // _LOOKED_AT)]
    return all(
        path.is_file() and path.stat().st_size == size
        for path, size in zip(manifest.paths(rows), rows["bytes"], strict=True)
    )


def _files(paths: Sequence[Path], rows: pd.DataFrame) -> Iterator[tuple[Path, str]]:
    """Yield path and SHA-256 of the images, and of the files beside them that decide their pixels.

    Args:
        paths: of the images.
        rows: theirs.
    """
    for path, sha256, beside in zip(paths, rows["sha256"], rows["beside"], strict=True):
        yield path, sha256
        for name, listed in listed_beside(beside).items():
            yield path.with_name(name), listed


def _name(sha256: str) -> str:
    """Return where an image lies in the store; the folders keep a listing short."""
    return f"data/images/{sha256[:2]}/{sha256}"
