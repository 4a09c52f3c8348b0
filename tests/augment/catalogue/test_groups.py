import logging

import numpy as np
import pytest

from augment.catalogue.entries import Entry
from augment.catalogue.groups import find_alike, group_images, named_groups
from augment.catalogue.hashes import Sketches
from terrabalance.errors import BadInput
from terrabalance.manifest import frame_of


def rows(*paths, **more):
    """Rows of a manifest, whose class is the folder; `more` is a list a column."""
    made = [{"path": path, "class": path.split("/")[0], "status": "ok", "source": "real",
             "sha256": f"sum of {path}"} for path in paths]  # fmt: skip
    for column, values in more.items():
        for row, value in zip(made, values, strict=True):
            row[column] = value
    return frame_of(made)


def grouped(frame, alike, *more):
    return group_images(frame, np.array(alike), *more)


def test_pictures_that_are_alike_are_numbered_by_their_first_path_and_alone_is_minus_one():
    frame = rows("P/10", "P/9", "P/11", "P/12", "P/13", "P/14", status=["ok"] * 5 + ["too small"])
    sketches = Sketches.room_for(6)
    sketches.ranges[:] = 0, 255
    hashes = ["00ff", "ff00", "ff01", "00fe", "0f0f", "00ff"]
    sketches.hashes[:] = np.array([int(text * 4, 16) for text in hashes], np.uint64)[:, None]
    assert find_alike(frame, sketches, 4).tolist() == [1, 0, 0, 1, -1, -1]
    assert grouped(frame, [1, 0, 0, 1, -1, -1])["group"].tolist() == [1, 0, 0, 1, -1, -1]


def test_groups_count_the_images_that_are_left_only():
    frame = rows("P/1", "P/2", "P/3", "P/4", status=["duplicate", "ok", "ok", "ok"])
    assert grouped(frame, [0, 0, 1, 1])["group"].tolist() == [-1, -1, 0, 0]


def test_no_usable_image_gives_no_group():
    frame = rows("P/1", status=["empty"])
    assert find_alike(frame, Sketches.room_for(1), 4).tolist() == [-1]
    assert grouped(frame, [-1])["group"].tolist() == [-1]


def test_a_repaired_image_is_of_the_group_of_its_original_however_much_was_filled():
    frame = rows("P/1", "P/2", "P/2_repaired", "P/9_repaired")
    originals = ["", "", "sum of P/2", "not here"]
    assert grouped(frame, [-1] * 4, originals)["group"].tolist() == [-1, 0, 0, -1]


def test_names_likeness_and_repairs_join_to_one_group():
    frame = rows("P/1", "P/2", "P/3", "P/4", "P/5", "P/6")
    names = [["a", "a", "", "", "b", ""], ["", "x", "x", "", "", ""]]
    assert grouped(frame, [-1, -1, 0, 0, -1, -1], [], names)["group"].tolist() == [0] * 4 + [-1, -1]


def test_one_name_in_the_column_is_not_the_same_as_in_the_pattern():
    frame = rows("P/1", "P/2")
    assert grouped(frame, [-1, -1], [], [["1", ""], ["", "1"]])["group"].tolist() == [-1, -1]


def test_nearly_the_same_picture_under_two_labels_is_left_out_under_both():
    frame = grouped(rows("Pond/1", "Pond/2", "Park/3", "Park/4", "Bog/5"), [0, 0, 0, 1, 1])
    assert frame["status"].tolist() == ["near label conflict"] * 5
    assert frame["detail"].tolist() == ["Park/3", "Park/3", "Pond/1", "Bog/5", "Park/4"]
    assert frame["group"].tolist() == [1, 1, 1, 0, 0]


def test_images_that_are_named_alike_may_have_different_labels():
    frame = grouped(rows("Pond/1", "Park/2"), [-1, -1], [], [["a", "a"]])
    assert frame["status"].tolist() == ["ok", "ok"] and frame["group"].tolist() == [0, 0]


def test_a_synthetic_image_that_is_nearly_a_real_one_of_another_class_goes_alone():
    paths = "Pond/1", "Park/made", "Pond/made"
    frame = grouped(rows(*paths, source=["real", "synthetic", "synthetic"]), [0, 0, 0])
    assert frame["status"].tolist() == ["ok", "near label conflict", "ok"]
    assert frame["detail"].tolist() == ["", "Pond/1", ""]


ENTRIES = [Entry("A/scene1_1.png", "A"), Entry("B/scene1_2.png", "B"), Entry("B/x.png", "B")]


def test_a_pattern_names_the_scene_by_its_first_group_or_by_all_that_it_finds(caplog):
    assert named_groups(ENTRIES, r"scene(\d+)_(\d)") == [["1", "1", ""]]
    assert named_groups(ENTRIES, r"scene\d+") == [["scene1", "scene1", ""]]
    with caplog.at_level(logging.WARNING):
        named_groups(ENTRIES, r"scene\d+")
    assert "found in 2 of 3 paths" in caplog.text and "B/x.png" in caplog.text


def test_the_column_and_the_pattern_both_count():
    entries = [Entry("A/s1.png", "A", group="left"), Entry("A/s2.png", "A")]
    assert named_groups(entries, r"s\d") == [["left", ""], ["s1", "s2"]]
    assert named_groups(entries, None) == [["left", ""]]
    assert named_groups(ENTRIES, None) == []


def test_a_pattern_that_is_found_nowhere_is_refused_with_a_path():
    with pytest.raises(BadInput, match=r"scan\.group_by: 'tile' is found in none of 3 paths.*A/sc"):
        named_groups(ENTRIES, "tile")
