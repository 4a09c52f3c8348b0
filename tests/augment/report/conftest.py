"""Four classes, two of them filled, as the stages would have left them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augment.report.balance_record import BalanceInputs, balance_record
from augment.scenes import draw_scene
from augment.train.history import write_losses
from terrabalance.bands import RGB
from terrabalance.files import slug, write_json
from terrabalance.images import grid, write_png
from terrabalance.manifest import Manifest, frame_of, write_manifest
from terrabalance.symmetry import apply_symmetry

SIDE = 16
HOSTILE = '"><script>alert(1)</script>'
COUNTS = {"Forest": 12, "River": 10, "<b>x</b>": 6, HOSTILE: 4}
FILLED = {"<b>x</b>": 6, HOSTILE: 8}
SCENES = dict(zip(COUNTS, ["Forest", "River", "Beach", "Farmland"], strict=True))


def _write_real(root: Path) -> Manifest:
    rows: list[dict[str, object]] = []
    for name, count in COUNTS.items():
        for i in range(count + 2):
            path = f"{slug(name)}/{i:03d}.png"
            write_png(root / path, draw_scene(SCENES[name], i, SIDE))
            split = "train" if i < count else "test"
            rows.append({"path": path, "class": name, "split": split, "source": "real"} | OK)
    rows.append(
        {
            "path": "River/broken.png",
            "class": "River",
            "status": "unreadable",
            "detail": "<i>cut</i>",
        }
    )
    return Manifest(root, frame_of(rows))


OK = {"status": "ok"}


def _write_synthetic(folder: Path, name: str, count: int) -> Path:
    images = [draw_scene(SCENES[name], 1000 + i, SIDE) for i in range(count)]
    real = draw_scene(SCENES[name], 0, SIDE)
    images[0] = apply_symmetry(torch.from_numpy(real.copy()), 5).numpy()  # a planted copy
    rows: list[dict[str, object]] = []
    for i, image in enumerate(images):
        write_png(folder / f"{i:06d}.png", image)
        rows.append(
            {"path": f"{i:06d}.png", "class": name, "split": "train", "source": "synthetic"} | OK
        )
    write_png(folder / "strip.png", grid(np.stack([images[1]] * 9), columns=9))
    write_manifest(Manifest(folder, frame_of(rows)), folder)
    return folder


def _write_generator(folder: Path, name: str) -> Path:
    card = {"class_name": name, "steps": 400, "images_seen": 12800, "seconds": 61.0,
            "device": "cpu", "precision": "fp32", "parameters": 1234567}  # fmt: skip
    write_json(folder / "card.json", card)
    write_losses(folder / "losses.csv", [[i, 32 * i, 1 / i, 1e-4, 1.0] for i in range(1, 400)])
    return folder


@pytest.fixture(scope="session")
def hostile() -> str:
    return HOSTILE


@pytest.fixture(scope="module")
def plan() -> dict[str, Any]:
    return {
        "target": {"policy": "max", "count": 12}, "left_out": "",
        "classes": [
            {"class": name, "n_train": n, "n_target": 12, "n_needed": FILLED.get(name, 0),
             "minority": n < 12, "capped": False}
            for name, n in COUNTS.items()
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> BalanceInputs:
    root = tmp_path_factory.mktemp("report")
    return BalanceInputs(
        _write_real(root / "real"),
        {n: _write_generator(root / "g" / slug(n), n) for n in FILLED},
        {n: _write_synthetic(root / "s" / slug(n), n, k) for n, k in FILLED.items()},
        SIDE,
        RGB,
    )


@pytest.fixture(scope="module")
def record(inputs: BalanceInputs, plan: dict[str, Any]) -> dict[str, Any]:
    return balance_record(inputs, plan)
