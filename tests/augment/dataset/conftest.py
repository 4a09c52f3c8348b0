"""A catalogue with awkward names, and synthetic images of two of its classes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from terrabalance.files import sha256_of
from terrabalance.images import write_png
from terrabalance.manifest import Manifest, frame_of
from terrabalance.seeds import seed_for

NASTY = "<b>x & y"


def row_of(root: Path, path: str, label: str, split: str, **more: object) -> dict[str, object]:
    file = root / path
    rng = np.random.default_rng(seed_for("test", root.name, path))
    write_png(file, rng.integers(0, 256, (3, 8, 8), dtype=np.uint8))
    empty = {"width_px": 8, "group": -1, "generator": "", "seed": -1}
    return {**empty, "path": path, "class": label, "split": split, "source": "real", "status": "ok",
            "sha256": sha256_of(file), "bytes": file.stat().st_size, **more}  # fmt: skip


@pytest.fixture
def catalogue(tmp_path: Path) -> Manifest:
    root = tmp_path / "raw"
    rows = [
        row_of(root, f"{folder}/{split}_{n}.png", label, split, width_px=8, group=n)
        for label, folder in (("Pond", "Pond"), (NASTY, "bx"))
        for split, count in (("train", 3), ("val", 1), ("test", 2))
        for n in range(count)
    ]
    rows += [
        row_of(root, "Pond/more/train_0.png", "Pond", "train"),
        row_of(root, "Pond/synthetic_Pond_000000.png", "Pond", "train"),
        row_of(root, "Pond/sïlly name (1).PNG", "Pond", "train"),
        row_of(root, "Pond/aside.png", "Pond", "holdout"),
        row_of(root, "Pond/broken.png", "Pond", "train", status="unreadable"),
        row_of(root, "Pond/nowhere.png", "Pond", ""),
    ]
    return Manifest(root, frame_of(rows))


def _drawn(root: Path, label: str, count: int, **more: object) -> Manifest:
    rows = [
        row_of(root, f"{n:06d}.png", label, "train",
               **{"source": "synthetic", "generator": root.name, "seed": n, **more})
        for n in range(count)
    ]  # fmt: skip
    return Manifest(root, frame_of(rows))


@pytest.fixture
def synthetic(tmp_path: Path) -> list[Manifest]:
    folder = tmp_path / "synthetic"
    return [_drawn(folder / "pond-a", "Pond", 2), _drawn(folder / "pond-b", "Pond", 1),
            _drawn(folder / "nasty", NASTY, 2)]  # fmt: skip


@pytest.fixture
def drawn() -> Callable[..., Manifest]:
    """Write that many synthetic images of a class below a root."""
    return _drawn
