"""Planted cases: recalls that grow by so much a doubling, and synthetic images worth so much."""

import pandas as pd
import pytest

from classifier.compare.comparison import compare

from .conftest import guesses

HALVED, WHOLE, FILLED = "halved+logit-adjustment", "logit-adjustment", "synthetic+logit-adjustment"
N_REAL = {"c0": 40, "c1": 20, "c2": 100}  # the first two are filled to 100
N_TRAIN = {
    "real": N_REAL,
    "synthetic": dict.fromkeys(N_REAL, 100),
    WHOLE: N_REAL,
    FILLED: dict.fromkeys(N_REAL, 100),
    HALVED: {"c0": 20, "c1": 10, "c2": 100},
}


def exchanged(
    halved: float, whole: float, filled: float, n: int = 400, run: int = 0, share: float = 1.0
) -> dict:
    """Return the exchange of a comparison with these recalls of the two filled classes."""
    recalls = {"real": whole, "synthetic": whole, HALVED: halved, WHOLE: whole, FILLED: filled}
    rows = guesses({arm: [each, each, 0.8] for arm, each in recalls.items()}, n, rng_seed=run)
    record = compare(rows, N_TRAIN, "64 px", {"model": "resnet18"}, shares={FILLED: share})
    return record["exchange"]


def test_half_a_doubling_is_worth_two_fifths_of_the_real_images():
    found = exchanged(halved=0.5, whole=0.6, filled=0.65, n=2000)
    assert found["more"]["low"] < 2**0.5 - 1 < found["more"]["high"]
    assert found["more"]["mean"] == pytest.approx(2**0.5 - 1, abs=0.15)
    assert (found["n_real"], found["n_synthetic"]) == (60, 140)
    assert found["classes"] == ["c0", "c1"]
    real = round(found["more"]["mean"] * 60)
    assert "So the 140 synthetic images, at +3." in found["sentence"]
    assert f"are worth about {real} more real ones" in found["sentence"]


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    arms, inside = ("halved", "real", "synthetic"), 0
    chances = {"halved": [0.4, 0.4, 0.8], "real": [0.7, 0.7, 0.8], "synthetic": [0.8, 0.8, 0.8]}
    n_train = dict(zip(arms, (N_TRAIN[HALVED], N_REAL, N_TRAIN["synthetic"]), strict=True))
    for run in range(40):
        more = compare(guesses(chances, 300, rng_seed=run), n_train, "", {})["exchange"]["more"]
        inside += more["low"] <= 2 ** (1 / 3) - 1 <= more["high"]
    assert inside >= 34  # of 40 by 95 %: fewer come once in 500 times


def test_synthetic_images_that_hurt_are_worth_no_real_one_and_ten_would_do_more():
    found = exchanged(halved=0.5, whole=0.7, filled=0.6, n=1000)
    assert found["more"]["high"] < 0
    assert "are worth no more real ones (95 % interval 0 to 0)" in found["sentence"]
    assert found["sentence"].endswith("do more for it than all its synthetic ones: c1, c0.")


def test_of_few_images_a_class_ten_more_do_more_than_many_synthetic_ones():
    found = exchanged(halved=0.4, whole=0.6, filled=0.66, n=1500)
    assert 10 / 40 < found["more"]["high"] < 10 / 20  # of c1 ten are half as many again
    assert found["sentence"].endswith("synthetic ones: c1.")


def test_without_a_loss_by_halving_nothing_is_counted_in_real_images():
    found = exchanged(halved=0.6, whole=0.6, filled=0.7)
    assert found["more"] is None
    assert "what a real image is worth here cannot be told" in found["sentence"]


def test_where_validation_took_none_of_them_they_are_worth_nothing_and_said_so():
    found = exchanged(0.5, 0.6, 0.6, n=1000, share=0.0)
    assert found["sentence"].endswith("of the synthetic images validation took none.")


def test_beyond_two_doublings_the_rate_says_or_more():
    found = exchanged(halved=0.5, whole=0.55, filled=0.95, n=2000)
    assert found["more"]["high"] == 3 and "180 or more" in found["sentence"]


def test_without_the_arms_there_is_no_rate_and_plain_arms_do_too():
    rows = guesses({"real": [0.7] * 3, "synthetic": [0.8] * 3, "halved": [0.5] * 3}, 200)
    counts = {**N_TRAIN, "halved": N_TRAIN[HALVED]}
    own = {arm: counts[arm] for arm in ("real", "synthetic", "halved")}
    record = compare(rows, own, "64 px", {})
    assert record["exchange"]["arms"] == ["halved", "real", "synthetic"]
    less = {arm: counts[arm] for arm in ("real", "synthetic")}
    assert compare(rows[rows["arm"] != "halved"], less, "64 px", {})["exchange"] is None


def test_an_arm_with_fewer_images_is_never_recommended_or_the_rival():
    chances = {"real": [0.5] * 3, "halved": [0.9] * 3, "synthetic": [0.6] * 3}
    rows = pd.concat([guesses(chances, split=split) for split in ("val", "test")])
    own = {"real": N_REAL, "halved": N_TRAIN[HALVED], "synthetic": N_TRAIN["synthetic"]}
    record = compare(rows, own, "64 px", {})
    assert record["headline"]["rival"] == "real"
    assert record["recommended"]["of"] == ["real", "synthetic"]


@pytest.mark.parametrize(
    ("real", "said"),
    [
        (
            {"c0": 40, "c1": 1, "c2": 100},
            "Of one real image, and so not halved, though filled: c1.",
        ),
        ({"c0": 1, "c1": 1, "c2": 100}, "what a real image is worth here cannot be told."),
    ],
)
def test_a_filled_class_of_one_image_is_not_halved_and_told(real, said):
    n_train = {
        "real": real,
        "halved": {**real, "c0": (real["c0"] + 1) // 2},
        "synthetic": dict.fromkeys(real, 100),
    }
    chances = {"real": [0.6] * 3, "halved": [0.4] * 3, "synthetic": [0.65] * 3}
    found = compare(guesses(chances, 400), n_train, "", {})["exchange"]
    assert found["sentence"].endswith(said)
    assert found["n_real"] == (40 if real["c0"] > 1 else 0)
