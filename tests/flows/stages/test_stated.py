"""`terrabalance compare` on a manifest from elsewhere, which may say anything."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.stages.stated import refuse_untrue
from terrabalance.errors import BadInput
from terrabalance.finished import mark_done
from terrabalance.images import write_png
from terrabalance.manifest import Manifest, frame_of, read_manifest, write_manifest
from terrabalance.marks import SYNTHETIC_KEY


@pytest.fixture
def dataset(tmp_path) -> Path:
    """Two classes of noise, 24 x 20 px."""
    rng, rows = np.random.default_rng(0), []
    for name in "AB":
        for place, split in enumerate(["train", "train", "val", "test"]):
            path = f"{name}/{place}.png"
            write_png(tmp_path / path, rng.integers(0, 256, (3, 20, 24), np.uint8))
            rows.append({"path": path, "class": name, "split": split, "status": "ok",
                         "source": "real", "height_px": 20, "width_px": 24, "bands": 3,
                         "mode": "RGB"})  # fmt: skip
    write_manifest(Manifest(tmp_path, frame_of(rows)), tmp_path)
    return tmp_path


def with_cells(dataset: Path, column: str, value: object) -> Path:
    frame = pd.read_parquet(dataset / "manifest.parquet")
    frame.loc[frame["path"] == "A/3.png", column] = value
    write_manifest(Manifest(dataset, frame), dataset)
    return dataset


def said_of(dataset: Path, tmp_path: Path) -> str:
    words = ["compare", str(dataset), "--workdir", str(tmp_path / "w"), "--device", "cpu"]
    found = CliRunner().invoke(app, [*words, "--arms", "real,class-weight"])
    assert isinstance(found.exception, BadInput), found.output
    return str(found.exception)


@pytest.mark.parametrize(
    "column, value, stated",
    [
        ("width_px", 5000, "A/3.png is stated to be 5000 x 20 px, and is 24 x 20 px"),
        ("height_px", 10**6, "A/3.png is stated to be 24 x 1000000 px, and is 24 x 20 px"),
        ("width_px", 8, "A/3.png is stated to be 8 x 20 px, and is 24 x 20 px"),
    ],
)
def test_sizes_that_images_do_not_have_are_refused(dataset, tmp_path, column, value, stated):
    assert stated in said_of(with_cells(dataset, column, value), tmp_path)


def test_a_synthetic_image_that_is_listed_as_real_is_refused(dataset, tmp_path):
    pixels = np.zeros((3, 20, 24), np.uint8)
    write_png(dataset / "A" / "3.png", pixels, {SYNTHETIC_KEY: "true"})
    assert "A/3.png is listed as real, and marked as synthetic" in said_of(dataset, tmp_path)


def test_a_true_manifest_is_accepted_and_one_that_a_scan_made_is_believed(dataset, monkeypatch):
    table = dataset / "manifest.parquet"
    refuse_untrue(table, read_manifest(table))
    mark_done(dataset, {}, [table])
    monkeypatch.setattr("flows.stages.stated.look_at", None)
    refuse_untrue(table, read_manifest(table))
