import json
from dataclasses import replace
from typing import Any

from augment.report.balance import balance_section
from augment.report.balance_record import BalanceInputs, balance_record
from terrabalance.manifest import Manifest


def test_the_record_counts_before_and_after(record: dict[str, Any]):
    assert record["before"] == {"n_images": 32, "imbalance_ratio": 3.0, "effective_classes": 3.688}
    assert record["after"]["n_images"] == 46
    assert record["after"]["imbalance_ratio"] == 1.2
    assert record["after"]["effective_classes"] > record["before"]["effective_classes"]
    assert [row["n_real"] for row in record["classes"]] == [12, 10, 6, 4]
    assert {row["n_test"] for row in record["classes"]} == {2}


def test_the_record_survives_json(record: dict[str, Any]):
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_a_planted_copy_is_the_first_pair_and_counts_as_suspected(record: dict[str, Any]):
    for row in record["filled"]:
        first = row["neighbours"]["pairs"][0]
        assert (first["synthetic"], first["distance"], first["symmetry"]) == ("000000.png", 0, 5)
        assert first["real"].endswith("/000.png")
        assert row["neighbours"]["copy_share"] >= 1 / row["neighbours"]["n_synthetic"] - 1e-3


def test_only_real_images_of_the_train_part_are_compared(record: dict[str, Any], hostile: str):
    assert {row["class"]: row["neighbours"]["n_real"] for row in record["filled"]} == {
        hostile: 4,
        "<b>x</b>": 6,
    }


def test_a_class_with_one_real_image_has_no_distances_but_a_report(
    inputs: BalanceInputs, plan: dict[str, Any], hostile: str
):
    frame = inputs.catalogue.frame
    extra = (frame["class"] == hostile) & ~frame["path"].str.endswith("/000.png")
    one = replace(inputs, catalogue=Manifest(inputs.catalogue.root, frame[~extra]))
    record = balance_record(one, plan)
    near = record["filled"][0]["neighbours"]
    assert near["synthetic_to_real_median"] is None
    assert near["pairs"] == []
    assert "Synthetic" in balance_section(record, one).html


def test_problems_of_the_data_are_listed_with_their_files(record: dict[str, Any]):
    assert record["problems"] == [
        {"status": "unreadable", "count": 1,
         "examples": [{"path": "River/broken.png", "detail": "<i>cut</i>"}]}
    ]  # fmt: skip
