import logging

import pytest

from augment.catalogue.entries import Given
from augment.catalogue.layout import read_layout
from augment.catalogue.sources import open_source
from terrabalance.errors import BadInput


@pytest.fixture
def read(tmp_path):
    """Write images at these paths; return each one's class and part."""

    def write_and_list(*paths, class_folder="auto"):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(b"x")
        source = open_source(tmp_path, tmp_path / "x", class_folder=class_folder)
        return {entry.path: (entry.class_name, entry.split) for entry in source.entries}

    return write_and_list


@pytest.mark.parametrize(
    "train, val, test",
    [
        ("train", "Validation", "test"),
        ("Training", "valid", "Testing"),
        ("seg_train", "seg_val", "seg_test"),
        ("train_images", "dev_images", "eval_images"),
        ("trainset", "valset", "testset"),
        ("TrainData", "ValData", "TestData"),
        ("train2017", "val2017", "test2017"),
        ("images-train", "images-dev", "images-evaluation"),
        ("TRAIN", "DEV", "EVAL"),
    ],
)
def test_parts_are_known_by_any_usual_name(read, train, val, test):
    assert read(
        f"{train}/Pond/a.jpg", f"{val}/Pond/b.jpg", f"{test}/Pond/sub/c.jpg", f"{train}/d.jpg"
    ) == {
        f"{train}/Pond/a.jpg": ("Pond", "train"),
        f"{val}/Pond/b.jpg": ("Pond", "val"),
        f"{test}/Pond/sub/c.jpg": ("Pond", "test"),
        f"{train}/d.jpg": ("", "train"),
    }


@pytest.mark.parametrize("parts", [("Training", "Testing"), ("train", "dev"), ("trainval", "test")])
def test_two_parts_are_enough(read, parts):
    found = read(*(f"{part}/{name}/{part}.jpg" for part in parts for name in "AB"))
    assert {name for name, _ in found.values()} == {"A", "B"}
    assert len({part for _, part in found.values()}) == 2


def test_a_folder_beside_the_parts_is_set_aside_and_makes_no_class(read, caplog):
    with caplog.at_level(logging.WARNING):
        found = read("train/A/1.jpg", "val/A/2.jpg", "test/A/3.jpg", "seg_pred/4.jpg",
                     "extra/A/5.jpg", "extra/Other/6.jpg", "docs/readme.txt")  # fmt: skip
    assert {name for name, _ in found.values()} == {"A", ""}
    assert found["extra/A/5.jpg"] == ("A", "extra") and found["extra/Other/6.jpg"][0] == ""
    assert found["seg_pred/4.jpg"] == ("", "seg_pred") and "docs/readme.txt" not in found
    assert "extra, seg_pred are neither train, val nor test" in caplog.text


def test_parts_below_the_classes_are_parts(read):
    assert read("Pond/train/a.jpg", "Pond/test/b.jpg", "Park/Training/c.jpg") == {
        "Pond/train/a.jpg": ("Pond", "train"),
        "Pond/test/b.jpg": ("Pond", "test"),
        "Park/Training/c.jpg": ("Park", "train"),
    }


BELOW = [f"{name}/{part}/1.jpg" for name in ("Pond", "Park") for part in ("train", "val", "test")]


@pytest.mark.parametrize("class_folder", ["auto", "top"])
def test_an_image_beside_the_parts_of_a_class_takes_no_split_away(read, caplog, class_folder):
    found = read(*BELOW, "Pond/overview.png", class_folder=class_folder)
    assert found.pop("Pond/overview.png") == ("", "")
    assert found == {path: tuple(path.split("/")[:2]) for path in BELOW}
    assert "images right in Pond, beside test, train, val, are of no part" in caplog.text


def test_a_folder_beside_the_parts_of_a_class_is_set_aside(read, caplog):
    found = read(*BELOW, "Pond/spare/2.jpg")
    assert found["Pond/spare/2.jpg"] == ("Pond", "spare") and found["Pond/val/1.jpg"][1] == "val"
    assert "spare are neither train, val nor test" in caplog.text


@pytest.mark.parametrize("other", ["Lake/1.jpg", "Lake/2019/1.jpg"])
@pytest.mark.parametrize("class_folder", ["auto", "top", "last"])
def test_parts_below_some_classes_alone_are_refused(read, other, class_folder):
    with pytest.raises(BadInput, match=r"test, train, val in Park, Pond are parts.*none in Lake"):
        read(*BELOW, other, class_folder=class_folder)


def test_an_image_beside_the_parts_in_a_folder_around_them_takes_no_split_away(read):
    found = read("aid/overview.png", "aid/train/Pond/1.jpg", "aid/test/Pond/2.jpg",
                 class_folder="last")  # fmt: skip
    assert found == {"aid/overview.png": ("", ""), "aid/train/Pond/1.jpg": ("Pond", "train"),
                     "aid/test/Pond/2.jpg": ("Pond", "test")}  # fmt: skip


@pytest.mark.parametrize(
    "paths",
    [
        ("land/train/1.jpg", "land/bus/2.jpg", "water/ship/3.jpg"),
        ("land/train/1.jpg", "land/bus/2.jpg", "other/test/3.jpg"),
    ],
)
def test_groups_of_classes_of_which_one_is_named_train_have_no_parts(read, paths):
    assert {part for _, part in read(*paths, class_folder="top").values()} == {""}


@pytest.mark.parametrize("around", ["", "download/"])
def test_a_part_that_lies_in_a_folder_of_its_own_name_is_read(read, around):
    found = read(f"{around}seg_train/seg_train/sea/1.jpg", f"{around}seg_test/seg_test/sea/2.jpg",
                 f"{around}seg_train/overview.png")  # fmt: skip
    assert list(found.values()) == [("sea", "test"), ("", "train"), ("sea", "train")]


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_a_class_that_is_named_like_its_part_is_a_class(read, name):
    found = read(*(f"{part}/{of}/1.jpg" for part in ("train", "val", "test") for of in
                   (name, "bus")))  # fmt: skip
    assert found == {path: tuple(reversed(path.split("/")[:2])) for path in found}


