import json

import numpy as np
import pandas as pd
import pytest

from classifier.compare.bootstrap import METRICS, Resampling, holm
from classifier.compare.comparison import compare, difference_of, thirds
from classifier.compare.predictions import read_predictions
from terrabalance.errors import BadInput


def guesses(
    recalls: dict[str, list[float]],
    n: int = 50,
    seeds: int = 3,
    seed_noise: float = 0,
    rng_seed: int = 0,
    split: str = "test",
) -> pd.DataFrame:
    """Draw predictions with a chance of being right for each arm and class."""
    rng, rows = np.random.default_rng(rng_seed), []
    n_classes = len(next(iter(recalls.values())))
    for arm, chances in recalls.items():
        for seed in range(seeds):
            luck = rng.normal(0, seed_noise) if seed_noise else 0
            for label, chance in enumerate(chances):
                right = rng.random(n) < chance + luck
                other = (label + rng.integers(1, n_classes, n)) % n_classes
                rows += [
                    (arm, seed, split, f"{label}/{i:04d}.png", f"c{label}",
                     f"c{label if right[i] else other[i]}", chance)
                    for i in range(n)
                ]  # fmt: skip
    columns = ["arm", "seed", "split", "path", "class", "predicted", "confidence"]
    return pd.DataFrame(rows, columns=columns)


def judged(predictions: pd.DataFrame, n_classes: int = 3) -> dict:
    counts = {f"c{label}": 10 for label in range(n_classes)}
    made = {**counts, "c0": 90}
    n_train = {arm: made if "synthetic" in arm else counts for arm in predictions["arm"].unique()}
    return compare(predictions, n_train, "64 px", {"model": "resnet18"})


def gain(record: dict, arm: str = "synthetic", baseline: str = "real") -> dict:
    return difference_of(record, arm, baseline)["balanced_accuracy"]


def test_a_planted_gain_in_one_class_is_found_there_only():
    record = judged(guesses({"real": [0.4, 0.8, 0.8], "synthetic": [0.8, 0.8, 0.8]}))
    assert record["verdict"]["outcome"] == "helped"
    assert [row["verdict"] for row in record["per_class"]] == ["helped", "unchanged", "unchanged"]
    found = gain(record)
    assert 0 < found["low"] < found["mean"] < found["high"] < 0.3
    json.dumps(record, allow_nan=False)


def test_a_planted_loss_is_called_a_loss():
    record = judged(guesses({"real": [0.9] * 3, "synthetic": [0.6] * 3}))
    assert record["verdict"]["outcome"] == "hurt"
    assert {row["verdict"] for row in record["per_class"]} == {"hurt"}
    assert "lowered balanced accuracy by" in record["verdict"]["sentence"]


@pytest.mark.parametrize("seed_noise", [0.0, 0.1])
def test_equal_arms_are_rarely_told_apart(seed_noise):
    outcomes = [
        judged(guesses({"real": [0.7] * 3, "synthetic": [0.7] * 3}, 20, 3, seed_noise, run))
        for run in range(50)
    ]
    claims = [r["verdict"]["outcome"] != "no clear difference" for r in outcomes]
    assert sum(claims) <= 7  # 5 % of 50 is 2.5; 8 or more would come up once in 300 tries


def test_numbers_of_the_record_add_up():
    predictions = guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12, seeds=2)
    record = judged(predictions)
    assert record["arms"] == ["real", "synthetic"] and record["seeds"] == [0, 1]
    assert record["n_test"] == 36 and np.sum(record["confusion"]["real"]) == 72
    metrics = record["metrics"]
    for name in METRICS:
        gap = metrics["synthetic"][name]["mean"] - metrics["real"][name]["mean"]
        assert difference_of(record, "synthetic", "real")[name]["mean"] == pytest.approx(gap)
    assert record["per_class"][0]["n_train"] == {"real": 10, "synthetic": 90}


