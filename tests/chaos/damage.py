"""Damage to each kind of finished file, and what the same command makes of it."""

import os
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .sameness import differences, is_left_out, results
from .tiny_run import TinyRun

# Finished files that no command reads again, and why their damage may stay: for people to look at.
FOR_PEOPLE = {
    "*/previews/*.png": "shows how a training went",
    "*/losses.csv": "likewise; the report draws it",
    "*/looks.csv": "likewise",
    "*/strip.png": "shows the class's images",
}
# What differs between files of one kind: keys, classes, arms, numbers.
_UNLIKE = re.compile(r"\b[0-9a-f]{8,12}\b|Beach|River|Forest|real|synthetic(?=-)|\d+|seed.*(?=\.)", re.I)
# The kinds whose damage would do most harm, which the short form takes.
LOAD_BEARING = (
    "data/catalogues/*/manifest.parquet", "data/generators/*/generator.safetensors",
    "data/generators/*/card.json", "data/generators/*/done.json", "data/synthetic/*/000000.png",
    "data/synthetic/*/manifest.parquet", "data/synthetic/*/screening.json",
    "data/screeners/*.safetensors", "data/classifiers/real*/classifier.safetensors",
    "data/classifiers/real*/val.parquet", "data/classifiers/real*/test.parquet",
    "data/classifiers/test_openings.json", "data/datasets/*/manifest.parquet",
    "data/datasets/*/train/Beach/synthetic_*.png", "data/datasets/*/train/River/river_*.png",
    "reports/*/plan.json", "reports/*/comparison.json", "reports/*/config.json",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of damage.

    Attributes:
        name: the damaged file, relative to the workdir.
        what: mended, refused, kept (of what is for people), or wrong.
        why: of what is wrong, in words.
    """

    name: str
    what: str
    why: str = ""


def kinds(made: Path) -> dict[str, list[str]]:
    """Return kind -> the files of a workdir that are of it: alike but for keys and numbers."""
    found: dict[str, list[str]] = {}
    for path in sorted(path for path in made.rglob("*") if path.is_file() and path.stat().st_size):
        name = path.relative_to(made).as_posix()
        if not is_left_out(name):
            found.setdefault(_UNLIKE.sub("0", name), []).append(name)
    return found


def load_bearing(made: Path) -> list[str]:
    """Return one file of each kind whose damage would do most harm."""
    return [min(made.glob(each)).relative_to(made).as_posix() for each in LOAD_BEARING]


def outcome_of(run: TinyRun, name: str, draw: random.Random) -> Outcome:
    """Damage one file of a finished run, give the same commands again; what became of it."""
    run.put(run.made)
    damage(run.workdir / name, draw)
    ended = run.nursery.do(*run.all_stages())
    if ended.refusal is not None:
        return _follow_the_advice(run, name, ended.refusal)
    if ended.exit != 0:
        return Outcome(name, "wrong", f"exit {ended.exit}: {ended.said[-600:]}")
    differ = differences(results(run.workdir), run.after["report"])
    if not differ:
        return Outcome(name, "mended")
    kept = differ == [name] and any(Path(name).match(pattern) for pattern in FOR_PEOPLE)
    return Outcome(name, "kept") if kept else Outcome(name, "wrong", f"exit 0, differ: {differ}")


def damage(path: Path, draw: random.Random) -> None:
    """Change one byte of a file, as a bad disk does: its size and its time stay."""
    data, times = bytearray(path.read_bytes()), path.stat()
    data[draw.randrange(len(data))] ^= draw.randrange(1, 256)
    path.unlink()  # a hard link's other name keeps its content
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _follow_the_advice(run: TinyRun, name: str, said: str) -> Outcome:
    """Delete the file or folder that an error names, and give the same commands again."""
    named = list(_paths_in(said, run.workdir))
    near = [place for place in named if (run.workdir / name).is_relative_to(place)]
    if not near:
        return Outcome(name, "wrong", f"does not name the file: {said}")
    if near[0].is_dir():
        shutil.rmtree(near[0])
    else:
        near[0].unlink()
    again = run.nursery.do(*run.all_stages())
    if again.exit:
        return Outcome(name, "wrong", f"after {said!r}: exit {again.exit}, {again.said[-600:]}")
    differ = differences(results(run.workdir), run.after["report"])
    return Outcome(name, "wrong", f"after {said!r}: {differ}") if differ else Outcome(name, "refused")


def _paths_in(said: str, workdir: Path) -> Iterator[Path]:
    for word in re.findall(re.escape(str(workdir)) + r"[^\s'\":,;()]*", said):
        path = Path(word.rstrip("."))
        if path != workdir and path.exists():
            yield path
