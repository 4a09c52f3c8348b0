"""Addresses (s3://bucket/folder) in place of a folder, and their working copies on this machine."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from terrabalance.cache import cache_folder
from terrabalance.errors import BadInput
from terrabalance.files import slug
from terrabalance.wording import shown


def is_address(text: object) -> bool:
    """Return whether a text is an address with a protocol, and no path."""
    return isinstance(text, str) and re.match(r"(?i)[a-z][a-z0-9+.-]*://", text) is not None


def checked_address(address: str) -> str:
    """Return an address in the one spelling by which its working copy is found.

    Raises:
        BadInput: it holds a password, as it is written into reports, or names no place.
    """
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
    return mirror_of(checked_address(workdir))
