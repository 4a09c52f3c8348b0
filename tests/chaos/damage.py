"""Damage to each kind of finished file, and what the same command makes of it."""

import os
import random
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .sameness import differences, is_left_out, results
from .tiny_run import STAGES, TinyRun

_MOST_ADVICE = 3  # sentences that a user follows, one after the other
# What differs between files of one kind: keys, classes, arms, numbers.
_UNLIKE = re.compile(
    r"\b[0-9a-f]{8,12}\b|Beach|River|Forest|real|synthetic(?=-)|\d+|seed.*(?=\.)", re.IGNORECASE
)
# The kinds whose damage would do most harm, which the short form takes.
LOAD_BEARING = (
    "data/catalogues/*/manifest.parquet", "data/generators/base-*/generator.safetensors",
    "data/generators/Beach-*/card.json", "data/generators/Beach-*/done.json",
    "data/synthetic/*/000000.png", "data/synthetic/*/manifest.parquet",
    "data/synthetic/*/done.json", "data/datasets/*/done.json", "data/catalogues/*/done.json",
    "data/classifiers/real*/done.json",
    "data/classifiers/real*/classifier.safetensors", "data/classifiers/real*/test.parquet",
    "data/datasets/*/train/Beach/synthetic_*.png", "reports/*/comparison.json",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of damage.

    Attributes:
        name: the damaged file, relative to the workdir.
        what: mended, refused, named (by a warning, and left out of what shows it), unused (all else
            is as undisturbed, and it is damaged still), or wrong.
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
    """Damage a file right after the stage that made it, give all commands; what became of it."""
    run.put(run.made_by(_stage_of(run, name)))
    damage(run.workdir / name, draw)
    ended = run.nursery.do(*run.all_stages())
    if ended.refusal is not None:
        return _follow_the_advice(run, name, ended.refusal)
    if ended.exit != 0:
        return Outcome(name, "wrong", f"exit {ended.exit}: {ended.said[-600:]}")
    differ = _differing(run)
    if not differ:
        return Outcome(name, "mended")
    if name in differ and str(run.workdir / name) in ended.said:
        return Outcome(name, "named")
    return Outcome(name, "unused") if differ == [name] else Outcome(name, "wrong", str(differ))


def _differing(run: TinyRun) -> list[str]:
    """Return what differs from the undisturbed run, but for the cache of features.

    Features that were damaged are computed for those images alone that are asked for next.
    """
    found = differences(results(run.workdir), run.after["report"])
    return [name for name in found if "/features/" not in name]


def _stage_of(run: TinyRun, name: str) -> str:
    """Return the last stage that changed a file."""
    final = run.after["report"][name]
    return next(stage for stage in STAGES if run.after[stage].get(name) == final)


def damage(path: Path, draw: random.Random) -> None:
    """Change one byte of a file, as a bad disk does: its size and its time stay."""
    data, times = bytearray(path.read_bytes()), path.stat()
    data[draw.randrange(len(data))] ^= draw.randrange(1, 256)
    path.unlink()  # a hard link's other name keeps its content
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _follow_the_advice(run: TinyRun, name: str, said: str) -> Outcome:
    """Delete or move what an error says, and give the commands again; it may name more then."""
    followed = said
    for _ in range(_MOST_ADVICE):
        place = _to_delete(said, run.workdir)
        if place is None or not place.exists():
            return Outcome(name, "wrong", f"no advice that can be followed: {followed}")
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()
        again = run.nursery.do(*run.all_stages())
        if again.exit == 0:
            differ = _differing(run)
            what = "wrong" if differ else "refused"
            return Outcome(name, what, f"after {followed}: {differ}" if differ else "")
        if again.refusal is None:
            return Outcome(name, "wrong", f"after {followed}: {again.said[-600:]}")
        said, followed = again.refusal, f"{followed} THEN {again.refusal}"
    return Outcome(name, "wrong", followed)


def _to_delete(said: str, workdir: Path) -> Path | None:
    """Return the file or folder of the workdir that a sentence says to delete or move away."""
    place = re.escape(str(workdir)) + r"/[^\s'\",;()]*?(?=[.:]?(?:[\s'\",;()]|$))"
    named = re.findall(place, said)
    told = re.search(rf"(?:[Dd]elete|[Mm]ove) (?:the \w+ )?({place})", said)
    if told is not None:
        return Path(told[1])
    return Path(named[0]) if named and re.search(r"[Dd]elete it", said) else None
