"""Put a new dataset where an older one is; what is not the older one's own stays in the folder.

People put notes, labels and models into a dataset's folder. They are linked into the new one before
it takes the place of the old one, so that a process that is killed at any moment loses none.
"""

import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from augment.dataset.beside import OWN, mark_of
from augment.dataset.placing import files_of
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import copy_file
from terrabalance.manifest import USED, read_manifest


def place_of(folder: Path) -> Path:
    """Return the folder itself, or the one that it is a link to, as on a larger disk.

    Raises:
        BadInput: the link leads nowhere.
    """
    if not folder.is_symlink():
        return folder
    place = Path(os.path.realpath(folder))
    if not place.exists():
        raise BadInput(
            f"{folder} is a link to {place}, which is not there. Mount its disk, make that folder, "
            "or remove the link."
        )
    return place


def undo_half_a_swap(folder: Path) -> None:
    """Put the older dataset back where a process was killed between the two renames of `swap`."""
    old = _old_of(folder)
    if not folder.exists() and old.is_dir() and not old.is_symlink():
        old.rename(folder)


def foreign_files(folder: Path, images: Collection[str]) -> list[str]:
    """Return the paths, below a dataset's folder, of the files in it that are not the dataset's.

    Args:
        folder: of the older dataset, which may be absent.
        images: paths of the new dataset's images.

    Raises:
        BadInput: a foreign file is where the new dataset needs a place, or its manifest is damaged
            and so leaves open whether a file among the images is the dataset's.
        OSError: a folder cannot be read.
    """
    if not folder.exists():
        return []
    coming, known = files_of(images), _known(folder)
    found = sorted(set(files_in(folder, _refuse)) - (coming if known is None else known) - OWN)
    if known is None and (unsure := [p for p in found if p.split("/")[0] in USED]):
        raise BadInput(
            f"{folder / unsure[0]}: nothing says whether this is of the dataset, whose "
            "manifest.parquet is damaged or gone, or was put there. Move what is yours out of "
            f"{folder}, delete that folder, and give the command again."
        )
    needed = coming.union(parent for path in coming for parent in _parents(path))
    for path in found:
        if path in needed or not coming.isdisjoint(_parents(path)):
            raise BadInput(
                f"{folder / path}: is not of the dataset, and where the dataset now needs a place. "
                "Move it away, and give the command again."
            )
    return found


def files_in(folder: Path, on_error: Callable[[OSError], object]) -> Iterator[str]:
    """Yield the paths, below a folder, of all files and links in it; links are not followed.

    Args:
        folder: that is walked through.
        on_error: is given what the system says of a folder that cannot be read.
    """
    for place, folders, files in os.walk(folder, onerror=on_error):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in (*files, *links):
            yield (Path(place) / name).relative_to(folder).as_posix()


def carry(files: Collection[str], folder: Path, aside: Path) -> None:
    """Let files of the older dataset's folder also be in the new one's.

    They are hard links where the disk allows it, else copies; a symbolic link stays one.
    """
    for path in files:
        _make_folders(Path(path).parent, folder, aside)
        try:
            os.link(folder / path, aside / path, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:  # no hard links here, or none to the file of another user
            copy_file(folder / path, aside / path, with_facts=True)


def swap(aside: Path, folder: Path) -> None:
    """Put the new dataset in place; two renames, so that a mixture of both never shows."""
    old = _old_of(folder)
    if old.exists():
        _remove(old)
    if folder.exists():
        folder.rename(old)
    aside.rename(folder)
    if old.exists():
        _remove(old)


def _old_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _remove(old: Path) -> None:
    """Remove an older dataset, under another name first: what is half removed is never put back."""
    if old.is_symlink():  # former versions renamed a link to a folder instead of following it
        old.unlink()
        return
    rest = old.with_suffix(".rest")
    if rest.exists():
        _make_writable(rest)
        shutil.rmtree(rest)
    old.rename(rest)
    _make_writable(rest)
    shutil.rmtree(rest, ignore_errors=True)


def _make_writable(folder: Path) -> None:
    """Let this user remove what is in a folder of which parts are read-only."""
    for place, _, _ in os.walk(folder):
        with suppress(OSError):
            Path(place).chmod(stat.S_IMODE(Path(place).stat().st_mode) | stat.S_IRWXU)


def refuse_read_only(folder: Path) -> None:
    """Refuse to replace a dataset that its owner has protected.

    Raises:
        BadInput: its folder is read-only.
    """
    if folder.exists() and not os.access(folder, os.W_OK):
        raise BadInput(
            f"{folder}: is read-only, and would be replaced, as its images, settings or files are "
            "others by now. Give another --name, or make it writable (chmod -R u+w)."
        )


def _known(folder: Path) -> set[str] | None:
    """Return the paths of what an older dataset made; None where nothing says so any more."""
    try:
        images = read_manifest(folder).frame["path"]
    except (NotReady, BadInput):
        return None
    return files_of(images).union((mark_of(folder) or {}).get("files", ()))


def _refuse(error: OSError) -> None:
    raise error


def _parents(path: str) -> list[str]:
    return [parent.as_posix() for parent in Path(path).parents]


def _make_folders(path: Path, folder: Path, aside: Path) -> None:
    """Make a folder and those above it, with the permissions that they have in the older one."""
    if not (aside / path).is_dir():
        _make_folders(path.parent, folder, aside)
        (aside / path).mkdir()
        shutil.copystat(folder / path, aside / path)
