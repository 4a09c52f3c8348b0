"""What is left of the real images, on rows that are made here."""

import hashlib

import pandas as pd
import pytest

from classifier.arms.registry import arm_of, rivals
from terrabalance.errors import BadInput
from terrabalance.manifest import Manifest, frame_of

REAL = {"Forest": 12, "Pond": 7, "Port": 1}


def manifest_of(tmp_path, made: dict[str, int], groups: dict[str, list[int]]) -> Manifest:
    """Return training rows; `groups` are those of a class's real images, -1 where not said."""
    rows = [
        {"path": f"{name}/{source}{i:02d}.png", "class": name, "source": source,
         "sha256": hash_of(name, source, i), "split": "train", "status": "ok",
         "group": dict(enumerate(groups.get(name, []))).get(i, -1) if source == "real" else -1}
        for source, counts in (("real", REAL), ("synthetic", made))
        for name, n in counts.items()
        for i in range(n)
    ]  # fmt: skip
    return Manifest(tmp_path, frame_of(rows))


def hash_of(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()


def kept(manifest: Manifest) -> pd.DataFrame:
    return arm_of("halved").train_rows(manifest)


def test_half_of_the_real_images_of_filled_classes_is_left_rounded_up(tmp_path):
    rows = kept(manifest_of(tmp_path, {"Pond": 5, "Port": 3}, {}))
    assert rows.groupby("class").size().to_dict() == {"Forest": 12, "Pond": 4, "Port": 1}
    assert set(rows["source"]) == {"real"}


def test_without_synthetic_images_every_class_is_halved(tmp_path):
    rows = kept(manifest_of(tmp_path, {}, {}))
    assert rows.groupby("class").size().to_dict() == {"Forest": 6, "Pond": 4, "Port": 1}


def test_the_half_is_a_matter_of_content_not_of_names_or_order(tmp_path):
    manifest = manifest_of(tmp_path, {}, {})
    shuffled = Manifest(tmp_path, manifest.frame.sample(frac=1, random_state=1))
    assert set(kept(manifest)["path"]) == set(kept(shuffled)["path"])
    assert set(kept(manifest)["path"]) != set(manifest.frame["path"].head(6))
    numbers = sorted(int(path[-6:-4]) for path in kept(manifest)["path"] if "Forest" in path)
    assert numbers != list(range(6))


def test_near_duplicates_are_left_out_or_kept_together(tmp_path):
    pairs = [1, 2, 3, 4, 5, 6] * 2  # each image of Forest has a copy, six places on
    rows = kept(manifest_of(tmp_path, {}, {"Forest": pairs}))
    forest = rows[rows["class"] == "Forest"]
    assert forest.groupby("group").size().tolist() == [2, 2, 2]


def test_it_is_a_measure_and_not_a_rival(tmp_path):
    assert rivals(["real", "halved", "halved+logit-adjustment", "synthetic"]) == ["real"]
    with pytest.raises(BadInput, match="leaves images out and adds some"):
        arm_of("halved+synthetic")
