import pytest

from .conftest import compared, guesses


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_or_two_seeds_show_no_change_of_a_class(seeds):
    record = compared(guesses({"real": [0.2] * 3, "synthetic": [0.9] * 3}, seeds=seeds))
    assert {row["verdict"] for row in record["per_class"]} == {"unchanged"}
    assert "0 helped" in record["verdict"]["by_class"]


def test_seven_of_twenty_images_are_no_proof_among_thirty_classes():
    """McNemar's exact p is 0.016, of which there are thirty; all seeds agree."""
    chances = {"real": [1.0] * 30, "synthetic": [1.0] * 30}
    rows = guesses(chances, n=20)
    missed = (rows["class"] == "c0") & rows["path"].isin([f"0/{i:04d}.png" for i in range(7)])
    rows.loc[missed & (rows["arm"] == "real"), "predicted"] = "c1"
    first = compared(rows, n_classes=30)["per_class"][0]
    assert first["recall_change"]["mean"] == pytest.approx(0.35)
    assert first["verdict"] == "unchanged"


def test_a_class_without_test_images_is_unchanged():
    predictions = guesses({"real": [0.5] * 3, "synthetic": [0.6] * 3}, n=12)
    row = compared(predictions, n_classes=4)["per_class"][3]
    assert row["n_test"] == 0 and row["verdict"] == "unchanged"
    assert (row["recall_change"]["low"], row["recall_change"]["high"]) == (-1, 1)


def test_three_lucky_images_prove_nothing():
    record = compared(guesses({"real": [0.0] * 3, "synthetic": [1.0] * 3}, n=3))
    assert {row["verdict"] for row in record["per_class"]} == {"unchanged"}


def test_what_a_correction_does_is_not_credited_to_synthetic_images():
    better = [0.8, 0.8, 0.8]
    chances = {"real": [0.3, 0.8, 0.8], "logit-adjustment": better,
               "synthetic+logit-adjustment": better}  # fmt: skip
    record = compared(guesses(chances))
    first = record["per_class"][0]
    assert first["recall_change"]["low"] > 0 and first["verdict"] == "unchanged"
    assert first["changes"]["logit-adjustment"]["verdict"] == "helped"
    assert "1 helped" not in record["verdict"]["by_class"]
