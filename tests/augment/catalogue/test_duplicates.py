import pytest

from augment.catalogue.duplicates import mark_duplicates
from terrabalance.manifest import frame_of


def row(path, sha, split="", status="ok"):
    name = path.split("/")[0]
    return {"path": path, "class": name, "split": split, "status": status, "sha256": sha}


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
