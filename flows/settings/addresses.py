"""Addresses (s3://bucket/folder) in place of a folder, and their working copies on this machine."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from terrabalance.cache import cache_folder
from terrabalance.errors import BadInput
from terrabalance.files import slug
from terrabalance.wording import shown

_OF_THIS_MACHINE = ("file", "local")  # schemes that mean a folder, as for fsspec


def is_address(text: object) -> bool:
    """Return whether a text is an address with a protocol, and no path."""
    return isinstance(text, str) and re.match(r"(?i)[a-z][a-z0-9+.:-]*://", text) is not None


def placed(address: str) -> tuple[Path, str | None]:
    """Return the folder of this machine for an address, and the one spelling of its store.

    The store is None where the address is that of a folder of this machine.

    Raises:
        BadInput: it holds a password, as it is written into reports, names no place, or one that
            only one process or another machine has.
    """
    scheme, _, rest = address.partition("://")
    scheme = scheme.lower()  # RFC 3986, 3.1: case is of no account; the drivers know the lower one
    if scheme in _OF_THIS_MACHINE:
        return _folder_of(address, rest), None
    if scheme == "memory":
        raise BadInput(
            f"{shown(address)}: is in the memory of one process, and a run has several. Give a "
            "folder, or an address as s3://bucket/folder."
        )
    if "::" in address:  # fsspec's joints, wherever they are
        raise BadInput(
            f"{shown(address)}: addresses that are joined by :: are not read. Give that of the "
            "store alone, as s3://bucket/folder."
        )
    store = _checked(f"{scheme}://{rest}")
    return mirror_of(store), store


def _folder_of(address: str, rest: str) -> Path:
    """Return the folder of file:///folder or file://localhost/folder (RFC 8089)."""
    host, slash, path = rest.partition("/")
    if host.lower() not in ("", "localhost"):
        raise BadInput(
            f"{shown(address)}: {shown(host)} would be another machine, whose files this one "
            f"cannot reach by it. Write a folder of this machine with three slashes: file:///{rest}"
        )
    if not slash:
        raise BadInput(f"{shown(address)}: names no folder. Write it as file:///folder.")
    return Path(f"/{path}")


def _checked(address: str) -> str:
    parts = urlsplit(address)
    if parts.password is not None:
        raise BadInput(
            f"{parts.scheme}://...@{parts.hostname}: keys do not belong into an address, which is "
            "written into reports. Give them as the driver wants them, for S3 as AWS_ACCESS_KEY_ID "
            "and AWS_SECRET_ACCESS_KEY."
        )
    if not parts.netloc.strip("/"):
        raise BadInput(f"{shown(address)}: names no bucket. Write it as s3://bucket/folder.")
    return address.rstrip("/")


def mirror_of(address: str) -> Path:
    """Return this machine's working copy of what is at an address, below TERRABALANCE_CACHE."""
    return cache_folder() / slug(address)


def local_folder(workdir: str | None) -> Path:
    """Return the folder of this machine that a --workdir stands for.

    Raises:
        BadInput: an address that cannot be one.
    """
    if workdir is None or not is_address(workdir):
        return Path(workdir or "")
    return placed(workdir)[0]