def test_rows_of_val_choose_and_do_not_judge():
    chances = {"real": [0.5] * 3, "synthetic": [0.6] * 3}
    predictions, val = guesses(chances, n=12), guesses(chances, n=12, split="val", rng_seed=1)
    with_val, without = judged(pd.concat([val, predictions])), judged(predictions)
    assert with_val.pop("val") and without.pop("val") is None
    for record in (with_val, without):
        for found in record["differences"]:
            found.pop("excess")
    assert with_val == without


def test_order_of_rows_and_repetition_change_nothing():
    predictions = guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12)
    assert judged(predictions.sample(frac=1, random_state=1)) == judged(predictions)


@pytest.mark.parametrize("seeds", [1, 2])
def test_no_class_is_judged_by_one_or_two_seeds(seeds):
    record = judged(guesses({"real": [0.2] * 3, "synthetic": [0.9] * 3}, seeds=seeds))
    assert {row["verdict"] for row in record["per_class"]} == {"unchanged"}
    assert "0 helped" in record["verdict"]["by_class"]


def test_seven_of_twenty_images_are_no_proof_among_thirty_classes():
    """McNemar's exact p is 0.016, of which there are thirty; all seeds agree."""
    chances = {"real": [1.0] * 30, "synthetic": [1.0] * 30}
    rows = guesses(chances, n=20)
    missed = (rows["class"] == "c0") & rows["path"].isin([f"0/{i:04d}.png" for i in range(7)])
    rows.loc[missed & (rows["arm"] == "real"), "predicted"] = "c1"
    first = judged(rows, n_classes=30)["per_class"][0]
    assert first["recall_change"]["mean"] == pytest.approx(0.35)
    assert first["verdict"] == "unchanged"


def test_the_order_of_the_arms_does_not_matter():
    rows = guesses({"oracle": [0.9] * 3, "real": [0.5] * 3})
    assert judged(rows)["headline"] == {"arm": "oracle", "baseline": "real", "rival": "real"}


def test_a_class_without_test_images_is_left_unjudged():
    predictions = guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12)
    row = judged(predictions, n_classes=4)["per_class"][3]
    assert row["n_test"] == 0 and row["verdict"] == "unchanged"
    assert (row["recall_change"]["low"], row["recall_change"]["high"]) == (-1, 1)


def test_three_lucky_images_prove_nothing():
    record = judged(guesses({"real": [0.0] * 3, "synthetic": [1.0] * 3}, n=3))
    assert {row["verdict"] for row in record["per_class"]} == {"unchanged"}


def test_one_seed_is_said_not_to_cover_training():
    record = judged(guesses({"real": [0.4] * 3, "synthetic": [0.9] * 3}, seeds=1))
    assert "1 seed," in record["verdict"]["sentence"]
    assert "does not cover the variation between trainings" in record["verdict"]["sentence"]


def test_an_arm_that_lacks_an_image_is_refused():
    predictions = guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12).iloc[:-1]
    with pytest.raises(BadInput, match="'synthetic', seed 2 predicts 35 of 36"):
        judged(predictions)


def test_an_arm_that_lacks_a_seed_is_refused():
    predictions = guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12)
    lacking = predictions[(predictions["arm"] == "real") | (predictions["seed"] != 1)]
    with pytest.raises(BadInput, match="'synthetic', seed 1 predicts 0 of 36"):
        judged(lacking)


def test_arms_that_disagree_on_the_truth_are_refused():
    predictions = guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12)
    predictions.loc[0, "class"] = "c2"
    with pytest.raises(BadInput, match=r"the true class of '0/0000\.png'"):
        judged(predictions)


def test_no_predictions_on_test_are_refused():
    with pytest.raises(BadInput, match="no predictions on split test"):
        judged(guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12).assign(split="val"))


def test_thirty_classes_and_three_seeds_are_judged_whole():
    predictions = guesses({"real": [0.7] * 30, "synthetic": [0.75] * 30}, n=51)
    record = judged(predictions, n_classes=30)
    assert record["n_test"] == 1530 and len(record["per_class"]) == 30


