import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from augment.catalogue.config import ScanConfig, SplitConfig
from augment.catalogue.entries import Given
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source
from augment.catalogue.split import assign_splits
from terrabalance.errors import BadInput
from terrabalance.manifest import REPAIRED, Manifest, frame_of


def manifest_of(tmp_path, rows):
    return Manifest(tmp_path, frame_of([{"status": "ok", "source": "real", **row} for row in rows]))


def images(name, n, **more):
    return [{"path": f"{name}/{i}.jpg", "class": name, **more} for i in range(n)]


def counts(manifest, name):
    parts = manifest.usable(class_name=name)["split"]
    return [int((parts == part).sum()) for part in ("train", "val", "test")]


def test_each_class_is_divided_in_the_asked_fractions(tmp_path):
    manifest = manifest_of(tmp_path, images("Pond", 100) + images("Park", 7) + images("Bog", 3))
    split = assign_splits(manifest, SplitConfig(val=0.1, test=0.25), 0)
    assert counts(split, "Pond") == [65, 10, 25]
    assert counts(split, "Park") == [4, 1, 2]
    assert counts(split, "Bog") == [1, 1, 1]


@pytest.mark.parametrize("val, test", [(0.2, 0.2), (0.45, 0.5), (0.01, 0.9), (0.9, 0.01)])
def test_every_part_gets_an_image_from_three_images_on(tmp_path, val, test):
    rows = [row for n in range(3, 40) for row in images(f"c{n}", n)]
    split = assign_splits(manifest_of(tmp_path, rows), SplitConfig(val=val, test=test), 1)
    for n in range(3, 40):
        assert min(counts(split, f"c{n}")) >= 1 and sum(counts(split, f"c{n}")) == n


def test_the_order_of_rows_does_not_matter_and_the_seed_does(tmp_path):
    rows = images("Pond", 40) + images("Park", 40, group=-1)
    for first, second in ((3, 30), (7, 45)):
        rows[first]["group"] = rows[second]["group"] = first

    def parts(rows, seed):
        frame = assign_splits(manifest_of(tmp_path, rows), SplitConfig(), seed).frame
        return dict(zip(frame["path"], frame["split"], strict=True))

    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    assert parts(rows, 0) == parts(shuffled, 0) != parts(rows, 1)


def test_new_images_of_one_class_move_no_image_of_another(tmp_path):
    rows = images("Pond", 40) + images("Park", 40) + images("Bog", 40)
    for first, second in ((3, 30), (45, 90)):  # of one class, and of Park and Bog
        rows[first]["group"] = rows[second]["group"] = first

    def parts(rows, *names):
        frame = assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0).frame
        frame = frame[frame["class"].isin(names)]
        return dict(zip(frame["path"], frame["split"], strict=True))

    more = rows + [{**row, "path": f"new/{row['path']}"} for row in images("Pond", 25)]
    assert parts(more, "Park", "Bog") == parts(rows, "Park", "Bog")
    before, after = parts(rows, "Pond"), parts(more, "Pond")
    assert {path: after[path] for path in before} != before  # its own may move


def test_near_duplicates_stay_together_also_between_classes(tmp_path):
    rng = np.random.default_rng(0)
    rows = images("Pond", 100) + images("Park", 50)
    for row in rows:
        row["group"] = int(rng.integers(0, 25)) if rng.random() < 0.5 else -1
    split = assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0)
    grouped = split.frame[split.frame["group"] >= 0]
    assert (grouped.groupby("group")["split"].nunique() == 1).all()
    assert np.allclose(counts(split, "Pond"), [60, 20, 20], atol=4)


def test_a_class_of_three_groups_reaches_every_part(tmp_path):
    rows = [{**row, "group": i // 2} for i, row in enumerate(images("Pond", 6))]
    assert counts(assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0), "Pond") == [2, 2, 2]


def test_every_class_too_small_is_named_with_its_count(tmp_path):
    rows = images("Pond", 9) + images("Bog", 2) + images("Fen", 4, group=7)
    rows += images("Ruin", 3, status="truncated") + images("docs", 1, status="not an image")
    with pytest.raises(BadInput) as caught:
        assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0)
    text = str(caught.value)
    assert "'Bog' has 2 usable" in text and "'Fen' has 4 usable" in text and "'Ruin' has 0" in text
    assert "0 in test; truncated: 3)" in text
    assert "Pond" not in text and "docs" not in text and "val (0.2)" in text