@pytest.mark.parametrize(
    "paths",
    [
        ("train/a.jpg", "plane/b.jpg"),
        ("train_station/a.jpg", "test_track/b.jpg"),
        ("train_station/x/a.jpg", "test_station/y/b.jpg"),
        ("train/1.jpg", "test/1.jpg", "ship/1.jpg"),
    ],
)
def test_classes_that_are_named_like_parts_are_classes(read, paths):
    assert list(read(*paths).values()) == [(path.split("/")[0], "") for path in sorted(paths)]


@pytest.mark.parametrize(
    "like_parts, others",
    [
        ("test, train, val", ["river"]),
        ("test, train", ["oracle"]),
        ("Testing, Validation", ["river", "lake"]),
        ("seg_test, seg_train", ["river"]),
    ],
)
@pytest.mark.parametrize("around", ["", "download/"])
def test_classes_that_are_named_like_parts_are_told(read, caplog, around, like_parts, others):
    names = [*like_parts.split(", "), *others]
    found = read(*(f"{around}{name}/{name}.jpg" for name in names))
    assert {name for name, _ in found.values()} == set(names)
    (said,) = caplog.messages
    assert f": {like_parts} are taken as classes" in said and "path, class and split" in said


@pytest.mark.parametrize(
    "paths",
    [
        ("train/a.jpg", "plane/b.jpg"),
        ("train_station/a.jpg", "test_track/b.jpg"),
        ("test1/a.jpg", "test2/b.jpg", "river/c.jpg"),
        ("train/train/a.jpg", "train/test/b.jpg", "test/train/c.jpg", "test/test/d.jpg"),
    ],
)
def test_no_class_is_told_to_be_a_part_where_one_alone_is_named_so_or_parts_are_there(
    read, caplog, paths
):
    read(*paths)
    assert not caplog.messages


def test_parts_without_classes_are_refused(read):
    with pytest.raises(BadInput, match=r"test, train are parts of a split.*no classes.*put each"):
        read("train/a.jpg", "test/b.jpg")


@pytest.mark.parametrize("part", ["train/", ""])
def test_images_and_labels_of_a_detector_are_told_to_be_no_classes(read, caplog, part):
    read(f"{part}images/1.png", f"{part}labels/1.txt", f"{part}images/2.png")
    one, none = caplog.messages
    assert "only the folder images holds images, of images, labels" in one
    assert "images, labels are no classes by their names" in none and "CSV" in none


def test_images_and_masks_are_told_to_be_no_classes(read, caplog):
    read("train/images/1.png", "train/masks/1.png", "test/images/2.png", "test/masks/2.png")
    (said,) = caplog.messages
    assert "images, masks are no classes by their names" in said


def test_a_class_whose_folder_holds_no_images_is_told_where_one_is_left(read, caplog):
    read("Pond/1.png", "Park/readme.txt")
    (said,) = caplog.messages
    assert "only the folder Pond holds images, of Park, Pond" in said


def test_a_folder_around_all_classes_is_passed_by(read):
    found = read("download/AID/Pond/a.jpg", "download/AID/Park/b.jpg", "README.md")
    assert [name for name, _ in found.values()] == ["Park", "Pond"]


def test_years_numbers_and_formats_below_a_class_are_of_the_class(read):
    found = read("Pond/2019/a.tif", "Pond/2020/b.tif", "Park/images/c.tif", "Park/001/d.tif")
    assert {name for name, _ in found.values()} == {"Pond", "Park"}


SITES = [f"{site}/{name}/1.jpg" for site in ("north", "south") for name in ("Beach", "Forest")]
NESTED = ["natural/Beach/1.jpg", "natural/Forest/1.jpg", "built/Church/1.jpg", "built/School/1.jpg"]


def test_top_folders_with_the_same_folders_are_asked_about(read):
    with pytest.raises(BadInput, match=r"north, south hold folders \(Beach, Forest\)") as caught:
        read(*SITES)
    for words in ("scan.class_folder=last for Beach, Forest", "=top for north, south",
                  "rename them to train, val and test"):  # fmt: skip
        assert words in str(caught.value)


def test_groups_of_classes_are_asked_about(read):
    with pytest.raises(BadInput, match=r"built, natural hold folders \(Beach, Church, F") as caught:
        read(*NESTED)
    assert "train, val" not in str(caught.value)


def test_in_parts_likewise(read):
    with pytest.raises(BadInput, match="built, natural hold folders"):
        read(*(f"{part}/{path}" for part in ("train", "test") for path in NESTED))


def test_the_user_says_which_folder_is_the_class(read):
    last = read(*NESTED, class_folder="last")
    assert {name for name, _ in last.values()} == {"Beach", "Forest", "Church", "School"}
    top = read(*NESTED, class_folder="top")
    assert {name for name, _ in top.values()} == {"natural", "built"}


def test_the_last_folder_below_a_part_is_the_class_if_asked(read):
    found = read("train/north/Beach/1.jpg", "test/south/Beach/2.jpg", class_folder="last")
    assert list(found.values()) == [("Beach", "test"), ("Beach", "train")]


def test_classes_below_very_many_single_folders_are_found(tmp_path):
    below = "wrap/" * 1500
    roles = read_layout(Given(tmp_path), {f"{below}Pond": 3, f"{below}Park": 2}, "auto")
    assert [role.class_name for role in roles.values()] == ["Pond", "Park"]