def test_the_spread_of_the_bootstrap_is_that_of_a_proportion():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 400)
    after = np.where(rng.random(800) < 0.8, truth, 1 - truth)
    resampling = Resampling(truth, 2, 1)
    draws = resampling.draws(*(resampling.scores(each[None]) for each in (truth, after)))
    assert draws[:, 0].std() == pytest.approx(np.sqrt(0.8 * 0.2 / 800), rel=0.1)


def test_synthetic_images_must_also_beat_what_is_had_without_them():
    chances = {"real": [0.5] * 3, "logit-adjustment": [0.7] * 3, "synthetic": [0.7] * 3}
    record = judged(guesses(chances))
    assert record["headline"] == {"arm": "synthetic", "baseline": "real",
                                  "rival": "logit-adjustment"}  # fmt: skip
    assert gain(record)["low"] > 0
    assert record["verdict"]["outcome"] == "no clear difference"
    assert "logit-adjustment, the difference is" in record["verdict"]["sentence"]
    chances["synthetic"] = [0.9] * 3
    assert judged(guesses(chances))["verdict"]["outcome"] == "helped"
    chances["synthetic"] = [0.55] * 3
    assert judged(guesses(chances, n=200))["verdict"]["outcome"] == "beaten"


def test_val_and_not_test_chooses_who_speaks_for_whom():
    better = {"real": [0.5] * 3, "class-weight": [0.6] * 3, "oversample": [0.7] * 3,
              "synthetic": [0.5] * 3, "pretrain-synthetic": [0.6] * 3}  # fmt: skip
    worse = {**better, "oversample": [0.4] * 3, "pretrain-synthetic": [0.3] * 3}
    predictions = pd.concat([guesses(worse, n=90), guesses(better, n=90, split="val")])
    headline = judged(predictions)["headline"]
    assert (headline["arm"], headline["rival"]) == ("pretrain-synthetic", "oversample")
    # Without val, only the synthetic images can lose by the choice.
    assert judged(guesses(worse, n=90))["headline"]["rival"] == "class-weight"


def test_an_arm_that_saw_test_is_suspected():
    honest = {"real": [0.6] * 3, "synthetic": [0.65] * 3}
    leaking = {"real": [0.6] * 3, "synthetic": [0.95] * 3}
    val = guesses(honest, split="val", rng_seed=1)
    record = judged(pd.concat([val, guesses(leaking)]))
    assert record["verdict"]["outcome"] == "suspect"
    assert "look for test images among its training images" in record["verdict"]["sentence"]
    assert judged(pd.concat([val, guesses(honest)]))["verdict"]["outcome"] != "suspect"


def test_an_honest_gain_is_rarely_suspected():
    chances = {"real": [0.5] * 3, "synthetic": [0.7] * 3}
    suspected = [
        judged(pd.concat([guesses(chances, 20, 3, 0.05, run, "val"),
                          guesses(chances, 20, 3, 0.05, run + 100)]))["verdict"]["outcome"]
        == "suspect"
        for run in range(40)
    ]  # fmt: skip
    assert sum(suspected) <= 2  # three standard errors, one-sided: once in 700


def test_the_share_of_the_oracles_gain_is_told():
    chances = {"real": [0.5] * 3, "synthetic": [0.6] * 3, "oracle": [0.8] * 3}
    found = difference_of(judged(guesses(chances, n=400)), "synthetic", "real")["recovered"]
    assert found["low"] < found["mean"] < found["high"]
    assert found["mean"] == pytest.approx(1 / 3, abs=0.12)


