"""Comparisons of tiny classifiers, computed in float32, so that outputs can be compared closely."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from classifier.export.choice import Chosen, choose_from
from classifier.export.files import write_export
from classifier.study.study import run_study
from classifier.train.experiment import Experiment
from terrabalance.files import read_json, write_json
from terrabalance.tables import read_table

from ..conftest import experiment_for

ARMS = ("real", "logit-adjustment", "synthetic", "synthetic+logit-adjustment")
# Run the card's code once an image, and tell the logits too, which it does not print.
_EACH = """
import contextlib, io, json, sys
code, images = sys.argv[1], sys.argv[2:]
for sys.argv[1] in images:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(code, names := {})
    print(json.dumps([said.getvalue().strip(), names["logits"].tolist()]))
"""


class Study:
    """A comparison and its exports.

    Args:
        experiment: of it.
        folder: for what is written.
    """

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        self.experiment, self.folder = experiment, folder
        write_json(folder / "comparison.json", run_study(experiment, folder, "drawn"))
        self.record = read_json(folder / "comparison.json")

    def chosen(self, arm: str, seed: int | None = None) -> Chosen:
        return choose_from(self.record, self.folder / "comparison.json", arm, seed)

    def export(self, arm: str, seed: int | None = None) -> Path:
        chosen = self.chosen(arm, seed)
        out = self.folder / f"{arm}-{seed}"
        write_export(out, self.trained(chosen), chosen, self.record, "study")
        return out

    def trained(self, chosen: Chosen) -> Path:
        return self.experiment.root / chosen.folder

    def stored(self, chosen: Chosen, split: str = "val") -> dict[Path, list[float]]:
        """The logits that the training left, by image."""
        table, _ = read_table(self.trained(chosen) / f"{split}.parquet")
        root = self.experiment.manifest.root
        return {root / row["path"]: row["logits"] for row in table.to_pylist()}


@pytest.fixture(scope="session")
def studied(squares, tmp_path_factory) -> Iterator[Callable[..., Study]]:
    """Make a study, computed as by a CPU without bf16."""

    def make(**changes: Any) -> Study:
        root = tmp_path_factory.mktemp("study")
        given = {"arms": ARMS, "steps": 2, "image_size": 48, **changes}
        return Study(experiment_for(squares, root / "trials", **given), root / "report")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("terrabalance.device.supports_bf16", lambda device: False)
        yield make


@pytest.fixture(scope="session")
def whole(studied) -> Study:
    """A comparison of whole networks, in which validation chose among three settings."""
    return studied(tries=3)


@pytest.fixture
def small(studied) -> Study:
    """One that a test may damage."""
    return studied(arms=("real", "logit-adjustment"), seeds=(0,), steps=1)


@pytest.fixture
def head(studied, backbone) -> Study:
    """A comparison of heads on the features of `backbone`."""
    return studied(frozen=True, weights=backbone, steps=20, seeds=(0,))


def code_of(folder: Path) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    return str(code)


def classify(folder: Path, images: Iterable[Path]) -> list[tuple[str, list[float]]]:
    """Run the code of an export's card, in its folder, in a process of its own."""
    assert "terrabalance" not in code_of(folder)
    run = subprocess.run(
        [sys.executable, "-I", "-c", _EACH, code_of(folder), *map(str, images)],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return [tuple(json.loads(line)) for line in run.stdout.splitlines()]
