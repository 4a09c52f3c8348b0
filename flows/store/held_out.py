"""Generators of other runs, which may have seen what judges this one.

Such a generator comes into a run by name (`base_from`), or by what it has drawn or filled:
synthetic images that are compared, and repaired ones among the real.
"""

import logging
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from augment.network.learned import LEARNED, as_learned, learned_by
from flows.settings.config import RunConfig
from flows.store import paths
from flows.store.sync import peek
from terrabalance.errors import BadInput
from terrabalance.files import read_record, slug, write_json
from terrabalance.finished import done
from terrabalance.manifest import ORACLE, Manifest
from terrabalance.wording import listed

_log = logging.getLogger(__name__)
_told: set[str] = set()  # by this process, or by the one that it does a job for
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # an image may name anything as its generator
_TRAINED_ON = ("train", ORACLE)
_KEEP = (
    "Keep the split that it was trained by: unchanged data with the same seed, split and scan "
    "settings, or as DATA a CSV with the column split, as manifest.csv of that run's catalogue has "
    "it."
)


def refuse_held_out(base: Path, manifest: Manifest) -> None:
    """Refuse a base that has learned images which the run holds out to choose and to judge by.

    Args:
        base: folder of the base that a run names.
        manifest: of the run's real images.

    Raises:
        BadInput: images of val or test, or others of a group with them, are among those that the
            base is known to have learned.
    """
    learned = learned_by(base)
    if learned and (seen := _seen(learned, manifest)):
        raise BadInput(
            f"base_from: {base.name} {seen}. {_KEEP} Or leave base_from out, and a run trains one."
        )


def keep_learned(config: RunConfig, generator: Path) -> None:
    """Keep what a finished generator has learned beside its folder, if that is known and whole.

    A damaged generator is mended by deleting its folder, and the images that it drew stay: what
    they pass on must be known until it is made again, or if it never is.
    """
    note = _note_of(generator)
    if generator.parent != paths.generators_folder(config) or note.is_file():
        return
    try:
        learned = learned_by(generator)
    except BadInput:  # told where the generator is used
        return
    if learned:
        write_json(note, {"learned": sorted(learned)})


def _note_of(generator: Path) -> Path:
    return generator.with_name(f"{slug(generator.name)}.{LEARNED}.json")  # a name may be too long


def refuse_drawn_from_held_out(config: RunConfig, manifest: Manifest) -> None:
    """Refuse images to train on by a generator that has learned what is held out.

    They pass on what it has seen. Where it is not known what it has learned, a warning says so,
    once in a command, however often its stages ask.

    Args:
        config: of the run, below whose workdir the generator is looked for.
        manifest: of images that have their parts.

    Raises:
        BadInput: as of `refuse_held_out`, or what a generator has learned is damaged.
        StoreUnreachable: it may be in the store, which does not answer.
    """
    if doubt := why_in_doubt(config, manifest):
        warning = (
            f"{config.data}: {doubt} Give the --workdir of the run that trained them: looked for "
            f"is below {paths.generators_folder(config)}"
        )
        if warning not in _told:
            _told.add(warning)
            _log.warning("%s", warning)


def told() -> frozenset[str]:
    """Return what this process has warned of, for `leave_untold` of those that it starts."""
    return frozenset(_told)


def leave_untold(warnings: Iterable[str]) -> None:
    """Do not warn of this in this process: the one that started it has."""
    _told.update(warnings)


def why_in_doubt(config: RunConfig, manifest: Manifest) -> str | None:
    """Return that images to train on are by generators of which is not known what they learned.

    None where there are none such. Args and errors as of `refuse_drawn_from_held_out`.
    """
    rows = manifest.usable()
    rows = rows[(rows["generator"] != "") & rows["split"].isin(_TRAINED_ON)]
    unknown = []
    for name, made in rows.groupby("generator"):
        learned = _learned_by_named(config, str(name))
        if learned is None:
            unknown.append(str(name))
        elif seen := _seen(learned, manifest):
            raise BadInput(
                f"{config.data}: {_counted(made)} drawn or filled by the generator {name}, which "
                f"{seen}. {_KEEP} Or leave these images out."
            )
    if not unknown:
        return None
    return (
        f"{_counted(rows[rows['generator'].isin(unknown)])} drawn or filled by {listed(unknown)}, "
        "of which is not known what they have learned. If some of it is in val or test, a verdict "
        "on that does not hold."
    )


def _counted(made: pd.DataFrame) -> str:
    first = made["path"].iloc[0]
    return f"{first} is" if len(made) == 1 else f"{len(made)} images, such as {first}, are"


def _learned_by_named(config: RunConfig, name: str) -> frozenset[str] | None:
    if not _FOLDER.fullmatch(name):
        return None
    folder = paths.generators_folder(config) / name
    if (note := _note_of(folder)).is_file():  # the name says all that decided what was learned
        remedy = f"Restore it from a copy, or delete it: {LEARNED} of the generator says the same."
        return frozenset(map(str, read_record(note, {"learned": list}, remedy)["learned"]))
    if done(folder) is not None:
        keep_learned(config, folder)  # also of a generator that was there before lists were kept
        return learned_by(folder)
    listed = peek(config, folder, LEARNED)  # without the weights, which nobody needs here
    return None if listed is None else as_learned(listed)


def _seen(learned: Iterable[str], manifest: Manifest) -> str:
    """Say how many images that are held out were learned, or are of a group with such; "" if none.

    Args:
        learned: SHA-256 of images.
        manifest: of images that have their parts.
    """
    frame = manifest.frame
    known = frame["sha256"].isin(learned)
    groups = frame["group"][known & (frame["group"] >= 0)].unique()
    spoilt = (known | frame["group"].isin(groups)) & (frame["status"] == "ok")
    held_out = {part: frame["split"] == part for part in ("val", "test")}
    counts = {part: int((spoilt & rows).sum()) for part, rows in held_out.items()}
    if not any(counts.values()):
        return ""
    first = frame["path"][spoilt & (held_out["val"] | held_out["test"])].iloc[0]
    return (
        f"has learned {counts['val']} images that are now in val and {counts['test']} that are now "
        f"in test, or others of a group with them, such as {first}: a verdict on them would not "
        "hold"
    )
