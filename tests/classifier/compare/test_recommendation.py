"""What is recommended, by figures that are planted; scores on val and test differ on purpose."""

import numpy as np
import pandas as pd
import pytest

from classifier.arms.registry import ARMS, PARTS, arm_of
from classifier.compare.bootstrap import N_RESAMPLES
from classifier.compare.recommendation import Measured, in_words, recommend

from .conftest import compared, gain, guesses


def measured(val: dict | None, gains: dict | None = None, tried=(), n_seeds=3, fewest=30):
    of_all = {arm: {"mean": 0.778, "low": 0.766, "high": 0.79} for arm in val or {}}
    clear = {arm: {"mean": 0.037, "low": 0.022, "high": 0.053} for arm in val or {}}
    return Measured(val, of_all, {**clear, **(gains or {})}, tried, n_seeds, fewest)


def recommended(val: dict, **given) -> dict:
    return recommend(list(val), measured(val, **given))


def test_the_best_arm_on_validation_is_recommended_with_its_figures_and_needs_no_synthetic_images():
    val = {"real": 0.7, "logit-adjustment": 0.74, "class-cutmix+logit-adjustment": 0.78,
           "synthetic": 0.75, "oracle": 0.9}  # fmt: skip
    tried = [
        {"arm": "class-cutmix+logit-adjustment", "chosen": chosen,
         "setting": {"share": 1.0, "strength": strength, "rate": 1.0, "weight": 0.5}}
        for strength, chosen in ((1.0, False), (0.75, True))
    ]  # fmt: skip
    found = recommended(val, tried=tried)
    assert found["sentence"] == (
        "Train on the real images with CutMix within classes and logit adjustment (strength 0.75; "
        "validation's choice of 4 arms): 77.8 % balanced accuracy on test (95 % interval 76.6 to "
        "79.0), +3.7 points to plain training (+2.2 to +5.3). No synthetic images are needed."
    )
    assert not found["uses_synthetic"] and found["setting"]["strength"] == 0.75


def test_the_oracle_is_never_recommended_as_nobody_has_its_images():
    assert recommended({"real": 0.5, "oracle": 0.9, "oversample": 0.6})["arm"] == "oversample"


@pytest.mark.parametrize(
    ("equal", "simplest"),
    [
        (("synthetic", "real"), "real"),
        (("synthetic+logit-adjustment", "oversample"), "oversample"),
        (("synthetic", "class-weight"), "class-weight"),
        (("oversample", "class-weight"), "oversample"),
    ],
)
def test_of_equals_the_simplest_is_recommended(equal, simplest):
    val = {"real": 0.5} | dict(zip(equal, (0.7, 0.7 + 1e-12), strict=True))  # by rounding alone
    assert recommended(val)["arm"] == simplest


def test_an_arm_for_which_val_chose_no_synthetic_image_uses_none():
    tried = [{"arm": "synthetic", "chosen": True, "setting": {"share": 0.0, "rate": 0.5}}]
    found = recommended({"real": 0.5, "synthetic": 0.7}, tried=tried)
    assert not found["uses_synthetic"]
    assert found["sentence"].startswith("Train on the real images only (0.5 times the learning ra")
    assert "No synthetic images are needed." in found["sentence"]


def test_synthetic_images_are_part_of_the_instruction_where_they_are_used():
    found = recommended({"real": 0.5, "synthetic+logit-adjustment": 0.7})
    assert found["uses_synthetic"]
    words = "Train on the real images and the synthetic ones with logit adjustment ("
    assert found["sentence"].startswith(words)
    assert "No synthetic images" not in found["sentence"]


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ({"synthetic": (-0.01, 0.02), "oversample": (-0.02, 0.01)}, "zero: no arm is clearly bet"),
        ({"synthetic": (-0.01, 0.02), "oversample": (0.01, 0.03)}, "zero: it is not clearly bett"),
        ({"synthetic": (-0.03, -0.01)}, "On test it is worse than plain training"),
    ],
)
def test_a_gain_that_is_not_clear_is_said(gains, said):
    planted = {
        arm: {"mean": sum(ends) / 2, "low": ends[0], "high": ends[1]} for arm, ends in gains.items()
    }
    val = {"real": 0.5, "oversample": 0.6, "synthetic": 0.7}
    assert said in recommended(val, gains=planted)["sentence"]


@pytest.mark.parametrize("few", [{"n_seeds": 2}, {"fewest": 9}])
def test_a_gain_of_few_trainings_or_images_is_a_hint(few):
    assert "This is a hint" in recommended({"real": 0.5, "oversample": 0.6}, **few)["sentence"]


def test_plain_training_can_be_the_answer():
    found = recommended({"real": 0.7, "synthetic": 0.6})
    assert found["to_real"] is None
    assert "No other arm is ahead of plain training on validation." in found["sentence"]


def test_without_validation_images_nothing_is_recommended_and_it_is_said_why():
    record = compared(guesses({"real": [0.5] * 3, "synthetic": [0.9] * 3}))
    assert record["recommended"]["arm"] is None and record["val_per_seed"] is None
    assert "no validation images" in record["recommended"]["sentence"]


def test_the_record_recommends_what_val_prefers_with_the_figures_of_test():
    better = {"real": [0.5] * 3, "oversample": [0.7] * 3, "synthetic": [0.6] * 3}
    worse = {**better, "oversample": [0.55] * 3, "synthetic": [0.9] * 3}
    record = compared(pd.concat([guesses(worse), guesses(better, split="val", rng_seed=1)]))
    found = record["recommended"]
    assert found["arm"] == "oversample"
    assert found["to_real"] == gain(record, "oversample")
    mean = record["metrics"]["oversample"]["balanced_accuracy"]["mean"]
    assert found["balanced_accuracy"]["mean"] == pytest.approx(mean)
    per_seed = record["val_per_seed"]["oversample"]
    assert np.mean(per_seed) == pytest.approx(record["val"]["oversample"]) and len(per_seed) == 3


def test_the_interval_of_a_level_is_that_of_a_share_of_independent_images():
    """With seeds that agree, the error is sqrt(p (1 - p) / n) of each class, averaged."""
    predictions = guesses({"real": [0.7, 0.7], "oversample": [0.7, 0.7]}, n=100, seeds=1)
    record = compared(predictions, n_classes=2)
    recalls = [row["scores"]["real"]["recall"] for row in record["per_class"]]
    error = np.sqrt(sum(p * (1 - p) / 99 for p in recalls)) / 2
    level = record["levels"]["real"]
    wide = 1.96 * error * (1 + 3 / np.sqrt(N_RESAMPLES))
    assert level["high"] - level["mean"] == pytest.approx(1.96 * error, abs=wide - 1.96 * error)


@pytest.mark.parametrize("name", PARTS)
def test_every_part_has_words_for_an_instruction(name):
    assert PARTS[name].does in in_words(arm_of(name), uses_synthetic=True)


def test_no_two_arms_are_described_alike():
    said = [in_words(arm, uses_synthetic=True) for arm in ARMS.values()]
    assert len(set(said)) == len(said)
