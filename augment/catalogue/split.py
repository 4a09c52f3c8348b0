"""Divide the images into train, val and test so that no picture is in two of them."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from augment.catalogue.config import SplitConfig
from augment.catalogue.draw import draw_parts, unit_labels
from augment.catalogue.entries import Given, natural_key
from augment.catalogue.left_out import Left, with_statuses
from terrabalance.errors import BadInput
from terrabalance.manifest import ORACLE, REPAIRED, SPLITS, USED, Manifest
from terrabalance.wording import listed

_log = logging.getLogger(__name__)

_HINTS = {
    ("test",): "Where val is what the verdict is to be on, name it test. ",
    ("val", "test"): "To have train split, give it alone. ",
}
_PLACES = (
    "Images whose footprints touch or lie near each other stay together; "
    "--set scan.place_distance=none lets neighbours be in different parts. "
)


class _Member(NamedTuple):
    """An image of a group, by its row of the manifest."""

    row: int
    path: str
    part: str


def assign_splits(
    manifest: Manifest, config: SplitConfig, seed: int, given: Given | None = None
) -> Manifest:
    """Give every usable image a part: the one that the data gives, else a stratified draw.

    A given split is kept. Only what is in train (or val) and of one `group` with an image of test
    (or val) gets the status `leaks into test` (`leaks into val`); of one `place` it is only said,
    as neighbours are no copies and a published split is what results are compared on. Where a split
    is given without val, val is drawn from train.

    A draw takes the given fraction of each class, keeps groups and places together, and depends on
    the paths and the seed, not on the order of the rows. Images that a generator has repaired are
    not drawn: they go to train, and are left out where their original went to val or test.

    Args:
        manifest: of all files.
        config: the fractions.
        seed: of the draw.
        given: what the user gave, for messages; None: the manifest's root.

    Raises:
        BadInput: no image is usable, some have a split and some not, a class would have no image
            in a part, or an image that a generator has repaired is given to val or test.
    """
    given = given or Given(manifest.root)
    usable = manifest.frame[manifest.frame["status"] == "ok"]
    if usable.empty:
        raise BadInput(f"{given}: no image can be used ({_reasons(manifest.frame)}).")
    n_without = int((usable["split"] == "").sum())
    if 0 < n_without < len(usable):
        raise BadInput(
            f"{given}: {n_without} of {len(usable)} usable images have no split, the first "
            f"is {usable[usable['split'] == '']['path'].iloc[0]!r}. Give a split to all or to none."
        )
    misplaced = usable[(usable["detail"] == REPAIRED) & usable["split"].isin(["val", "test"])]
    if len(misplaced):
        raise BadInput(
            f"{given}: {len(misplaced)} images of val or test have been repaired by a "
            f"generator, the first is {misplaced['path'].iloc[0]!r}. {_to_train(given)}"
        )
    if n_without:
        shares = {"val": config.val, "test": config.test}
        return _drawn(manifest, usable.index, shares, seed, given)
    named = set(usable["split"]) - {ORACLE}  # another name may be meant as val
    if named == {"train", "test"} and "val" not in set(manifest.frame["split"]):
        _log.warning(
            "%s: the given split has no val; it is drawn from train, %g of each class (split.val)",
            given, config.val,
        )  # fmt: skip
        frame = _without_leaks(manifest.frame, usable.index)
        left = frame[(frame["status"] == "ok") & (frame["split"] == "train")]
        shares = {"val": config.val}
        manifest = _drawn(Manifest(manifest.root, frame), left.index, shares, seed, given)
    return Manifest(manifest.root, _kept(manifest, given))


def _to_train(given: Given) -> str:
    if given.kind == "csv":
        return "Write train as their split."
    return f"Move them to train.{given.in_archive}"


def _reasons(frame: pd.DataFrame) -> str:
    """Return why images are left out: each status, how often, and one image with its detail."""
    parts = []
    for status, rows in frame.groupby("status"):
        first = rows.iloc[0]
        detail = f", {first['detail']}" if first["detail"] else ""
        parts.append(f"{status}: {len(rows)}, the first is {first['path']}{detail}")
    return "; ".join(parts) or "there is none"


def _kept(manifest: Manifest, given: Given) -> pd.DataFrame:
    """Return the rows with the split that the data gives, without what would leak."""
    usable = manifest.frame.index[manifest.frame["status"] == "ok"]
    frame = _without_leaks(manifest.frame, usable)
    left = frame[frame["status"] == "ok"]
    used = left[left["split"].isin(SPLITS)]
    if lacking := [part for part in SPLITS if not (used["split"] == part).any()]:
        hint = _HINTS.get(tuple(lacking), "")
        if len(out := frame[frame["split"].isin(lacking) & (frame["status"] != "ok")]):
            hint = f"Left out there: {_reasons(out)}. {hint}"
        raise BadInput(
            f"{given}: the given split has no usable image in {listed(lacking)}; it "
            f"names {listed(sorted(left['split'].unique()))}. {hint}Name the parts train, val and "
            f"test, or give none.{given.in_archive}"
        )
    reached = {part: set(used[used["split"] == part]["class"]) for part in SPLITS}
    if missing := sorted(_class_names(manifest) - (reached["train"] & reached["test"])):
        raise BadInput(
            f"{given}: classes without a usable image in train or in test of the given split: "
            f"{listed(missing)}. Add some. {given.leave_out}"
        )
    if missing := sorted(_class_names(manifest) - reached["val"]):
        _log.warning("%s: classes without a usable image in val: %s", given, listed(missing))
    _tell_shared_places(used)
    return frame


def _tell_shared_places(used: pd.DataFrame) -> None:
    """Warn of places that lie in several parts of a given split."""
    known = used[used["place"] >= 0]
    shared = known[known.groupby("place")["split"].transform("nunique") > 1]
    if shared.empty:
        return
    _log.warning(
        "%d images of the given split show a place that is in another part as well, such as %s; "
        "the split is kept. Without a split, each place would be in one part (scan.place_distance)",
        len(shared), shared[shared["place"] == shared["place"].iloc[0]]["path"].head(2).tolist(),
    )  # fmt: skip


def _without_leaks(frame: pd.DataFrame, rows: pd.Index) -> pd.DataFrame:
    """Leave out the groups' images beside those held out: of test first, then of val."""
    usable = frame.loc[rows]
    grouped = usable[(usable["group"] >= 0) & usable["split"].isin(USED)]
    members: dict[int, list[_Member]] = defaultdict(list)
    columns = (grouped[name] for name in ("group", "path", "split"))
    for row, (group, path, part) in zip(grouped.index, zip(*columns, strict=True), strict=True):
        members[group].append(_Member(row, path, part))
    return with_statuses(frame, [left for same in members.values() for left in _leaking(same)])


