"""Whether two workdirs hold the same results: by SHA-256, but for what holds times."""

import fnmatch
import hashlib
import json
import re
from pathlib import Path
from typing import Any

# Files that differ between two undisturbed runs, or belong to no result, and why.
LEFT_OUT = {
    "*/timings.json": "how long each stage took",
    "*/tensorboard/*": "events with the clock's time, in files named by time and process",
    "*.lock": "empty; who waited for whom decides which are there",
    "*/checkpoints/*": "of a training under way; gone when it has ended",
}
# Fields of JSON files that differ likewise, wherever they are, and why.
FIELDS = {
    "seconds": "how long a training lasted",
    "peak_memory_bytes": "what this process had in memory, of this and all before",
    "image_s": "the plan's estimate: time measured on this machine",
    "train_s": "likewise",
    "sample_s": "likewise",
    "card.json": "the checksum in done.json of a card that holds `seconds`",
}
# What the page says of time.
_PAGE = re.compile(r"trained in [^,]*,|<dt>Time</dt><dd>[^<]*</dd>")


def results(workdir: Path) -> dict[str, str]:
    """Return path -> SHA-256 of all files of a workdir, less what holds times."""
    files = [path for path in sorted(workdir.rglob("*")) if path.is_file()]
    named = {path.relative_to(workdir).as_posix(): path for path in files}
    return {name: _digest(path) for name, path in named.items() if not is_left_out(name)}


def is_left_out(name: str) -> bool:
    """Return whether a file belongs to no result, or holds nothing but times."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in LEFT_OUT)


def differences(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """Return the paths whose content differs, or that only one has."""
    return sorted(name for name in found | expected if found.get(name) != expected.get(name))


def _digest(path: Path) -> str:
    data = path.read_bytes()
    try:
        if path.suffix == ".json":
            data = _sorted(_without_times(_unsealed(json.loads(data))))
        elif path.suffix == ".html":
            data = _PAGE.sub("", data.decode()).encode()
    except ValueError:  # damaged
        pass
    return hashlib.sha256(data).hexdigest()


def _unsealed(record: Any) -> Any:
    """Take off the checksum that a record has of itself, times included."""
    if not isinstance(record, dict):
        return record
    return {key: value for key, value in record.items() if key != "sha256"}


def _sorted(record: Any) -> bytes:
    return json.dumps(record, sort_keys=True).encode()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(own) for key, own in value.items() if key not in FIELDS}
    return [_without_times(item) for item in value] if isinstance(value, list) else value
