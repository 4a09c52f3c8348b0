"""List the images of the data and split them into parts."""

from pathlib import Path

from augment.catalogue.beside import with_unlisted
from augment.catalogue.counts import summarize
from augment.catalogue.entries import Source
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source
from augment.catalogue.split import assign_splits
from augment.screen.rules import NAMES
from flows.settings.config import RunConfig
from flows.store import paths
from flows.store.held_out import refuse_drawn_from_held_out
from flows.store.names import catalogue_folder
from flows.store.originals import publish_originals
from flows.store.result import Folder, find, make_once
from flows.store.uses import note_use
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import write_json
from terrabalance.finished import mark_done
from terrabalance.manifest import (
    Manifest,
    read_manifest,
    records_beside,
    with_score_columns,
    write_manifest,
)
from terrabalance.progress import Progress, silent


def make_catalogue(
    config: RunConfig, on_progress: Progress = silent, synthetic: bool = False
) -> Path:
    """Scan the data and split it; return the catalogue's folder.

    Args:
        config: of the run.
        on_progress: counts files.
        synthetic: whether a CSV may list synthetic images too.

    Raises:
        BadInput: the data cannot be used, holds the folders that get the results, or a class is too
            small to split.
        NotReady: `config.catalogue` names one that is not there.
    """
    if config.catalogue is not None:
        return _named_catalogue(config, config.catalogue)
    return catalogue_of(config, open_data(config, synthetic), on_progress)


def open_data(config: RunConfig, synthetic: bool = False) -> Source:
    """List the files of the data.

    Args:
        config: of the run.
        synthetic: whether a CSV may list synthetic images too.

    Raises:
        BadInput: the data cannot be used, or holds the folders that get the results.
    """
    refuse_results_in(config, config.data)
    source = open_source(
        config.data, paths.extracted_folder(config), config.images, config.scan.class_folder
    )
    if not synthetic and any(entry.source != "real" for entry in source.entries):
        raise BadInput(
            f"{config.data}: lists synthetic images. Only real ones are balanced; to compare "
            "classifiers with and without those, use `terrabalance compare`."
        )
    return source


def catalogue_of(config: RunConfig, source: Source, on_progress: Progress = silent) -> Path:
    """Scan a source and split it; return the catalogue's folder.

    Args:
        config: of the run.
        source: of `open_data`.
        on_progress: counts files.

    Raises:
        BadInput: a class is too small to split.
    """
    folder = catalogue_folder(config, source)
    changed = _with_what_changed(source, folder)
    if changed is not source:
        source, folder = changed, catalogue_folder(config, changed)

    def publish_images() -> None:
        publish_originals(config, read_manifest(folder), on_progress)

    catalogue = Folder(what="the catalogue", place=folder, publish_first=publish_images)

    def make(_devices: object, listener: Progress) -> None:
        _make(config, source, folder, listener)

    make_once(config, catalogue, make, on_progress)
    note_uses(config, source, folder)
    return folder


def read_catalogue(config: RunConfig, folder: Path) -> Manifest:
    """Return what a catalogue lists, after asking the generators that it names.

    They are asked at every use: a catalogue may be older than the generators that are here now.

    Args:
        config: of the run.
        folder: of the catalogue.

    Raises:
        BadInput: it is damaged, or images were drawn or filled by a generator that has learned
            others which are held out.
        StoreUnreachable: the generator may be in the store, which does not answer.
    """
    manifest = read_manifest(folder)
    refuse_drawn_from_held_out(config, manifest)
    return manifest


def refuse_results_in(config: RunConfig, images: Path) -> None:
    """Refuse a workdir whose results the next scan of a folder would take for images of it.

    Args:
        config: of the run.
        images: the folder; another file holds no results.

    Raises:
        BadInput: the workdir's results lie in it.
    """
    data = images.resolve()
    if not data.is_dir():
        return
    for name in ("data", "reports"):
        place = (config.workdir / name).resolve()
        if not place.is_relative_to(data):
            continue
        if not any(part.startswith(".") for part in place.relative_to(data).parts):  # not scanned
            raise BadInput(
                f"{images}: holds the folder of results {place}, which would be taken for "
                "images of it. Name a folder outside of the data with --workdir."
            )


def _make(config: RunConfig, source: Source, folder: Path, on_progress: Progress) -> None:
    scanned = scan(source, config.scan, on_progress)
    manifest = assign_splits(scanned, config.split, config.seed, source.given)
    frame = with_score_columns(manifest.frame, NAMES)  # as synthetic images have
    write_manifest(Manifest(manifest.root, frame), folder)
    write_json(folder / "summary.json", summarize(manifest))
    files = [folder / name for name in ("manifest.parquet", "summary.json")]
    mark_done(folder, {"data": str(config.data), "n_images": len(manifest.frame)}, files)


def _with_what_changed(source: Source, folder: Path) -> Source:
    """Return a source with the files that only a scan finds, if they changed since it was scanned.

    Such as the images of a VRT of another name. Their catalogue has another name than `folder`.
    """
    former = Folder(what="the catalogue", place=folder)
    return with_unlisted(source, records_beside(folder)) if former.is_here() else source


def note_uses(
    config: RunConfig,
    source: Source,
    listed: Path,
    names: tuple[str, str] = ("catalogue", "extracted"),
) -> None:
    """Note that a run uses the list of a source, and what an archive was unpacked to.

    Args:
        config: of the run.
        source: that was listed.
        listed: folder of the list.
        names: of both notes.
    """
    note_use(config, names[0], listed)
    extracted = paths.extracted_folder(config)
    if source.root.is_relative_to(extracted):
        note_use(config, names[1], extracted / source.root.relative_to(extracted).parts[0])


def _named_catalogue(config: RunConfig, name: str) -> Path:
    catalogue = Folder(what="the catalogue", place=paths.catalogues_folder(config) / name)
    # One that is here is not exchanged: it may be unpublished for want of its images.
    if not catalogue.is_here() and not find(config, catalogue):
        raise NotReady(
            f"{config.storage or config.workdir}: no finished catalogue {name!r}. Run "
            "`terrabalance scan` where the data is, and give the name of the folder that it makes."
        )
    return catalogue.place
