import json

import numpy as np
import pandas as pd
import pytest

from classifier.compare.bootstrap import METRICS
from classifier.compare.comparison import compare, difference_of, thirds
from terrabalance.errors import BadInput

from .conftest import compared, gain, guesses


def test_a_planted_gain_in_one_class_is_found_there_only():
    record = compared(guesses({"real": [0.4, 0.8, 0.8], "synthetic": [0.8, 0.8, 0.8]}))
    assert record["verdict"]["outcome"] == "helped"
    assert [row["verdict"] for row in record["per_class"]] == ["helped", "unchanged", "unchanged"]
    found = gain(record)
    assert 0 < found["low"] < found["mean"] < found["high"] < 0.3
    json.dumps(record, allow_nan=False)


def test_a_planted_loss_is_called_a_loss():
    record = compared(guesses({"real": [0.9] * 3, "synthetic": [0.6] * 3}))
    assert record["verdict"]["outcome"] == "hurt"
    assert {row["verdict"] for row in record["per_class"]} == {"hurt"}
    assert "lowered balanced accuracy by" in record["verdict"]["sentence"]


@pytest.mark.parametrize("seed_noise", [0.0, 0.1])
def test_equal_arms_are_rarely_told_apart(seed_noise):
    outcomes = [
        compared(guesses({"real": [0.7] * 3, "synthetic": [0.7] * 3}, 20, 3, seed_noise, run))
        for run in range(50)
    ]
    claims = [r["verdict"]["outcome"] != "no clear difference" for r in outcomes]
    assert sum(claims) <= 7  # 5 % of 50 is 2.5; 8 or more would come up once in 300 tries


def test_numbers_of_the_record_add_up():
    predictions = guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12, seeds=2)
    record = compared(predictions)
    assert record["arms"] == ["real", "synthetic"] and record["seeds"] == [0, 1]
    assert record["n_test"] == 36 and np.sum(record["confusion"]["real"]) == 72
    metrics = record["metrics"]
    for name in METRICS:
        gap = metrics["synthetic"][name]["mean"] - metrics["real"][name]["mean"]
        assert difference_of(record, "synthetic", "real")[name]["mean"] == pytest.approx(gap)
    assert record["per_class"][0]["n_train"] == {"real": 10, "synthetic": 90}


def test_rows_of_val_choose_arms_and_change_no_difference():
    chances = {"real": [0.5] * 3, "synthetic": [0.6] * 3}
    predictions, val = guesses(chances, n=12), guesses(chances, n=12, split="val", rng_seed=1)
    with_val, without = compared(pd.concat([val, predictions])), compared(predictions)
    for of_val in ("val", "val_per_seed"):
        assert with_val.pop(of_val) and without.pop(of_val) is None
    for record in (with_val, without):
        record.pop("recommended")
        for found in record["differences"]:
            found.pop("excess")
    assert with_val == without


def test_order_of_rows_and_repetition_change_nothing():
    predictions = guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12)
    assert compared(predictions.sample(frac=1, random_state=1)) == compared(predictions)


def test_the_order_of_the_arms_does_not_matter():
    rows = guesses({"oracle": [0.9] * 3, "real": [0.5] * 3})
    assert compared(rows)["headline"] == {"arm": "oracle", "baseline": "real", "rival": "real"}


def test_one_seed_is_said_not_to_cover_training():
    record = compared(guesses({"real": [0.4] * 3, "synthetic": [0.9] * 3}, seeds=1))
    assert "1 seed," in record["verdict"]["sentence"]
    assert "does not cover the variation between trainings" in record["verdict"]["sentence"]


def test_no_predictions_on_test_are_refused():
    with pytest.raises(BadInput, match="no predictions on split test"):
        compared(guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12).assign(split="val"))


def test_thirty_classes_and_three_seeds_are_compared():
    predictions = guesses({"real": [0.7] * 30, "synthetic": [0.75] * 30}, n=51)
    record = compared(predictions, n_classes=30)
    assert record["n_test"] == 1530 and len(record["per_class"]) == 30


