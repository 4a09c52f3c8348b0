"""Files that are whole or absent, JSON that knows its content, names that stay in a folder."""

import functools
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from terrabalance.errors import BadInput
from terrabalance.system_errors import OF_DISKS

ASIDE = ".*.part"  # the end of a file's name as long as it is not whole, as a pattern
_SEAL = "sha256"
Fields = Mapping[str, type]  # of a JSON object, by name
NO_FIELDS: Fields = {}


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file beside `path` that takes its place only if the block ends well.

    The data is flushed and fsynced before the rename, so after a crash `path` holds either the
    old content or the new, never a part. Missing parent folders are made.

    Raises:
        OSError: the disk is full or fails; with the path, which the system does not tell of a file
            that is open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not mkstemp: it leaves mode 0600, and colleagues could not open the report. Not the process's
    # number: two machines may write to one shared folder.
    aside = path.with_name(f".{path.name}.{uuid4().hex[:12]}.part")
    try:
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        unnamed = error.filename is None and error.errno in OF_DISKS
        if unnamed or str(error.filename) == str(aside):  # which is gone when people read of it
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):  # it would hide why
            aside.unlink(missing_ok=True)


def left_of(path: Path) -> list[Path]:
    """Return what writers that were killed left of a file that `atomic_write` makes."""
    return list(path.parent.glob(f".{path.name}{ASIDE}"))


def copy_file(source: Path, target: Path, *, with_facts: bool = False) -> None:
    """Copy a file, or a symbolic link as one where `with_facts`.

    Args:
        source: what is copied.
        target: where to; it may be there.
        with_facts: whether permissions and times go along.

    Raises:
        OSError: as of `shutil.copyfile`; a disk that is full or fails has the target's name where
            the system gives none.
    """
    try:
        if with_facts:
            shutil.copy2(source, target, follow_symlinks=False)
        else:
            shutil.copyfile(source, target)
    except OSError as error:
        if error.filename is None and error.errno in OF_DISKS:
            error.filename = str(target)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_write(path) as file:
        file.write(text.encode())


def write_plain_json(path: Path, value: Any) -> None:
    """Write `value` as JSON for other programs, which may not know the key `sha256`."""
    write_text(path, _dumps(value))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN is refused: JSON has no word for it.

    A dict gets a last key `sha256`, the hash of the rest, which `read_json` checks and takes off.
    """
    text = _dumps(value)
    if isinstance(value, dict):
        # Of what a reader gets: a key that is a number has become text, a path as well.
        text = _dumps({**value, _SEAL: _seal_of(json.loads(text))})
    write_text(path, text)


def _dumps(value: Any) -> str:
    return json.dumps(value, indent=2, allow_nan=False, default=str) + "\n"


def _seal_of(record: dict[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


_REMEDY = "Restore it from a copy, or delete it and run again."
MADE_ANEW = (  # of results
    "Restore it from a copy, or delete it and give the command that made it again."
)


def read_json(path: Path, remedy: str = _REMEDY) -> Any:
    """Read a JSON file.

    Raises:
        BadInput: as of `parse_json`.
    """
    return parse_json(path.read_bytes(), str(path), remedy)


def read_record(path: Path, fields: Fields = NO_FIELDS, remedy: str = _REMEDY) -> dict[str, Any]:
    """Read a JSON object. One without a hash, by hand or of an older version, may say anything.

    Args:
        path: the file.
        fields: what it needs to have, with the type; it may have more.
        remedy: what the user does if it cannot be used.

    Raises:
        BadInput: as of `parse_json`, no JSON object, or one without one of the fields.
    """
    return checked(read_json(path, remedy), path, fields, remedy)


def checked(value: Any, path: Path, fields: Fields, remedy: str = _REMEDY) -> dict[str, Any]:
    """Return what JSON said, as `read_record` does; raises as that."""
    wrong = [repr(name) for name, kind in fields.items() if not _has(value, name, kind)]
    if wrong or not isinstance(value, dict):
        lacks = f"lacks {wrong[0]}, or has another kind of it" if wrong else "is no JSON object"
        raise BadInput(f"{path}: {lacks}, so it is not as terrabalance writes it. {remedy}")
    return value


def _has(value: Any, name: str, kind: type) -> bool:
    return isinstance(value, dict) and isinstance(value.get(name), kind)


def parse_json(data: bytes, where: str, remedy: str = _REMEDY) -> Any:
    """Return what JSON of `write_json` says, or JSON of others, which has no `sha256`.

    Args:
        data: the file's content.
        where: names the file.
        remedy: what the user does if it cannot be used.

    Raises:
        BadInput: not JSON, or not what was written.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:  # also bytes that are no text, endless numbers
        raise BadInput(f"{where}: not valid JSON ({error}). {remedy}") from error
    seal = value.pop(_SEAL, None) if isinstance(value, dict) else None
    if seal is not None and seal != _seal_of(value):
        raise BadInput(f"{where}: damaged, or changed since it was written. {remedy}")
    return value


