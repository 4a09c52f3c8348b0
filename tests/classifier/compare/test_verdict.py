import itertools
from typing import Any

from classifier.compare.verdict import Claim, class_sentence, no_images
from classifier.compare.verdict import verdict as verdict_of

MINUS = "\N{MINUS SIGN}"


def verdict(change, n_seeds, n_test, fewest, kind="real", **more: Any):
    claim = {"arm": "synthetic", "rival": "real", "to_rival": change, **more}
    return verdict_of(Claim(to_real=change, n_seeds=n_seeds, n_test=n_test, fewest=fewest,
                            kind=kind, **claim))  # fmt: skip


def row(name, before, after, outcome):
    return {"class": name, "n_train": {"real": before, "synthetic": after}, "verdict": outcome}


def test_the_sentence_says_size_interval_and_basis():
    assert verdict({"mean": 0.021, "low": 0.004, "high": 0.038}, 3, 1536, 33)["sentence"] == (
        "Synthetic images raised balanced accuracy by 2.1 points (95 % interval +0.4 to +3.8, "
        "3 seeds, 1,536 real test images): they helped."
    )


def test_an_interval_with_zero_claims_nothing():
    unclear = verdict({"mean": -0.002, "low": -0.01, "high": 0.006}, 3, 1536, 33)
    assert unclear["outcome"] == "no clear difference"
    assert "-0.2 points (95 % interval -1.0 to +0.6" in unclear["sentence"].replace(MINUS, "-")
    assert "neither help nor harm" in unclear["sentence"]


def test_a_class_of_a_few_test_images_allows_no_verdict():
    sure = {"mean": 0.33, "low": 0.33, "high": 0.33}
    few = verdict(sure, 3, 3, 1)
    assert few["outcome"] == "no clear difference" and "has only 1 of these" in few["sentence"]
    assert verdict(sure, 3, 30, 10)["outcome"] == "helped"


def test_drawn_images_are_never_called_real():
    said = verdict({"mean": 0.1, "low": 0.05, "high": 0.2}, 3, 131, 6, "drawn")["sentence"]
    assert "131 drawn test images" in said and "real" not in said


def test_none_is_an_answer_that_validation_may_give():
    change = {"mean": 0.01, "low": -0.01, "high": 0.03}
    said = verdict(change, 3, 1536, 33, val_gap=-0.004)["sentence"]
    assert said.endswith(
        "On validation images the best arm has no synthetic images: real is 0.4 points ahead of "
        "the best arm with them."
    )
    for gap in (0.004, None):
        assert "validation" not in verdict(change, 3, 1536, 33, val_gap=gap)["sentence"]


def test_a_tie_on_validation_is_not_told_as_a_decision():
    said = verdict({"mean": 0.0, "low": -0.01, "high": 0.03}, 3, 1536, 33, val_gap=-1e-9)
    assert said["sentence"].endswith(
        "On validation images the best arm with them only equals real."
    )
    assert "by 0.0 points" in said["sentence"] and "0.0 points ahead" not in said["sentence"]


def test_one_or_two_seeds_do_not_make_a_verdict():
    better, worse = ({"mean": m, "low": m - 0.05, "high": m + 0.05} for m in (0.1, -0.1))
    for n_seeds, change in itertools.product((1, 2), (better, worse)):
        said = verdict(change, n_seeds, 1536, 33)
        assert said["outcome"] == "no clear difference"
        assert "helped" not in said["sentence"] and "hurt" not in said["sentence"]
    assert "takes 3 seeds or more" in said["sentence"]


def test_what_validation_did_not_choose_is_not_called_a_help():
    sure = {"mean": 0.1, "low": 0.05, "high": 0.2}
    assert verdict(sure, 3, 1536, 33, val_gap=-0.01)["outcome"] == "no clear difference"
    assert verdict(sure, 3, 1536, 33, val_gap=0.01)["outcome"] == "helped"


def test_that_none_were_chosen_is_said_with_what_was_tried():
    none = no_images(("all of them", "half"), "logit-adjustment")
    assert none["outcome"] == "none chosen"
    assert "Validation chose none of the synthetic images in any arm" in none["sentence"]
    assert "(all of them, half)" in none["sentence"] and "logit-adjustment" in none["sentence"]


def test_filled_classes_are_told_apart_from_the_others():
    rows = [
        row("Church", 10, 98, "helped"), row("Center", 11, 98, "unchanged"),
        row("Pond", 98, 98, "hurt"), row("River", 90, 90, "unchanged"),
    ]  # fmt: skip
    assert class_sentence(rows, "real", "synthetic") == (
        "Recall by class: of 2 filled, 1 helped (Church) and 0 hurt; of 2 other, 0 helped and "
        "1 hurt (Pond). For the rest no change was shown."
    )


def test_a_long_list_of_classes_is_cut_and_counted():
    rows = [row(f"C{i}", 5, 9, "hurt") for i in range(11)]
    assert "0 helped and 11 hurt (C0, C1, C2, C3, C4, C5, C6, C7 and 3 more)." in class_sentence(
        rows, "real", "synthetic"
    )