def test_synthetic_images_must_also_beat_what_is_had_without_them():
    chances = {"real": [0.5] * 3, "logit-adjustment": [0.7] * 3, "synthetic": [0.7] * 3}
    record = compared(guesses(chances))
    assert record["headline"] == {"arm": "synthetic", "baseline": "real",
                                  "rival": "logit-adjustment"}  # fmt: skip
    assert gain(record)["low"] > 0
    assert record["verdict"]["outcome"] == "no clear difference"
    assert "logit-adjustment, the difference is" in record["verdict"]["sentence"]
    chances["synthetic"] = [0.9] * 3
    assert compared(guesses(chances))["verdict"]["outcome"] == "helped"
    chances["synthetic"] = [0.55] * 3
    assert compared(guesses(chances, n=200))["verdict"]["outcome"] == "beaten"


def test_the_arms_of_the_verdict_are_chosen_on_val_not_on_test():
    better = {"real": [0.5] * 3, "class-weight": [0.6] * 3, "oversample": [0.7] * 3,
              "synthetic": [0.5] * 3, "pretrain-synthetic": [0.6] * 3}  # fmt: skip
    worse = {**better, "oversample": [0.4] * 3, "pretrain-synthetic": [0.3] * 3}
    predictions = pd.concat([guesses(worse, n=90), guesses(better, n=90, split="val")])
    headline = compared(predictions)["headline"]
    assert (headline["arm"], headline["rival"]) == ("pretrain-synthetic", "oversample")
    # Without val, only the synthetic images can lose by the choice.
    assert compared(guesses(worse, n=90))["headline"]["rival"] == "class-weight"


def test_classes_are_divided_by_their_training_images():
    counts = {"a": 5, "b": 98, "c": 40, "d": 5, "e": 60, "f": 7, "g": 50}
    assert thirds(counts) == {"many": ["b", "e", "g"], "medium": ["c", "f"], "few": ["a", "d"]}


def test_without_synthetic_images_nothing_is_said_of_them():
    record = compared(guesses({"real": [0.5] * 3, "class-weight": [0.8] * 3}))
    assert record["verdict"]["sentence"].startswith("Class weights (no synthetic images) raised")


def test_calibration_and_mcnemar_are_in_the_record():
    record = compared(guesses({"real": [0.5] * 3, "synthetic": [0.9] * 3}))
    assert record["metrics"]["real"]["calibration_error"]["mean"] < 0.1  # confidence = chance
    for test in difference_of(record, "synthetic", "real")["mcnemar"]:
        assert test["gained"] > test["lost"] and test["p_value"] < 0.001


def test_an_arm_without_its_synthetic_images_does_not_speak_for_them():
    chances = {"real": [0.6] * 3, "synthetic": [0.5] * 3, "synthetic-weighted": [0.6] * 3,
               "oversample": [0.55] * 3}  # fmt: skip
    predictions = pd.concat([guesses(chances), guesses(chances, split="val", rng_seed=1)])
    counts = {f"c{label}": 10 for label in range(3)}
    n_train = dict.fromkeys(chances, counts)
    shares = {"real": 1.0, "synthetic": 0.5, "synthetic-weighted": 0.0, "oversample": 1.0}
    record = compare(predictions, n_train, "64 px", {}, shares=shares)
    assert record["headline"]["arm"] == "synthetic"
    assert "the best arm has no synthetic images" in record["verdict"]["sentence"]
    setting = {"share": 0.5}
    tried = [
        {"arm": "synthetic", "usual": True, "says": "as usual", "setting": {"share": 1.0}},
        {"arm": "synthetic", "usual": False, "says": "half", "setting": setting},
        {"arm": "synthetic", "usual": False, "says": "none", "setting": {"share": 0.0}},
        {"arm": "real", "usual": True, "says": "as usual", "setting": {"share": 1.0}},
    ]
    without = {**shares, "synthetic": 0.0}
    none = compare(predictions, n_train, "64 px", {}, tried=tried, shares=without)
    assert none["verdict"]["outcome"] == "none chosen"
    assert "what was tried (all of them, half)" in none["verdict"]["sentence"]
    # What is shown in detail is an arm that trained on no synthetic image, and says so.
    assert none["headline"] == {"arm": "oversample", "baseline": "real", "rival": "real"}
    assert "Recall by class, Oversampling against Real only" in none["verdict"]["by_class"]