def fingerprint(*parts: Any, length: int = 12) -> str:
    """Return a short stable hash (lower-case hex) of JSON-able parts, equal on every machine."""
    text = json.dumps(parts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()[:length]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits.

    Raises:
        BadInput: it is a pipe, a socket or a device, which might never end.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise BadInput(f"{path}: no regular file. Take it away.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_of(path: Path) -> str:
    """Return what a result that follows from a file depends on: its hash, or its path if none."""
    if not path.is_file():
        return str(path)
    facts = path.stat()
    return _hash_of(path, facts.st_size, facts.st_mtime_ns)


@functools.lru_cache(maxsize=32)
def _hash_of(path: Path, size: int, changed_ns: int) -> str:
    """Hash a file once, not at every question, as long as it does not change."""
    return sha256_of(path)


def slug(name: str) -> str:
    """Return a folder-safe name for a class or run that came from a stranger.

    Plain names (letters, digits, `_`, `-`; starting with a letter or digit; 64 at most) stay
    as they are. Any other name loses its unsafe characters and gains a hash, so that two
    different names never share a folder and none leaves it.
    """
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        return name
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:48]
    return f"{safe or 'class'}-{fingerprint(name, length=8)}"


def inside(root: Path, relative: str) -> Path:
    """Join `relative` to `root`, refusing whatever would leave `root`.

    Raises:
        BadInput: `relative` is absolute, climbs out with `..`, follows a link out of `root`, or is
            no name that a file can have.
    """
    try:
        # Asked of every image: `os.path` takes a third of the time of `pathlib`.
        home = os.path.realpath(root)
        path = os.path.realpath(os.path.join(home, relative))  # noqa: PTH118
    except ValueError as error:  # a NUL, or half of a pair of UTF-16, both of which JSON can say
        raise BadInput(f"{relative!r} below {root}: no file has such a name ({error}).") from error
    is_below = path == home or path.startswith(home.rstrip(os.sep) + os.sep)
    if os.path.isabs(relative) or not is_below:  # noqa: PTH117
        climbs = os.path.isabs(relative) or ".." in Path(relative).parts  # noqa: PTH117
        remedy = (
            "Use a path below that folder"
            if climbs
            else "A link in it leads out: put the files themselves there, or remove the link, and "
            "the command that made what was there makes it again"
        )
        raise BadInput(f"{relative!r} leaves its folder {root}. {remedy}.")
    return root / relative


def is_as_hashed(path: Path, sha256: str) -> bool:
    """Return whether a file is there and has this SHA-256.

    It is hashed once in a process, and again where its size or a time of it has changed.
    """
    try:
        facts = path.stat()
    except (OSError, ValueError):  # ValueError: a name with a NUL, from a stranger's mark
        return False
    # A number instead of the parts: a process may ask for millions of files.
    key = hash((str(path), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, sha256))
    if key not in _as_hashed:
        if not path.is_file() or sha256_of(path) != sha256:
            return False
        _as_hashed.add(key)
    return True


_as_hashed: set[int] = set()


def fsync_folder(folder: Path) -> None:
    """Make the names of a folder's files outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