def _leaking(same: list[_Member]) -> list[Left]:
    """Return which images of a group are left out."""
    for held_out, below in (("test", ("train", "val", ORACLE)), ("val", ("train", ORACLE))):
        originals = [each.path for each in same if each.part == held_out]
        leaking = [each.row for each in same if each.part in below]
        if originals and leaking:
            paths = [each.path for each in same]
            _log.info("%d images leak into %s: %s", len(leaking), held_out, paths)
            first = min(originals, key=natural_key)
            return [Left(row, f"leaks into {held_out}", first) for row in leaking]
    return []


def _drawn(
    manifest: Manifest, rows: pd.Index, shares: Mapping[str, float], seed: int, given: Given
) -> Manifest:
    """Draw the parts of `rows`: of the fraction `shares` of each class, the rest is train."""
    frame = manifest.frame.copy()
    chosen = frame.loc[rows]
    repaired = chosen["detail"] == REPAIRED
    drawn = draw_parts(chosen[~repaired], shares, seed)
    _refuse_too_small(manifest, drawn, shares, given)
    frame.loc[drawn.index, "split"] = drawn["split"]
    frame.loc[chosen.index[repaired], "split"] = "train"
    return Manifest(manifest.root, _without_leaks(frame, rows))


def _refuse_too_small(
    manifest: Manifest, drawn: pd.DataFrame, shares: Mapping[str, float], given: Given
) -> None:
    """Raise for the classes that do not reach all parts, also those without any usable image."""
    parts = ["train", *shares]
    table = drawn.groupby(["class", "split"]).size().unstack(fill_value=0)
    table = table.reindex(index=sorted(_class_names(manifest)), columns=parts, fill_value=0)
    table = table[(table == 0).any(axis=1)]
    if table.empty:
        return
    units = pd.Series(unit_labels(drawn), drawn.index)
    apart = pd.Series(unit_labels(drawn, ["group"]), drawn.index)
    left_out = manifest.frame[~manifest.frame["status"].isin(["ok", "no class"])]
    small, by_place = [], False
    for name, row in table.iterrows():
        own = drawn.index[drawn["class"] == name]
        counts = ", ".join(f"{row[part]} in {part}" for part in parts)
        if (n_units := units[own].nunique()) < apart[own].nunique():
            counts, by_place = f"{counts}; places: {n_units}", True
        for status, n in left_out[left_out["class"] == name]["status"].value_counts().items():
            counts += f"; {status}: {n}"
        small.append(f"{name!r} has {row.sum()} usable images ({counts})")
    *asked, last = ["train", *(f"{part} ({share:g})" for part, share in shares.items())]
    raise BadInput(
        f"{given}: too small to have an image in each of {', '.join(asked)} and {last}, "
        f"near-duplicates and groups kept together: {'; '.join(small)}. "
        f"{_PLACES if by_place else ''}Add images to these classes. {given.leave_out}"
    )


def _class_names(manifest: Manifest) -> set[str]:
    """Return the classes of all images, also of those that cannot be used."""
    frame = manifest.frame
    return set(frame[~frame["status"].isin(["not an image", "no class"])]["class"]) - {""}
