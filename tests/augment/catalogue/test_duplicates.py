import numpy as np
import pytest

from augment.catalogue import duplicates
from augment.catalogue.duplicates import (
    group_near_duplicates,
    mark_duplicates,
    near_duplicate_labels,
)
from terrabalance.manifest import frame_of


def row(path, sha, split="", status="ok", phash="0" * 16):
    name = path.split("/")[0]
    return {"path": path, "class": name, "split": split, "status": status, "sha256": sha,
            "phash": phash}  # fmt: skip


def marked(rows):
    return mark_duplicates(frame_of(rows), [row["sha256"] for row in rows])


def kept(*rows):
    frame = marked(list(rows))
    return frame[frame["status"] == "ok"]["path"].tolist()


@pytest.mark.parametrize(
    "splits, winner",
    [
        (("train", "test", "val"), 1),
        (("train", "oracle", "val"), 2),
        (("oracle", "train", "unused"), 1),
        (("oracle", "", ""), 1),
        (("", "", ""), 0),
    ],
)
def test_the_copy_in_the_most_precious_part_is_kept(splits, winner):
    rows = [row(f"Pond/{i + 9}.jpg", "s", split) for i, split in enumerate(splits)]
    assert kept(*rows) == [f"Pond/{winner + 9}.jpg"]


def test_the_first_by_natural_path_is_kept_whatever_the_order_of_rows():
    assert kept(row("Pond/10.jpg", "s"), row("Pond/9.jpg", "s")) == ["Pond/9.jpg"]


def test_one_picture_under_two_labels_is_left_out_everywhere():
    rows = [row("Pond/a", "s", "test"), row("Pond/b", "s"), row("Park/c", "s"), row("Park/d", "t")]
    frame = marked(rows)
    assert frame["status"].tolist() == ["label conflict"] * 3 + ["ok"]
    assert frame["detail"].tolist() == ["Park/c", "Park/c", "Pond/a", ""]


def test_only_usable_files_are_copies_of_each_other():
    rows = [row("Pond/a", "e", status="empty"), row("Park/b", "e", status="empty")]
    assert marked(rows)["status"].tolist() == ["empty", "empty"]


def near_hashes(rng, n_families, n_each, bits):
    """Hashes in families, whose members differ from the first in a few random bits."""
    base = rng.integers(0, 2**64, n_families, dtype=np.uint64).repeat(n_each)
    for _ in range(bits):
        flip = np.uint64(1) << rng.integers(0, 64, len(base), dtype=np.uint64)
        base = np.where(rng.random(len(base)) < 0.5, base ^ flip, base)
    return rng.permutation(base)


def brute_force(hashes, max_bits):
    parent = list(range(len(hashes)))

    def find(node):
        while parent[node] != node:
            node = parent[node]
        return node

    for i, one in enumerate(hashes.tolist()):
        for j, other in enumerate(hashes.tolist()[:i]):
            if (one ^ other).bit_count() <= max_bits:
                parent[find(i)] = find(j)
    return np.array([find(i) for i in range(len(hashes))])


@pytest.mark.parametrize("max_bits", [0, 2, 4, 6])
def test_groups_equal_those_of_brute_force(max_bits, monkeypatch):
    monkeypatch.setattr("augment.catalogue.duplicates._BLOCK", 64)
    monkeypatch.setattr("augment.catalogue.duplicates._PAIRS", 7)
    hashes = near_hashes(np.random.default_rng(max_bits), 60, 5, 4)
    thumbnails = np.zeros((len(hashes), 16, 16), np.uint8)
    ours, wanted = (
        near_duplicate_labels(hashes, thumbnails, max_bits),
        brute_force(hashes, max_bits),
    )
    assert np.array_equal(ours[:, None] == ours, wanted[:, None] == wanted)
    assert len(np.unique(wanted)) < len(hashes)


def test_flat_images_that_share_a_hash_but_not_their_grey_form_no_chain():
    levels = np.linspace(20, 230, 100).round().astype(np.uint8)
    thumbnails = np.broadcast_to(levels[:, None, None], (100, 16, 16))
    labels = near_duplicate_labels(np.zeros(100, np.uint64), thumbnails, 4)
    assert len(np.unique(labels)) == 100


def test_faint_noise_on_the_same_grey_is_not_the_same_picture():
    noise = np.random.default_rng(0).normal(120, 3, (200, 16, 16)).round().astype(np.uint8)
    assert len(np.unique(near_duplicate_labels(np.zeros(200, np.uint64), noise, 4))) == 200


def test_groups_are_numbered_by_their_first_path_and_alone_is_minus_one():
    rows = [
        row("P/10", "a", phash="00000000000000ff"),
        row("P/9", "b", phash="ff00000000000000"),
        row("P/11", "c", phash="ff00000000000001"),
        row("P/12", "d", phash="00000000000000fe"),
        row("P/13", "e", phash="0f0f0f0f0f0f0f0f"),
        row("P/14", "f", phash="00000000000000ff", status="too small"),
    ]
    frame = group_near_duplicates(frame_of(rows), np.zeros((6, 16, 16), np.uint8), 4)
    assert frame["group"].tolist() == [1, 0, 0, 1, -1, -1]


def test_a_repaired_image_is_of_the_group_of_its_original_however_much_was_filled():
    rows = [
        row("P/1", "s1", phash="00000000000000ff"),
        row("P/2", "s2", phash="ff00000000000000"),
        row("P/2_repaired", "s3", phash="0f0f0f0f0f0f0f0f"),
        row("P/9_repaired", "s4", phash="f0f0f0f0f0f0f0f0"),
    ]
    thumbnails = np.zeros((4, 16, 16), np.uint8)
    frame = group_near_duplicates(frame_of(rows), thumbnails, 4, ["", "", "s2", "not here"])
    assert frame["group"].tolist() == [-1, 0, 0, -1]


def test_no_usable_image_gives_no_group():
    frame = frame_of([row("P/1", "a", status="empty", phash="")])
    assert group_near_duplicates(frame, np.zeros((1, 16, 16), np.uint8), 4)["group"].tolist() == [
        -1
    ]


def test_of_many_images_the_same_pairs_are_found_as_of_few(monkeypatch):
    rng = np.random.default_rng(0)
    originals = rng.integers(0, 2**63, 200).astype(np.uint64)
    near = originals[rng.integers(0, 200, 800)]
    for _ in range(3):
        near = near ^ (np.uint64(1) << rng.integers(0, 64, 800).astype(np.uint64))
    hashes = np.concatenate([originals, near, np.zeros(40, np.uint64)])
    grey = np.full((len(hashes), 16, 16), 100, np.uint8)
    every_pair = near_duplicate_labels(hashes, grey, 4)
    monkeypatch.setattr(duplicates, "_FEW", 10)
    assert np.array_equal(near_duplicate_labels(hashes, grey, 4), every_pair)
    assert 2 < len(np.unique(every_pair)) < len(hashes)
