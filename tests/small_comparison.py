"""A comparison of seconds, by the command line: noise of two classes, a network of two steps."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from flows.cli.app import app
from terrabalance.images import write_png

_QUICK = [
    "--set", "classifier.model=test_resnet", "--set", "classifier.pretrained=false",
    "--set", "classifier.image_size=32", "--set", "classifier.steps=2",
    "--set", "classifier.batch_size=8", "--device", "cpu", "--tries", "1",
    "--arms", "real,logit-adjustment",
]  # fmt: skip


def compare_noise(root: Path, workdir: str, n_images: Mapping[str, int], seeds: str) -> None:
    """Write images with their CSV below `root`, and make the comparison `mine` of them.

    Args:
        root: folder for the images.
        workdir: folder or address.
        n_images: of each class, by split.
        seeds: as of `--seeds`.
    """
    rng = np.random.default_rng(0)
    rows = [(f"{c}{s}{i}.png", c, s) for c in "AB" for s, n in n_images.items() for i in range(n)]
    for path, *_ in rows:
        write_png(root / path, rng.integers(0, 256, (3, 24, 24), np.uint8))
    with (root / "images.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "class", "split"), *rows])
    words = [str(root / "images.csv"), "--workdir", workdir, "--name", "mine", "--seeds", seeds]
    said = CliRunner().invoke(app, ["compare", *words, *_QUICK])
    assert said.exit_code == 0, said.output
