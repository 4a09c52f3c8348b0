"""What the system refuses, in a sentence: which file, which disk, and what to do."""

import errno
import os
import re
import shutil
from pathlib import Path

_ROOM = "Free some room there, or give a --workdir on another disk"
_MAY = "Let this user do so, or give another folder"
_FILES = "Raise the limit (`ulimit -n 65536`) and give the same command again"
_FAILS = "The disk or its connection fails: see the system's log, and use another disk"
_NO_ROOM_FOR_LIBRARY = "failed to map segment"  # as the loader of shared libraries says it
_NO_THREAD = ("can't start new thread", "Failed to launch worker thread")  # Python's; Arrow's
_PLACE = "Rename or remove what is there, or give another folder"
# Of which the disk and its room are told.
_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of this user is used up",
}
_MEANING = {
    errno.EROFS: ("the disk is mounted read-only", "Give a --workdir on another disk"),
    errno.EACCES: ("no permission", _MAY),
    errno.EPERM: ("no permission", _MAY),
    errno.EIO: ("input or output failed", _FAILS),
    errno.ESTALE: ("the network folder is gone", _FAILS),
    errno.EFBIG: ("no file may be so large here", "Raise the limit (`ulimit -f`), or the disk's"),
    errno.EMFILE: ("this process has too many open files", _FILES),
    errno.ENFILE: ("this machine has too many open files", _FILES),
    errno.ENOTDIR: ("a file is where a folder has to be", _PLACE),
    errno.EEXIST: ("a file is where a folder has to be", _PLACE),
    errno.EISDIR: ("a folder is where a file has to be", _PLACE),
    errno.ENAMETOOLONG: ("the name is too long for this disk", "Use a shorter one"),
    errno.ELOOP: ("links that lead to themselves", "Remove them, or give another folder"),
    errno.ENOENT: ("no such file or folder", "Give one that is there"),
}
# Of a copy the system names the source first; of these, at fault is what is written to.
_OF_TARGET = frozenset({*_FULL, errno.EROFS, errno.EFBIG, errno.EEXIST})
# What reading or writing an open file may end with; the system names no file then.
OF_DISKS = frozenset({*_FULL, errno.EROFS, errno.EIO, errno.ESTALE, errno.EFBIG})
# Why the system may not give a file's bytes, which says nothing of what the file is. By name, as
# not every system has each.
_OF_READING = frozenset(
    getattr(errno, name)
    for name in (
        "EACCES", "EPERM", "EIO", "ESTALE", "EMFILE", "ENFILE", "EAGAIN", "EBUSY", "ENODEV",
        "ENXIO", "ENOLINK", "EREMOTEIO", "EUCLEAN", "EBADMSG", "ETIMEDOUT", "ENOTCONN",
        "ECONNABORTED", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH",
        "ENOKEY", "EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED",
    )
    if hasattr(errno, name)
)  # fmt: skip


def in_words(error: OSError) -> str:
    """Return what was refused, where, and what to do, in one sentence.

    Names the path, and of a full disk also the disk and its room. What has no number of the system
    (of a library, or of a connection) is left as it is.
    """
    named = error.filename
    if error.filename2 is not None and error.errno in _OF_TARGET:
        named = error.filename2
    path = None if named is None else os.fsdecode(named)
    before = f"{path}: " if path else ""
    if error.errno in _FULL:
        return f"{before}{_FULL[error.errno]}{_room(path)}. {_ROOM}."
    if error.errno in _MEANING:
        what, remedy = _MEANING[error.errno]
        return f"{before}{what}. {remedy}."
    if path and error.errno in _OF_READING:
        return f"{before}{error.strerror}. {_FAILS}."
    return f"{before}{error.strerror}" if path and error.strerror else str(error)


def pass_on_refusal(error: BaseException, path: Path) -> None:
    """Do nothing where a file's own content is at fault, so that the caller may call it damaged.

    Args:
        error: of a library that reads files, which may have made its own of the system's.
        path: of the file, which the system does not tell of a file that is open.

    Raises:
        OSError: the system did not give the bytes (no permission, a disk or a network that fails,
            too many open files): the file may be sound, and can be read another time.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _OF_READING:
            cause.filename = cause.filename or str(path)
            raise cause
        cause = cause.__cause__ or cause.__context__


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory did not suffice, of this machine or a GPU: to Python, torch, or ld."""
    # By name, so that torch is not loaded to ask: on the CPU it raises a plain RuntimeError.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "allocate memory" in str(error))
        or (isinstance(error, ImportError) and _NO_ROOM_FOR_LIBRARY in str(error))
    )


def no_memory_in_words(error: BaseException) -> str:
    """Return what an error of `is_out_of_memory` means, and what to do, in one sentence."""
    if isinstance(error, ImportError):
        return (
            f"a library finds no room in the memory that this process may use ({error}). Raise its "
            "limit (`ulimit -v unlimited`; of a batch system, what the job asks for)."
        )
    asked = re.search(r"allocate ([\d.]+ (?:[KMGT]iB|bytes))", str(error))
    return (
        f"memory ran out{f' when {asked[1]} more were needed' if asked else ''}: set a smaller "
        "generator.image_size, classifier.image_size or batch (training.batch_size, "
        "sampling.batch_size, classifier.batch_size), or use a machine or GPU with more, and give "
        "the command again."
    )


def is_out_of_threads(error: BaseException) -> bool:
    """Return whether the system gave Python or Arrow no more threads."""
    return any(said in str(error) for said in _NO_THREAD)


def no_threads_in_words() -> str:
    """Return what an error of `is_out_of_threads` means, and what to do, in one sentence."""
    return (
        "the system gives this process no more threads. Raise the limit (`ulimit -u`; of a "
        "container, its limit of pids; of a batch system, what the job asks for), and give the "
        "same command again."
    )


def _room(path: str | None) -> str:
    """Return the disk of a path, with what is free on it; nothing where that is not known."""
    if path is None:
        return ""
    try:
        place = Path(path).absolute()
        disk = next(folder for folder in (place, *place.parents) if folder.is_mount())
        n_bytes, n_files = shutil.disk_usage(disk), os.statvfs(disk)
    except OSError:
        return ""
    if n_files.f_files and not n_files.f_favail:
        return f" (disk {disk}: it can hold no more files, however small)"
    return f" (disk {disk}: {n_bytes.free:,} of {n_bytes.total:,} bytes are free)"
