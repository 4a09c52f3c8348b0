"""The files beside listed images that decide what is read of these: a changed one is seen.

They are found among the names that listing a folder gives: asking the system for each takes as long
as listing. So would looking into each image for its format, which its name may not tell: the scan
does that, and `with_unlisted` goes by what it recorded.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path, PurePath

from augment.catalogue.entries import Entry, Source
from terrabalance.errors import UnreadableImage
from terrabalance.files import is_as_hashed
from terrabalance.rasters.beside import files_beside, listed_beside
from terrabalance.rasters.formats import deciding_places, format_of, may_be_side_file
from terrabalance.rasters.vrt import vrt_sources

# Of an image that is read without GDAL these alone count: they have it refused.
_REFUSED = (".aux.xml", ".msk")
_ByImage = Mapping[str, list[str]]  # lower-case path of an image, whole or without its suffix


def with_files_beside(root: Path, entries: list[Entry], names: Iterable[str]) -> list[Entry]:
    """Return the entries, each with the paths of the files beside it that count.

    Args:
        root: of the paths.
        entries: of a data source.
        names: paths of the files there that may lie beside images, by their names.
    """
    of_image = _by_image(names)
    if not of_image:  # nearly all data: only images whose pixels lie elsewhere have any
        return [_with_own(root, entry, of_image) if _is_vrt(entry) else entry for entry in entries]
    return [_with_own(root, entry, of_image) for entry in entries]


def side_files_in(root: Path, entries: Iterable[Entry]) -> list[str]:
    """Return the paths of the files that may lie beside the entries; each folder is listed once.

    A folder whose names this user may not list has none: what lies there is then compared with
    the manifest when the images are used, and refused where it has changed.
    """
    found = []
    for folder in {entry.path.rpartition("/")[0] for entry in entries}:
        try:
            names = os.listdir(root / folder)  # noqa: PTH208  # names alone, of any number
        except PermissionError:
            continue
        below = f"{folder}/" if folder else ""
        found += [below + name for name in names if may_be_side_file(name)]
    return found


def with_unlisted(source: Source, records: Mapping[str, str]) -> Source:
    """Return a source of which each image has all files beside it, if any changed since a scan.

    What a name does not tell, only the scan has found: that `scene.tif` is a VRT, and its images.

    Args:
        source: as listed now.
        records: of the images that the scan found to have such files, by their paths, see
            `terrabalance.rasters.beside`.

    Returns:
        The source as it is where nothing has changed but what it lists itself: so the catalogue
        that the scan made is found again.
    """
    listed = {entry.path for entry in source.entries} if records else set()
    found = {
        entry.path: files_beside(source.root / entry.path)
        for entry in source.entries
        if entry.path in records and _may_lack(entry, listed_beside(records[entry.path]), listed)
    }
    if all(
        _are_as_recorded(source.root, found[p], listed_beside(records[p]), listed) for p in found
    ):
        return source
    return replace(source, entries=[_with(e, found.get(e.path, [])) for e in source.entries])


def _may_lack(entry: Entry, recorded: Iterable[str], listed: Set[str]) -> bool:
    """Return whether listing may not find all files that decide an image."""
    kind = format_of(PurePath(entry.path))
    if kind is None or not kind.needs_gdal:
        return True
    places = (_beside_it(entry.path, name) for name in recorded)
    return not all(place in listed or place in entry.beside for place in places)


def _are_as_recorded(
    root: Path, files: Sequence[Path], recorded: Mapping[str, str], listed: Set[str]
) -> bool:
    """Return whether files are those of a record; of listed ones the key has size and time."""
    return [file.name for file in files] == list(recorded) and all(
        file.relative_to(root).as_posix() in listed or is_as_hashed(file, recorded[file.name])
        for file in files
    )


def _with(entry: Entry, files: Iterable[Path]) -> Entry:
    beside = {*entry.beside, *(_beside_it(entry.path, file.name) for file in files)}
    return replace(entry, beside=tuple(sorted(beside)))


def _beside_it(path: str, name: str) -> str:
    return (PurePath(path).parent / name).as_posix()


def _by_image(names: Iterable[str]) -> _ByImage:
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        low = name.lower()
        image = low.removesuffix(".aux.xml") if low.endswith(".aux.xml") else low.rpartition(".")[0]
        found[image].append(name)
    return found


def _is_vrt(entry: Entry) -> bool:
    return entry.path.lower().endswith(".vrt")


def _with_own(root: Path, entry: Entry, of_image: _ByImage) -> Entry:
    beside = _beside(entry.path, of_image)
    if _is_vrt(entry):
        beside = beside.union(*_of_sources(root, entry.path, of_image))
    # It may be listed as a file of that folder as well, as `.xml` are.
    return replace(entry, beside=tuple(sorted(beside - {entry.path}))) if beside else entry


def _beside(path: str, of_image: _ByImage) -> set[str]:
    kind = format_of(PurePath(path))
    if kind is None:
        return set()
    low = path.lower()
    by_name = of_image.get(low, [])
    if not kind.needs_gdal:
        return {name for name in by_name if name.lower().endswith(_REFUSED)}
    return {*by_name, *of_image.get(low.rpartition(".")[0], [])}


def _of_sources(root: Path, path: str, of_image: _ByImage) -> list[set[str]]:
    """Return the images that a VRT reads, and what lies beside each."""
    try:
        sources = vrt_sources(root / path)
    except (UnreadableImage, OSError):  # the scan says why it is not read
        return []
    names = [_beside_it(path, source.name) for source in sources]
    there = [name for name in names if (root / name).exists()]
    return [{name, *_beside(name, of_image), *_deciding(name, of_image)} for name in there]


def _deciding(path: str, of_image: _ByImage) -> set[str]:
    """Return what decides an image that GDAL reads, whatever its name says of its format."""
    near = {*of_image.get(path.lower(), []), *of_image.get(path.lower().rpartition(".")[0], [])}
    return {place for name in deciding_places(Path(path)) if (place := str(name)) in near}
