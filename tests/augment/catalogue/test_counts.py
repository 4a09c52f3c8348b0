import json
import math

import pytest

from augment.catalogue.counts import class_table, summarize
from terrabalance.manifest import Manifest, frame_of


def manifest_of(tmp_path, *groups):
    rows = []
    for name, split, status, n in groups:
        rows += [{"path": f"{name}/{len(rows)}-{i}.jpg", "class": name, "split": split,
                  "status": status} for i in range(n)]  # fmt: skip
    return Manifest(tmp_path, frame_of(rows))


@pytest.fixture
def manifest(tmp_path):
    return manifest_of(
        tmp_path,
        ("Pond", "train", "ok", 6), ("Pond", "val", "ok", 2), ("Pond", "test", "ok", 3),
        ("Pond", "oracle", "ok", 4), ("Park", "train", "ok", 2), ("Park", "train", "duplicate", 1),
        ("Bog", "test", "truncated", 2), ("", "", "not an image", 1),
    )  # fmt: skip


def test_the_table_counts_every_class_once_most_first(manifest):
    assert class_table(manifest).to_dict("split")["data"] == [
        ["Pond", 6, 2, 3, 4, 0, 0.75],
        ["Park", 2, 0, 0, 0, 1, 0.25],
        ["Bog", 0, 0, 0, 0, 2, 0.0],
    ]
    assert list(class_table(manifest)) == [
        "class", "train", "val", "test", "set aside", "left out", "share of train",
    ]  # fmt: skip


def test_the_summary_is_json_with_all_counts(manifest):
    summary = json.loads(json.dumps(summarize(manifest), allow_nan=False))
    assert (summary["n_images"], summary["n_usable"], summary["n_classes"]) == (21, 17, 3)
    assert summary["splits"] == {"train": 8, "oracle": 4, "test": 3, "val": 2}
    assert summary["statuses"] == {"ok": 17, "truncated": 2, "duplicate": 1, "not an image": 1}
    assert summary["classes"][0]["class"] == "Pond" and summary["classes"][0]["set aside"] == 4
    assert summary["imbalance_ratio"] == 3


def test_equal_classes_count_fully(tmp_path):
    summary = summarize(manifest_of(tmp_path, *((c, "train", "ok", 5) for c in "abcd")))
    assert summary["effective_classes"] == pytest.approx(4)
    assert summary["normalized_entropy"] == pytest.approx(1)
    assert summary["imbalance_ratio"] == 1


def test_effective_classes_are_the_exponential_of_the_entropy(tmp_path):
    summary = summarize(manifest_of(tmp_path, ("a", "train", "ok", 9), ("b", "train", "ok", 1)))
    entropy = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    assert summary["effective_classes"] == pytest.approx(math.exp(entropy))
    assert summary["normalized_entropy"] == pytest.approx(entropy / math.log(2))


def test_without_a_train_part_the_measures_are_zero(tmp_path):
    summary = summarize(manifest_of(tmp_path, ("a", "", "ok", 2)))
    assert summary["imbalance_ratio"] == summary["effective_classes"] == 0
    assert summary["classes"][0]["set aside"] == 2
