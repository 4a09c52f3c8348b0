"""A named base that has learned near copies of what judges this run.

What a base has learned without labels lies in no catalogue, so no group says that an image of val
or test is nearly the same picture. The base keeps sketches of these, which are compared.
"""

from pathlib import Path
from typing import Any

from augment.catalogue.near import near_among
from augment.catalogue.unlabelled import held_out_rows, sketches_of
from augment.network.learned import SKETCHES, sketches_learned_by
from flows.settings.config import RunConfig
from flows.store import paths
from flows.store.names import FORMAT
from flows.store.result import Files, make_once
from terrabalance.contents import contents
from terrabalance.errors import BadInput
from terrabalance.files import content_of, fingerprint, read_record, write_json
from terrabalance.manifest import Manifest

_PARTS = ("val", "test")
_FIELDS = {"val": int, "test": int, "first": str}


def refuse_near_held_out(config: RunConfig, base: Path, manifest: Manifest) -> None:
    """Refuse a base that has learned near-duplicates of images which the run holds out.

    They are compared once, and what was found is kept beside the catalogues.

    Args:
        config: of the run.
        base: folder of the base that a run names.
        manifest: of the run's real images.

    Raises:
        BadInput: it has, or the sketches of what it learned are damaged.
        StoreUnreachable: what was found may be in the store, which does not answer.
    """
    sketches = sketches_learned_by(base)
    rows = held_out_rows(manifest, _PARTS)
    if sketches is None or rows.empty:
        return
    bits = config.scan.near_duplicate_bits
    listing = list(rows["split"] + " " + contents(rows))
    key = fingerprint(FORMAT, "near", content_of(base / SKETCHES), listing, bits)
    kept = Files(
        what="the comparison of the base with held-out images",
        place=paths.catalogues_folder(config) / f"near-{key}.json",
    )

    def compare(_devices: object, _progress: object) -> None:
        theirs = sketches_of(manifest.unchanged(rows))
        near = rows[near_among(theirs, sketches, bits) >= 0]
        counts: dict[str, Any] = {part: int((near["split"] == part).sum()) for part in _PARTS}
        write_json(kept.place, {**counts, "first": "" if near.empty else near["path"].iloc[0]})

    found = read_record(make_once(config, kept, compare), _FIELDS)
    if found["first"]:
        raise BadInput(
            f"base_from: {base.name} has learned near-duplicates of {found['val']} images that are "
            f"in val and of {found['test']} in test, such as {found['first']}: a verdict on them "
            "would not hold. Train it with these kept out (`terrabalance pretrain FOLDER --data "
            "DATA`, or base.images in a run of these images), or name another base."
        )