def test_groups_and_places_that_share_an_image_stay_together(tmp_path):
    rows = images("Pond", 40) + images("Park", 40)
    for place, numbers in enumerate([(0, 41), (5, 47), (9, 50)]):
        rows[numbers[0]]["group"] = rows[numbers[1]]["group"] = place
        rows[numbers[1]]["place"] = rows[numbers[1] + 1]["place"] = place
    parts = assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 3).frame["split"]
    for first, second in [(0, 41), (5, 47), (9, 50)]:
        assert parts[first] == parts[second] == parts[second + 1]


def test_where_places_make_a_class_too_small_their_setting_is_named(tmp_path):
    rows = images("Pond", 9) + images("Delta", 30, place=3)
    with pytest.raises(BadInput, match=r"place_distance=none") as caught:
        assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0)
    assert re.search(r"'Delta' has 30 usable images \(.*; places: 1\)", str(caught.value))
    with pytest.raises(BadInput) as caught:
        assign_splits(manifest_of(tmp_path, images("Bog", 2, place=-1)), SplitConfig(), 0)
    assert "place_distance" not in str(caught.value)


def parted(name, **counts):
    return [
        {"path": f"{name}/{part}-{i}.jpg", "class": name, "split": part}
        for part, n in counts.items()
        for i in range(n)
    ]


def test_a_given_split_is_honoured_and_other_parts_are_set_aside(tmp_path):
    manifest = manifest_of(tmp_path, parted("Pond", train=3, val=1, test=1, oracle=4))
    assert assign_splits(manifest, SplitConfig(), 0).frame.equals(manifest.frame)


def test_a_split_for_some_images_only_is_refused_with_the_number(tmp_path):
    rows = parted("Pond", train=3, val=1, test=1) + images("Park", 2)
    with pytest.raises(BadInput, match="2 of 7 usable images have no split"):
        assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0)


def test_what_a_given_split_would_leak_is_left_out(tmp_path):
    rows = parted("Pond", train=4, val=3, test=2, oracle=1)
    for path, group in {"train-0": 0, "val-0": 0, "test-1": 0, "train-1": 1, "val-1": 1,
                        "train-2": 2, "oracle-0": 2}.items():  # fmt: skip
        next(row for row in rows if row["path"] == f"Pond/{path}.jpg")["group"] = group
    frame = assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0).frame.set_index("path")
    left_out = frame[frame["status"] != "ok"]
    assert left_out[["status", "detail"]].T.to_dict("list") == {
        "Pond/train-0.jpg": ["leaks into test", "Pond/test-1.jpg"],
        "Pond/val-0.jpg": ["leaks into test", "Pond/test-1.jpg"],
        "Pond/train-1.jpg": ["leaks into val", "Pond/val-1.jpg"],
    }
    assert (frame["split"] == [path.split("/")[1].split("-")[0] for path in frame.index]).all()


def test_a_given_split_must_name_all_parts(tmp_path):
    rows = parted("Pond", train=3, test=1, holdout=2)
    with pytest.raises(BadInput, match=r"no usable image in 'val'.*holdout"):
        assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0)


def test_images_of_a_part_that_lie_in_no_class_folder_are_told(tmp_path):
    lost = [{**row, "class": "", "status": "no class"} for row in parted("", test=6)]
    rows = parted("Pond", train=3) + lost
    with pytest.raises(BadInput, match=r"Left out there: no class: 6, the first is /test"):
        assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0)


def test_a_given_split_without_val_has_it_drawn_from_train_and_the_log_says_so(tmp_path, caplog):
    rows = parted("Pond", train=40, test=5) + parted("Park", train=20, test=3, oracle=1)
    for name, number in (("Pond", 7), ("Pond", 9)):
        next(r for r in rows if r["path"] == f"{name}/train-{number}.jpg")["group"] = 1
    split = assign_splits(manifest_of(tmp_path, rows), SplitConfig(val=0.25), 0)
    assert counts(split, "Pond") == [30, 10, 5] and counts(split, "Park") == [15, 5, 3]
    frame = split.frame.set_index("path")
    assert frame.at["Pond/train-7.jpg", "split"] == frame.at["Pond/train-9.jpg", "split"]
    assert "has no val; it is drawn from train, 0.25 of each class" in caplog.text


def test_val_drawn_from_train_has_no_copy_of_test_and_leaves_each_class_some_to_train(tmp_path):
    rows = parted("Pond", train=9, test=3)
    rows[0]["group"] = rows[-1]["group"] = 0
    split = assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0)
    assert split.frame["status"].tolist().count("leaks into test") == 1
    with pytest.raises(BadInput, match=r"each of train and val \(0.2\).*'Bog' has 1 usable"):
        assign_splits(
            manifest_of(tmp_path, rows + parted("Bog", train=1, test=3)), SplitConfig(), 0
        )