def test_the_share_of_the_oracles_gain_is_as_uncertain_as_the_gain():
    """With trainings that differ, t is wider than what was drawn."""
    chances = {"real": [0.3] * 3, "synthetic": [0.5] * 3, "oracle": [0.9] * 3}
    record = judged(guesses(chances, n=400, seed_noise=0.04))
    found = difference_of(record, "synthetic", "real")
    widths = [
        each["high"] - each["low"] for each in (found["recovered"], found["balanced_accuracy"])
    ]
    worth = gain(record, "oracle")["mean"]
    assert 0.8 < widths[0] * worth / widths[1] < 1.3


def test_no_share_is_told_of_an_oracle_that_is_hardly_worth_anything():
    chances = {"real": [0.5] * 3, "synthetic": [0.6] * 3, "oracle": [0.56] * 3}
    record = judged(guesses(chances, n=200))
    worth = gain(record, "oracle")
    assert worth["low"] < worth["mean"] / 3
    assert difference_of(record, "synthetic", "real")["recovered"] is None


def test_classes_are_divided_by_their_training_images():
    counts = {"a": 5, "b": 98, "c": 40, "d": 5, "e": 60, "f": 7, "g": 50}
    assert thirds(counts) == {"many": ["b", "e", "g"], "medium": ["c", "f"], "few": ["a", "d"]}


def test_without_synthetic_images_nothing_is_said_of_them():
    record = judged(guesses({"real": [0.5] * 3, "class-weight": [0.8] * 3}))
    assert record["verdict"]["sentence"].startswith("Class weights (no synthetic images) raised")


def test_calibration_and_mcnemar_are_in_the_record():
    record = judged(guesses({"real": [0.5] * 3, "synthetic": [0.9] * 3}))
    assert record["metrics"]["real"]["calibration_error"]["mean"] < 0.1  # confidence = chance
    for test in difference_of(record, "synthetic", "real")["mcnemar"]:
        assert test["gained"] > test["lost"] and test["p_value"] < 0.001


def test_holm_stops_at_the_first_that_fails():
    assert holm(np.array([0.03, 0.001, 0.02])).tolist() == [True, True, True]
    assert holm(np.array([0.04, 0.001, 0.03])).tolist() == [False, True, False]


def test_a_class_called_na_survives_the_file(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("split,path,class,predicted,confidence\ntest,a.png,NA,1,0.5\n")
    rows = read_predictions(path)
    assert rows["class"].tolist() == ["NA"] and rows["predicted"].tolist() == ["1"]


def test_what_a_correction_does_is_not_credited_to_synthetic_images():
    better = [0.8, 0.8, 0.8]
    chances = {"real": [0.3, 0.8, 0.8], "logit-adjustment": better,
               "synthetic+logit-adjustment": better}  # fmt: skip
    record = judged(guesses(chances))
    first = record["per_class"][0]
    assert first["recall_change"]["low"] > 0 and first["verdict"] == "unchanged"
    assert first["changes"]["logit-adjustment"]["verdict"] == "helped"
    assert "1 helped" not in record["verdict"]["by_class"]


def test_a_leak_in_any_arm_is_told():
    honest = {"real": [0.6] * 3, "synthetic": [0.75] * 3, "pretrain-synthetic": [0.65] * 3}
    leaking = {**honest, "pretrain-synthetic": [0.97] * 3}
    val = guesses(honest, 100, split="val", rng_seed=1)
    record = judged(pd.concat([val, guesses(leaking, 100)]))
    assert record["headline"]["arm"] == "synthetic"
    assert "chance explains: pretrain-synthetic." in record["verdict"]["sentence"]


def test_a_handful_of_validation_images_raises_no_alarm():
    chances = {"real": [0.7] * 5, "synthetic": [0.7] * 5}
    for run in range(20):
        val = guesses(chances, 1, split="val", rng_seed=run)
        record = judged(pd.concat([val, guesses(chances, 20, rng_seed=run + 50)]), n_classes=5)
        assert gain_excess(record) is None
        assert record["verdict"]["outcome"] != "suspect"


def gain_excess(record: dict) -> dict | None:
    return difference_of(record, "synthetic", "real")["excess"]


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
