import json

import pytest

from classifier.export.choice import choose_from, read_comparison
from terrabalance.errors import BadInput


@pytest.fixture
def record() -> dict:
    mine = {"setting": {"share": 0.5, "strength": 1.0, "rate": 1.0, "weight": 0.5},
            "shares": [0.9, 0.1]}  # fmt: skip
    arms = {arm: {**mine, "folders": [f"{arm}-{seed}" for seed in (3, 4, 5)]} for arm in "ab"}
    return {
        "arms": ["a", "b"], "seeds": [3, 4, 5], "recommended": {"arm": "b"},
        "val_per_seed": {"a": [0.1, 0.1, 0.1], "b": [0.5, 0.7, 0.7]},
        "trained": {"weights": "", "arms": arms}, "training": {"weights": None},
    }  # fmt: skip


def test_the_recommended_arm_and_its_best_seed_on_validation_are_taken(record, tmp_path):
    chosen = choose_from(record, tmp_path)
    assert (chosen.arm, chosen.seed, chosen.folder) == ("b", 4, "b-4")
    assert chosen.setting.share == 0.5 and chosen.shares == [0.9, 0.1]
    assert choose_from(record, tmp_path, "a").seed == 3
    assert choose_from(record, tmp_path, "a", 5).folder == "a-5"


def test_without_validation_images_the_first_seed_is_taken_and_an_arm_has_to_be_named(
    record, tmp_path
):
    without = {**record, "val_per_seed": None, "recommended": {"arm": None}}
    assert choose_from(without, tmp_path, "a").seed == 3
    with pytest.raises(BadInput, match=r"no arm is recommended.*--arm: one of 'a', 'b'"):
        choose_from(without, tmp_path)


@pytest.mark.parametrize(
    ("arm", "seed", "said"),
    [("c", None, "arm 'c' was not compared. Give one of 'a', 'b'"),
     ("a", 0, "seed 0 was not trained. Give one of 3, 4, 5")],
)  # fmt: skip
def test_what_was_not_compared_is_refused_with_what_was(record, tmp_path, arm, seed, said):
    with pytest.raises(BadInput, match=said):
        choose_from(record, tmp_path, arm, seed)


def test_a_record_of_an_older_version_says_what_to_do(tmp_path):
    (tmp_path / "comparison.json").write_text(json.dumps({"arms": ["real"]}))
    with pytest.raises(
        BadInput, match=r"did not note which trainings it compares\. Compare again."
    ):
        read_comparison(tmp_path / "comparison.json", "Compare again.")
