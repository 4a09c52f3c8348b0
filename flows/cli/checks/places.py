"""The memory, the disk, and the place that gets a run's files."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from flows.cli.checks.finding import Finding
from flows.settings.addresses import is_address, placed
from terrabalance.machine import memory

# A run of the preset 24gb takes 5.3 GiB of the host, one of 8gb 2.6: docs/benchmarks/memory.md.
_LITTLE_MEMORY = 4 * 2**30
_LITTLE_DISK = 5 * 10**9  # checkpoints, images and a dataset of a small run


def check_memory() -> Finding:
    """Tell how much memory is free, by the machine and by the limit of a container or batch job."""
    found = memory()
    if found is None:
        return Finding("memory", "ok", "this system does not tell how much is free")
    said = f"{found.free / 2**30:.1f} GiB free"
    if found.limit is not None:
        said += f", of the {found.limit / 2**30:.1f} GiB that this process may use"
    if found.free < _LITTLE_MEMORY:
        advice = "End other work, or ask for more memory (docker run --memory, sbatch --mem)"
        return Finding("memory", "warning", said, advice)
    return Finding("memory", "ok", said)


def check_disk(folder: Path) -> Finding:
    """Tell how much room a workdir has.

    Args:
        folder: the workdir; it need not be there yet.
    """
    place = _nearest(folder)
    n_bytes = shutil.disk_usage(place).free
    found = f"{n_bytes / 1e9:.1f} GB free at {place}"
    if n_bytes < _LITTLE_DISK:
        advice = "Free some room there (terrabalance cache prune), or give a --workdir elsewhere"
        return Finding("disk", "warning", found, advice)
    return Finding("disk", "ok", found)


def check_workdir(workdir: str | None, folder: Path) -> Finding:
    """Write a file into the workdir and remove it again, at an address also into its store.

    Args:
        workdir: as it was given.
        folder: of this machine that it stands for; it need not be there yet.

    Raises:
        OSError: this machine's folder cannot be written.
        TerrabalanceError: the store cannot be used; the text says why.
    """
    place = _nearest(folder)
    with TemporaryDirectory(prefix=".terrabalance-", dir=place) as probe:
        (Path(probe) / "probe").write_bytes(b"?")
    found = f"{folder.absolute()} can be written"
    if place != folder.absolute():
        found = f"{folder.absolute()} can be made"
    if workdir is not None and is_address(workdir) and (store := placed(workdir)[1]):
        from flows.store.remote import Remote

        remote, name = Remote(store), f".terrabalance-{uuid4().hex}"
        remote.write(name, b"?")
        remote.delete([name])
        found = f"{store} can be written; this machine's copy is {folder}"
    return Finding("workdir", "ok", found)


def check_links(folder: Path) -> Finding:
    """Tell whether the images of a dataset can be links, or have to be copies, which take room.

    Args:
        folder: the workdir; the images are taken to be on the disk of the current folder.
    """
    place = _nearest(folder)
    if place.stat().st_dev != Path.cwd().stat().st_dev:
        why = f"the current folder is on another disk than {place}"
    else:
        try:
            with TemporaryDirectory(prefix=".terrabalance-", dir=place) as probe:
                (Path(probe) / "probe").write_bytes(b"?")
                os.link(Path(probe) / "probe", Path(probe) / "link")
            return Finding(
                "links", "ok", "a dataset takes no room for images of the current folder"
            )
        except OSError as error:
            why = f"{place} takes no hard links ({error.strerror})"
    return Finding("links", "ok", f"a dataset gets copies of the images: {why}")


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
