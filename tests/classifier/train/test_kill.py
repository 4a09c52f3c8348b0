from functools import partial

import pytest
from forks import assert_same_files, kill_once_there, run_to_the_end

from terrabalance.manifest import write_manifest

from ..conftest import draw_dataset
from . import killable


@pytest.mark.parametrize(
    "work", [killable.pixels, killable.batch_norm, killable.head, killable.baseline]
)
def test_a_killed_training_ends_with_the_same_weights_losses_and_predictions(
    tmp_path, backbone, work
):
    assert backbone == tmp_path / killable.WEIGHTS
    manifest = draw_dataset(tmp_path / killable.DATA)
    write_manifest(manifest, manifest.root)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_to_the_end(work, whole)
    kill_once_there(partial(work, every_s=0), killed, "*/checkpoints/step_*.pt", 2)
    run_to_the_end(work, killed)
    steps = (killed / killable.REPORTED).read_text().split()
    assert steps.count("1") == 1, "it began again"
    for pattern in ("*/classifier.safetensors", "*/losses.csv", "*/val.parquet"):
        if work is not killable.baseline or "val" not in pattern:
            assert_same_files(whole, killed, pattern)
    assert not list(killed.rglob("step_*.pt"))
