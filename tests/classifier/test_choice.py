from collections.abc import Mapping

import numpy as np
import pytest

from classifier import choice
from classifier.bench import Training
from classifier.choice import choose, counts_of
from classifier.outputs import Outputs

from .conftest import bench_for


@pytest.fixture
def sweep(squares, tmp_path, monkeypatch):
    """Return what chooses where each training has a balanced accuracy on val that is given."""

    def choices(right: Mapping[tuple[str, float], float], arms: tuple[str, ...]):
        def val_outputs(bench, training: Training) -> Outputs:
            truth = np.repeat([0, 1], 100)
            hit = np.arange(200) % 100 < 100 * right[training.arm, training.share]
            logits = np.eye(2)[np.where(hit, truth, 1 - truth)].astype(np.float32)
            return Outputs(["<b>Pond", "Field"], [str(i) for i in range(200)], truth, logits)

        monkeypatch.setattr(choice, "val_outputs", val_outputs)
        bench = bench_for(squares, tmp_path, arms=arms, shares=(0.5, 1.0), seeds=(0, 1))
        return bench, choose(bench)

    return choices


def test_the_best_share_on_val_is_chosen(sweep):
    right = {("real", 1.0): 0.6, ("synthetic", 0.5): 0.8, ("synthetic", 1.0): 0.7}
    bench, found = sweep(right, ("real", "synthetic"))
    assert found.shares == {"real": 1.0, "synthetic": 0.5}
    assert [(row["share"], row["chosen"]) for row in found.tried] == [
        (0.0, False), (0.5, True), (1.0, False),
    ]  # fmt: skip
    assert counts_of(bench, found)["synthetic"]["<b>Pond"] == 10


def test_none_of_the_synthetic_images_is_chosen_where_they_harm(sweep):
    right = {("real", 1.0): 0.9, ("synthetic", 0.5): 0.8, ("synthetic", 1.0): 0.7}
    bench, found = sweep(right, ("real", "synthetic"))
    assert found.shares["synthetic"] == 0.0
    assert found.training("synthetic", 1) == Training("real", 1)
    assert counts_of(bench, found)["synthetic"] == counts_of(bench, found)["real"]


def test_a_correcting_arm_chooses_share_and_strength_together(sweep):
    right = {("real", 1.0): 0.6, ("synthetic", 0.5): 0.8, ("synthetic", 1.0): 0.7}
    _, found = sweep(right, ("real", "logit-adjustment", "synthetic+logit-adjustment"))
    tries = [row for row in found.tried if row["arm"] == "synthetic+logit-adjustment"]
    assert len(tries) == 3 * len(choice.TAUS)
    assert len([row for row in found.tried if row["arm"] == "logit-adjustment"]) == len(choice.TAUS)
    assert found.shares["synthetic+logit-adjustment"] == 0.5
