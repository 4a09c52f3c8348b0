"""Divide the images into train, val and test so that no picture is in two of them."""

import logging
import math
from collections import defaultdict

import numpy as np
import pandas as pd

from augment.catalogue.entries import natural_key
from augment.config import SplitConfig
from terrabalance.errors import BadInput
from terrabalance.manifest import ORACLE, REPAIRED, SPLITS, Manifest
from terrabalance.seeds import seed_for

_log = logging.getLogger(__name__)

_TRAIN, _VAL, _TEST = range(len(SPLITS))
_LEAVE_OUT = "To leave a class out, move its folder elsewhere, or take its lines out of the CSV."
_FILL_ORDER = (_TEST, _VAL, _TRAIN)


def assign_splits(manifest: Manifest, config: SplitConfig, seed: int) -> Manifest:
    """Give every usable image a part: the one that the data gives, else a stratified draw.

    A given split is kept. Only the copy in train (or val) of a picture that is in test (or val) as
    well gets the status `leaks into test` (`leaks into val`). A draw takes the given fraction of
    each class, keeps near-duplicates together, and depends on the paths and the seed, not on the
    order of the rows. Images that a generator has repaired are not drawn: they go to train, and are
    left out where their original went to val or test.

    Raises:
        BadInput: no image is usable, some have a split and some not, a class would have no image
            in a part, or an image that a generator has repaired is given to val or test.
    """
    usable = manifest.frame[manifest.frame["status"] == "ok"]
    if usable.empty:
        raise BadInput(f"{manifest.root}: no image can be used. Run a scan to see why.")
    n_without = int((usable["split"] == "").sum())
    if 0 < n_without < len(usable):
        raise BadInput(
            f"{manifest.root}: {n_without} of {len(usable)} usable images have no split, the first "
            f"is {usable[usable['split'] == '']['path'].iloc[0]!r}. Give a split to all or to none."
        )
    misplaced = usable[(usable["detail"] == REPAIRED) & usable["split"].isin(["val", "test"])]
    if len(misplaced):
        raise BadInput(
            f"{manifest.root}: {len(misplaced)} images of val or test have been repaired by a "
            f"generator, the first is {misplaced['path'].iloc[0]!r}. Move them to train."
        )
    if n_without:
        frame = _drawn(manifest, usable[usable["detail"] != REPAIRED], config, seed)
        frame.loc[usable.index[usable["detail"] == REPAIRED], "split"] = SPLITS[_TRAIN]
        return Manifest(manifest.root, _without_leaks(frame, frame.loc[usable.index]))
    return Manifest(manifest.root, _given(manifest, usable))


def _given(manifest: Manifest, usable: pd.DataFrame) -> pd.DataFrame:
    frame = _without_leaks(manifest.frame, usable)
    left = frame[frame["status"] == "ok"]
    used = left[left["split"].isin(SPLITS)]
    if lacking := [part for part in SPLITS if not (used["split"] == part).any()]:
        raise BadInput(
            f"{manifest.root}: the given split has no usable image in {lacking}; it names "
            f"{sorted(left['split'].unique())}. Name the parts train, val and test, or give none."
        )
    reached = [set(used[used["split"] == part]["class"]) for part in ("train", "test")]
    if missing := sorted(_class_names(manifest) - set.intersection(*reached)):
        raise BadInput(
            f"{manifest.root}: classes without a usable image in train or in test of the given "
            f"split: {missing}. Add some. {_LEAVE_OUT}"
        )
    return frame