def test_a_given_split_with_one_held_out_part_or_none_says_what_to_do(tmp_path):
    for rows, words in (
        (parted("Pond", train=5, val=3), "name it test"),
        (parted("Pond", train=5), "To have train split, give it alone"),
    ):
        with pytest.raises(BadInput, match=words):
            assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0)


def test_a_class_without_val_images_is_named_in_the_log(tmp_path, caplog):
    rows = parted("Pond", train=3, val=1, test=1) + parted("Park", train=3, test=1)
    assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0)
    assert "without a usable image in val: 'Park'" in caplog.text


def test_a_given_split_is_kept_where_places_lie_in_two_parts_and_the_log_says_so(tmp_path, caplog):
    rows = parted("Pond", train=3, val=1, test=2)
    rows[0]["place"] = rows[-1]["place"] = 4
    rows[1]["place"] = rows[2]["place"] = 5
    assert (
        assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0).frame["status"] == "ok"
    ).all()
    assert "2 images of the given split show a place that is in another part" in caplog.text


def test_a_class_that_a_given_split_does_not_train_or_test_is_named(tmp_path):
    rows = parted("Pond", train=3, val=1, test=1) + parted("Park", train=3, val=1)
    rows += parted("Bog", oracle=2)
    with pytest.raises(BadInput, match=r"'Bog', 'Park'"):
        assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0)


def test_no_usable_image_is_refused_with_the_reasons(tmp_path):
    rows = images("Pond", 3, status="no data", detail="50% of it holds no data")
    rows += images("Bog", 1, status="empty")
    said = (
        "no image can be used (empty: 1, the first is Bog/0.jpg; no data: 3, the first is "
        "Pond/0.jpg, 50% of it holds no data)."
    )
    with pytest.raises(BadInput, match=re.escape(said)):
        assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0)


ELSEWHERE = "Unpack the archive to do so, and give the unpacked folder instead."


@pytest.mark.parametrize(
    "rows",
    [
        images("Pond", 9) + images("Bog", 2),
        parted("Pond", train=3, val=1, test=1) + parted("Park", train=3, val=1),
    ],
)
@pytest.mark.parametrize(
    "given, remedy",
    [
        (Given(Path("sub/all.csv"), "csv"), "To leave a class out, take its lines out of the CSV."),
        (Given(Path("all.tar"), "archive"), f"move its folder elsewhere. {ELSEWHERE}"),
        (Given(Path("all")), "To leave a class out, move its folder elsewhere."),
    ],
)
def test_what_the_user_gave_is_named_with_a_remedy_for_its_kind(tmp_path, rows, given, remedy):
    with pytest.raises(BadInput) as caught:
        assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0, given)
    said = str(caught.value)
    assert said.startswith(f"{given}: ") and said.endswith(remedy) and str(tmp_path) not in said


@pytest.mark.parametrize(
    "rows",
    [
        images("Pond", 3, status="empty"),
        parted("Pond", train=3, val=1, test=1) + images("Park", 2),
        parted("Pond", train=3, test=1, holdout=2),
        parted("Pond", train=3, val=1) + images("Pond", 1, split="test", detail=REPAIRED),
    ],
)
def test_every_refusal_of_a_split_names_the_csv_and_not_the_folder_of_its_images(tmp_path, rows):
    with pytest.raises(BadInput) as caught:
        assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0, Given(Path("all.csv"), "csv"))
    said = str(caught.value)
    assert said.startswith("all.csv: ") and str(tmp_path) not in said and "Move" not in said


def test_warnings_of_a_split_name_what_the_user_gave(tmp_path, caplog):
    rows = parted("Pond", train=40, test=5) + parted("Park", train=20, test=3)
    assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0, Given(Path("all.csv"), "csv"))
    assert "all.csv: the given split has no val" in caplog.text
    rows = parted("Pond", train=3, val=1, test=1) + parted("Park", train=3, test=1)
    assign_splits(manifest_of(tmp_path, rows), SplitConfig(), 0, Given(Path("all.csv"), "csv"))
    assert "all.csv: classes without a usable image in val" in caplog.text


def test_fractions_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(ValidationError, match="leave nothing"):
        SplitConfig(val=0.5, test=0.5)


def test_the_long_tailed_protocol_keeps_its_counts(aid, tmp_path):
    source = open_source(aid / "aid-lt10.csv", tmp_path)
    source.entries[:] = [entry for entry in source.entries if entry.class_name in ("Port", "Pond")]
    split = assign_splits(scan(source, ScanConfig()), SplitConfig(), 0)
    left_out = split.frame[split.frame["status"] != "ok"]
    assert set(left_out["path"]) == {"Port/port_183.jpg"}  # the oracle's twin of a test image
    assert counts(split, "Pond")[0] == 98
