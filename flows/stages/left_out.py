"""Synthetic images that a comparison is given and cannot use, such as copies of real ones."""

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from augment.screen.refused import images_beside, refused_since
from flows.settings.config import RunConfig
from flows.store import paths
from terrabalance.manifest import Manifest

_log = logging.getLogger(__name__)


def without_refused(config: RunConfig, manifest: Manifest) -> Manifest:
    """Leave out synthetic images that people have refused since the manifest was written.

    Args:
        config: below whose workdir decisions are looked for, and beside its data where that is a
            dataset.
        manifest: that is compared on.
    """
    homes = [paths.synthetic_folder(config), *images_beside(manifest.root)]
    refused = refused_since(manifest.frame, homes)
    if refused.empty:
        return manifest
    frame = manifest.frame.copy()
    frame.loc[refused.index, "status"] = "refused"
    frame.loc[refused.index, "detail"] = refused
    return replace(manifest, frame=frame)


def left_out_synthetic(manifest: Manifest) -> dict[str, Any]:
    """Return how many synthetic images are in no arm, of which class, and why.

    Returns:
        A record that JSON can hold: `n` are left out, `of` were given; `reasons` has a row a class
        and status, with its `n`, and the `path` and `detail` of the first. Empty without any.
    """
    made = manifest.frame[manifest.frame["source"] == "synthetic"]
    left = made[made["status"] != "ok"]
    if left.empty:
        return {}
    reasons = [
        {"class": str(name), "status": str(status), "n": len(rows),
         "path": str(rows["path"].iloc[0]), "detail": str(rows["detail"].iloc[0])}
        for (name, status), rows in left.groupby(["class", "status"], sort=True)
    ]  # fmt: skip
    return {"n": len(left), "of": len(made), "reasons": reasons}


def tell_left_out(manifest: Manifest, data: Path) -> None:
    """Warn of synthetic images that are not compared, before anything is trained without them."""
    record = left_out_synthetic(manifest)
    if not record:
        return
    counts = Counter[str]()
    for row in record["reasons"]:
        counts[row["status"]] += row["n"]
    first = record["reasons"][0]
    _log.warning(
        "%s: %d of %d synthetic images are left out (%s), e.g. %s: %s", data, record["n"],
        record["of"], ", ".join(f"{status}: {n}" for status, n in counts.items()), first["path"],
        first["detail"],
    )  # fmt: skip