def _without_leaks(frame: pd.DataFrame, usable: pd.DataFrame) -> pd.DataFrame:
    """Leave out the duplicates of images that are held out: those of test first, then of val."""
    frame = frame.copy()
    grouped = usable[(usable["group"] >= 0) & usable["split"].isin((*SPLITS, ORACLE))]
    for _, same in grouped.groupby("group"):
        for held_out, below in (("test", ["train", "val", ORACLE]), ("val", ["train", ORACLE])):
            originals = same[same["split"] == held_out]["path"]
            leaking = same.index[same["split"].isin(below)]
            if len(originals) and len(leaking):
                frame.loc[leaking, "status"] = f"leaks into {held_out}"
                frame.loc[leaking, "detail"] = min(originals, key=natural_key)
                _log.info(
                    "%d images leak into %s: %s", len(leaking), held_out, same["path"].tolist()
                )
                break
    return frame


def _drawn(
    manifest: Manifest, usable: pd.DataFrame, config: SplitConfig, seed: int
) -> pd.DataFrame:
    classes = sorted(usable["class"].unique())
    codes = pd.Categorical(usable["class"], classes).codes
    sizes = np.bincount(codes, minlength=len(classes))
    need = np.array([_quota(int(n), config) for n in sizes])
    got, parts = np.zeros_like(need), np.empty(len(usable), int)
    for unit in _units(usable, seed):
        counts = np.bincount(codes[unit], minlength=len(classes))
        part = _choose(counts, need, got)
        got[:, part] += counts
        parts[unit] = part
    frame = manifest.frame.copy()
    frame.loc[usable.index, "split"] = np.array(SPLITS)[parts]
    _refuse_too_small(manifest, dict(zip(classes, got, strict=True)), config)
    return frame


def _quota(n: int, config: SplitConfig) -> tuple[int, int, int]:
    """Return how many of `n` images go to (train, val, test): rounded, at least one in each."""
    val, test = (max(1, math.floor(share * n + 0.5)) for share in (config.val, config.test))
    while val + test > max(2, n - 1):
        val, test = (val - 1, test) if val > test else (val, test - 1)
    return max(n - val - test, 1), val, test


def _units(usable: pd.DataFrame, seed: int) -> list[list[int]]:
    """Return the positions that stay together, the largest groups first, else in seeded order."""
    together: dict[object, list[int]] = defaultdict(list)
    paths = usable["path"].tolist()
    for position, group in enumerate(usable["group"].tolist()):
        together[paths[position] if group < 0 else group].append(position)

    def order(unit: list[int]) -> tuple[int, int, str]:
        first = min(paths[position] for position in unit)
        return -len(unit), seed_for(seed, "split", first), first

    return sorted(together.values(), key=order)


def _choose(counts: np.ndarray, need: np.ndarray, got: np.ndarray) -> int:
    """Return the part for a unit with (K,) `counts` a class, given (K, 3) `need` and `got`.

    A single image fills test, then val, then train. A group goes where the largest share of the
    need is open, on a tie to train: so even a class of a few groups reaches every part.
    """
    open_share = counts @ (1 - got / need)
    if counts.sum() == 1:
        return next((part for part in _FILL_ORDER if open_share[part] > 0), _TRAIN)
    return int(np.argmax(open_share.round(9)))


def _refuse_too_small(manifest: Manifest, got: dict[str, np.ndarray], config: SplitConfig) -> None:
    """Raise for the classes that do not reach all parts, also those without any usable image."""
    small = []
    for name in sorted(_class_names(manifest)):
        n = got.get(name, np.zeros(len(SPLITS), int))
        if not n.all():
            parts = ", ".join(f"{count} in {part}" for part, count in zip(SPLITS, n, strict=True))
            small.append(f"{name!r} has {n.sum()} usable images ({parts})")
    if small:
        raise BadInput(
            f"{manifest.root}: too small to have an image in each of train, val ({config.val:g}) "
            f"and test ({config.test:g}), near-duplicates kept together: {'; '.join(small)}. "
            f"Add images to these classes. {_LEAVE_OUT}"
        )


def _class_names(manifest: Manifest) -> set[str]:
    """Return the classes of all images, also of those that cannot be used."""
    frame = manifest.frame
    return set(frame[~frame["status"].isin(["not an image", "no class"])]["class"]) - {""}
