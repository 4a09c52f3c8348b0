import pandas as pd
import pytest

from classifier.compare.comparison import difference_of

from .conftest import compared, gain, guesses


def test_an_arm_that_saw_test_is_suspected():
    honest = {"real": [0.6] * 3, "synthetic": [0.65] * 3}
    leaking = {"real": [0.6] * 3, "synthetic": [0.95] * 3}
    val = guesses(honest, split="val", rng_seed=1)
    record = compared(pd.concat([val, guesses(leaking)]))
    assert record["verdict"]["outcome"] == "suspect"
    assert "look for test images among its training images" in record["verdict"]["sentence"]
    assert compared(pd.concat([val, guesses(honest)]))["verdict"]["outcome"] != "suspect"


def test_an_honest_gain_is_rarely_suspected():
    chances = {"real": [0.5] * 3, "synthetic": [0.7] * 3}
    suspected = [
        compared(pd.concat([guesses(chances, 20, 3, 0.05, run, "val"),
                          guesses(chances, 20, 3, 0.05, run + 100)]))["verdict"]["outcome"]
        == "suspect"
        for run in range(40)
    ]  # fmt: skip
    assert sum(suspected) <= 2  # three standard errors, one-sided: once in 700


def test_a_leak_in_any_arm_is_told():
    honest = {"real": [0.6] * 3, "synthetic": [0.75] * 3, "pretrain-synthetic": [0.65] * 3}
    leaking = {**honest, "pretrain-synthetic": [0.97] * 3}
    val = guesses(honest, 100, split="val", rng_seed=1)
    record = compared(pd.concat([val, guesses(leaking, 100)]))
    assert record["headline"]["arm"] == "synthetic"
    assert "chance explains: pretrain-synthetic." in record["verdict"]["sentence"]


def gain_excess(record: dict) -> dict | None:
    return difference_of(record, "synthetic", "real")["excess"]


def test_a_handful_of_validation_images_raises_no_alarm():
    chances = {"real": [0.7] * 5, "synthetic": [0.7] * 5}
    for run in range(20):
        val = guesses(chances, 1, split="val", rng_seed=run)
        record = compared(pd.concat([val, guesses(chances, 20, rng_seed=run + 50)]), n_classes=5)
        assert gain_excess(record) is None
        assert record["verdict"]["outcome"] != "suspect"


def test_the_share_of_the_oracles_gain_is_told():
    chances = {"real": [0.5] * 3, "synthetic": [0.6] * 3, "oracle": [0.8] * 3}
    found = difference_of(compared(guesses(chances, n=400)), "synthetic", "real")["recovered"]
    assert found["low"] < found["mean"] < found["high"]
    assert found["mean"] == pytest.approx(1 / 3, abs=0.12)


def test_the_share_of_the_oracles_gain_is_as_uncertain_as_the_gain():
    """With trainings that differ, t is wider than what was drawn."""
    chances = {"real": [0.3] * 3, "synthetic": [0.5] * 3, "oracle": [0.9] * 3}
    record = compared(guesses(chances, n=400, seed_noise=0.04))
    found = difference_of(record, "synthetic", "real")
    widths = [
        each["high"] - each["low"] for each in (found["recovered"], found["balanced_accuracy"])
    ]
    worth = gain(record, "oracle")["mean"]
    assert 0.8 < widths[0] * worth / widths[1] < 1.3


def test_no_share_is_told_of_an_oracle_that_is_hardly_worth_anything():
    chances = {"real": [0.5] * 3, "synthetic": [0.6] * 3, "oracle": [0.56] * 3}
    record = compared(guesses(chances, n=200))
    worth = gain(record, "oracle")
    assert worth["low"] < worth["mean"] / 3
    assert difference_of(record, "synthetic", "real")["recovered"] is None
