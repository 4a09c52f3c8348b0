"""A classifier that another machine has trained is exported from the store."""

import csv

import numpy as np
from typer.testing import CliRunner

from flows.cli.app import app
from terrabalance.images import write_png

_QUICK = [
    "--set", "classifier.model=test_resnet", "--set", "classifier.pretrained=false",
    "--set", "classifier.image_size=32", "--set", "classifier.steps=2",
    "--set", "classifier.batch_size=8", "--seeds", "0", "--device", "cpu", "--tries", "1",
    "--arms", "real,logit-adjustment",
]  # fmt: skip


def test_a_classifier_of_another_machine_is_exported_by_the_address(address, on_machine, tmp_path):
    rng = np.random.default_rng(0)
    parts = {"train": 4, "val": 2, "test": 2}
    rows = [(f"{c}{s}{i}.png", c, s) for c in "AB" for s, n in parts.items() for i in range(n)]
    for path, *_ in rows:
        write_png(tmp_path / path, rng.integers(0, 256, (3, 24, 24), np.uint8))
    with (tmp_path / "images.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "class", "split"), *rows])
    on_machine("a")
    words = [str(tmp_path / "images.csv"), "--workdir", address, "--name", "mine"]
    said = CliRunner().invoke(app, ["compare", *words, *_QUICK])
    assert said.exit_code == 0, said.output
    on_machine("b")
    out = tmp_path / "taken"
    words = ["mine", "--workdir", address, "--out", str(out)]
    said = CliRunner().invoke(app, ["export", *words])
    assert said.exit_code == 0, said.output
    assert (out / "model.safetensors").is_file() and f"Export: {out}" in said.output
