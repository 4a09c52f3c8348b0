"""The synthetic images that a person reviews by eye: what is shown of each, and decisions."""

import io
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from augment.network.card import read_bands
from augment.screen.limits import with_fixed
from augment.screen.rules import NAMES
from augment.screen.statuses import (
    FEW_LIMITS,
    NOT_SCREENED,
    has_few_limits,
    review,
    screening_record,
)
from flows.stages.class_images import images_of, synthetic_folders
from flows.stages.run import Run
from terrabalance.errors import BadInput, NotReady, TerrabalanceError
from terrabalance.images import read_patch, to_pil
from terrabalance.manifest import Manifest, read_manifest, score_column

_log = logging.getLogger(__name__)

_REALS = 8  # real images shown beside each synthetic one
_DECIDED = ["status", "detail", "review"]  # columns that a decision changes
_ORDER = {"refused": 0, "ok": 1, "spare": 2}


@dataclass
class Board:
    """The images under review.

    Attributes:
        folders: class -> folder of its synthetic images, screened.
        run: whose images they are.
        reviewer: who decides.
        token: that a request for a change has to bring, so that no other page can send one.
        key: in the address that is printed, so that no other user of this machine can look or
            decide.
        cookie: name of the cookie that keeps the key. Cookies know no ports, so pages that are open
            at once need a name each.
    """

    folders: dict[str, Path]
    run: Run
    reviewer: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    cookie: str = field(default_factory=lambda: f"terrabalance-review-{secrets.token_hex(4)}")

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.items = [
            (name, str(path))
            for name, folder in self.folders.items()
            for path in _refused_first(read_manifest(folder))
        ]
        self._places = {item: place for place, item in enumerate(self.items)}
        self.reals = {
            name: self.run.catalogue.paths(self.run.catalogue.usable("train", name).head(_REALS))
            for name in self.folders
        }

    def states(self) -> list[dict[str, Any]]:
        """Return what the page shows of every image, in the order of `items`."""
        found: dict[int, dict[str, Any]] = {}
        for name in self.folders:
            found |= self._states_of(name, self._rows(name))
        if len(found) < len(self.items):
            raise NotReady("other images were drawn meanwhile. Start `terrabalance review` again.")
        return [found[index] for index in range(len(self.items))]

    def _rows(self, name: str) -> pd.DataFrame:
        """Return the rows of a class's manifest, by path."""
        return read_manifest(self.folders[name]).frame.set_index("path", drop=False)

    def _states_of(self, name: str, rows: pd.DataFrame) -> dict[int, dict[str, Any]]:
        """Return the states of rows of a class's manifest, by their places in `items`."""
        record = screening_record(self.folders[name])
        limits = (record and record["limits"]) or {}
        return {
            self._places[name, row["path"]]: {
                "class": name, "path": row["path"], "status": row["status"],
                "detail": row["detail"], "review": row["review"],
                "scores": _scores(row, limits), "note": _note(record),
                "reals": len(self.reals[name]),
            }
            for row in rows.to_dict("records")
            if (name, row["path"]) in self._places
        }  # fmt: skip

    def decide(
        self, index: int, decision: Literal["accept", "refuse"] | None
    ) -> dict[int, dict[str, Any]]:
        """Keep a decision in the manifest.

        Returns:
            The new states of the image and of those that change with it, as a spare one that takes
            its place; by their places in `items`.
        """
        name, path = self.items[index]
        with self._lock:
            before = self._rows(name)
            review(self.folders[name], path, decision, self.reviewer)
            try:
                images_of(self.run, self.run.plan_of(name)).fetch(self.run.config)
            except TerrabalanceError as error:  # the decision is kept, and published by any stage
                _log.warning("kept on this machine so far: %s", error)
            after = self._rows(name)
        changed = (after[_DECIDED] != before[_DECIDED].reindex(after.index)).any(axis=1)
        return self._states_of(name, after[changed | (after["path"] == path)])

    def picture(self, index: int) -> bytes:
        """Return a synthetic image as PNG."""
        name, path = self.items[index]
        return self._png(read_manifest(self.folders[name]).root / path, name)

    def real(self, index: int, which: int) -> bytes:
        """Return one of the real images of the class of a synthetic one, as PNG."""
        name, _ = self.items[index]
        return self._png(self.reals[name][which], name)

    def _png(self, path: Path, class_name: str) -> bytes:
        bands = read_bands(self.run.names.generator(class_name))
        levels = read_patch(path, self.run.config.generator.image_size, bands)
        return _as_png(bands.preview(levels))


def board_of(run: Run, reviewer: str) -> Board:
    """Gather the screened images of a run.

    Raises:
        NotReady: a class is not drawn and screened.
        BadInput: nothing was drawn.
    """
    folders = synthetic_folders(run)
    if not folders:
        raise BadInput("this plan fills no class, so there is nothing to review.")
    return Board(folders, run, reviewer)


def _note(record: Mapping[str, Any] | None) -> str:
    """Return what has to be said of the scores of a class, by the record of its screening."""
    if record is None:
        return ""
    if not record["judged"]:
        return NOT_SCREENED
    return FEW_LIMITS if has_few_limits(record) else ""


def _refused_first(manifest: Manifest) -> list[str]:
    frame = manifest.frame.assign(order=manifest.frame["status"].map(_ORDER))
    return list(frame.sort_values(["order", "path"])["path"])


def _scores(row: dict[Any, Any], limits: dict[str, float]) -> list[dict[str, Any]]:
    """Return the scores that are known, each with its limit; None where the rule has none."""
    highest = with_fixed(limits)
    known = [(rule, row.get(score_column(rule), np.nan), highest.get(rule)) for rule in NAMES]
    return [
        {
            "rule": rule,
            "score": round(score, 2),
            "limit": None if limit is None else round(limit, 2),
            "over": limit is not None and score > limit,
        }
        for rule, score, limit in known
        if np.isfinite(score)
    ]


def _as_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    to_pil(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
