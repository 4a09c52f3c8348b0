import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augment.catalogue.long_tail import LongTail, make_long_tail, profile
from terrabalance.errors import BadInput
from terrabalance.manifest import REPAIRED, Manifest, frame_of

BESIDE = ("train", "oracle", "unused")  # no score is of these, so a group may be in several


def images(name, n, **more):
    return [
        {
            "path": f"{name}/{i}.jpg", "class": name, "status": "ok", "source": "real",
            "sha256": hashlib.sha256(f"{name} {i}".encode()).hexdigest(), **more,
        }
        for i in range(n)
    ]  # fmt: skip


def three(n=40, **more):
    return [row for name in ("Bog", "Park", "Pond") for row in images(name, n, **more)]


def made(rows, imbalance=4.0, **wanted):
    return make_long_tail(Manifest(Path("tiles"), frame_of(rows)), LongTail(imbalance, **wanted))


def counts(found):
    table = found.rows.groupby(["class", "split"]).size()
    return {
        name: [int(table.get((name, part), 0)) for part in ("train", "val", "test", *BESIDE[1:])]
        for name in found.order
    }


def parts(found):
    return dict(zip(found.rows["path"], found.rows["split"], strict=True))


def refusal(rows, *given, **wanted):
    with pytest.raises(BadInput) as refused:
        made(rows, *given, **wanted)
    return str(refused.value)


def test_the_profile_is_that_of_the_published_formula():
    """Worked out by hand, 1000 * 100 ** (-i / 9) and 98 * 10 ** (-i / 29), to the nearest."""
    assert profile(1000, 100, 10) == [1000, 599, 359, 215, 129, 77, 46, 28, 17, 10]
    assert profile(98, 10, 30) == [
        98, 91, 84, 77, 71, 66, 61, 56, 52, 48, 44, 41, 38, 35, 32,
        30, 28, 25, 23, 22, 20, 18, 17, 16, 15, 13, 12, 11, 11, 10,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "imbalance"), [("eurosat-lt100-a.csv", 100), ("aid-lt10.csv", 10)]
)
def test_the_profile_is_that_of_the_tables_that_were_measured(aid, table, imbalance):
    frame = pd.read_csv(aid / table)
    train = frame.loc[frame["split"] == "train", "class"].value_counts().tolist()
    assert profile(train[0], imbalance, len(train)) == train


def test_without_imbalance_every_class_has_the_head_and_a_half_is_rounded_up():
    assert profile(50, 1, 4) == [50, 50, 50, 50]
    assert profile(5, 100, 3) == [5, 1, 0]  # 5, 0.5, 0.05
    assert profile(25, 10, 2) == [25, 3]


def test_every_class_has_its_numbers_and_the_oracle_fills_it_up_to_the_head():
    found = made(three(), head=16, val=5, test=7, order="names")
    assert counts(found) == {
        "Bog": [16, 5, 7, 0, 12],
        "Park": [8, 5, 7, 8, 12],
        "Pond": [4, 5, 7, 12, 12],
    }
    assert found.rows["path"].tolist()[:3] == ["Bog/0.jpg", "Bog/1.jpg", "Bog/2.jpg"]
    assert (found.kept_away, found.repaired) == (0, 0)


@pytest.mark.parametrize(
    ("wanted", "val", "test", "head"),
    [
        ({}, 8, 8, 24),
        ({"head": 24}, 8, 8, 24),
        ({"head": 30}, 5, 5, 30),
        ({"head": 38}, 1, 1, 38),
        ({"val": 3}, 3, 8, 29),
        ({"val": 3, "head": 31}, 3, 6, 31),
        ({"val": 3, "test": 4}, 3, 4, 33),
    ],
)
def test_what_is_not_said_follows_from_the_smallest_class(wanted, val, test, head):
    rows = three(50)
    rows = [row for row in rows if row["class"] != "Park" or int(row["path"][5:-4]) < 40]
    found = made(rows, 2, **wanted, order="sizes")
    assert found.order == ["Bog", "Pond", "Park"]
    assert counts(found)["Bog"] == [head, val, test, 0, 50 - head - val - test]


def test_neither_the_names_of_files_nor_the_order_of_rows_decide_what_is_chosen():
    rows = three()
    first = made(rows)
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    again = made(shuffled)
    pd.testing.assert_frame_equal(first.rows, again.rows)
    names = {row["sha256"]: f"{row['class']}/{row['sha256'][:9]}.jpg" for row in rows}
    renamed = made([{**row, "path": names[row["sha256"]]} for row in rows])
    assert {names[row["sha256"]]: parts(first)[row["path"]] for row in rows} == parts(renamed)


def test_the_seed_decides_and_is_the_same_on_every_machine():
    found = made(three(6), val=1, test=1, head=4, seed=3)
    assert found.order == ["Park", "Bog", "Pond"]
    assert found.rows.loc[found.rows["split"] == "test", "path"].tolist() == [
        "Bog/0.jpg", "Park/5.jpg", "Pond/1.jpg",
    ]  # fmt: skip
    assert parts(found) != parts(made(three(6), val=1, test=1, head=4, seed=4))


def test_another_order_changes_no_image_of_val_and_test():
    rows = [row for n in range(9) for row in images(f"c{n}", 30)]
    first, second = (made(rows, order=seed) for seed in (1, 2))
    assert first.order != second.order
    for part in ("val", "test"):
        chosen = [{p for p, split in parts(f).items() if split == part} for f in (first, second)]
        assert chosen[0] == chosen[1]


@pytest.mark.parametrize("column", ["group", "place"])
@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_belongs_together_is_never_in_test_or_val_and_elsewhere(column, size, seed):
    """Units of one class and of several, and numbers that are no multiples of their sizes."""
    rows = three(60)
    for i, row in enumerate(rows):
        row[column] = i // size if i % 3 else i // size % 11
    found = made(rows, 3, head=20, val=5, test=8, seed=seed)
    assert [n[:4] for n in counts(found).values()] == [
        [20, 5, 8, 0], [12, 5, 8, 8], [7, 5, 8, 13],
    ]  # fmt: skip
    sides: dict[int, set[str]] = {}
    for row in rows:
        if row["path"] in parts(found):
            part = parts(found)[row["path"]]
            sides.setdefault(row[column], set()).add("rest" if part in BESIDE else part)
    assert all(len(side) == 1 for side in sides.values())
    assert found.kept_away == len(rows) - len(found.rows)


def test_pairs_stay_whole_where_single_images_can_make_up_the_number():
    rows = three()
    for name in ("Bog", "Park", "Pond"):
        own = [row for row in rows if row["class"] == name]
        for i in range(20):
            own[i]["group"] = 1000 * len(name) + ord(name[1]) * 10 + i // 2
    found = made(rows, head=15, val=5, test=5)
    groups: dict[int, Counter] = {}
    for row in rows:
        if "group" in row:
            groups.setdefault(row["group"], Counter())[parts(found)[row["path"]]] += 1
    assert all(len(split) == 1 for split in groups.values())
    assert found.kept_away == 0


def test_what_cannot_be_used_or_was_repaired_is_in_no_part():
    rows = three()
    rows[0]["status"], rows[1]["detail"] = "truncated", REPAIRED
    found = made(rows)
    assert not {rows[0]["path"], rows[1]["path"]} & set(parts(found))
    assert found.repaired == 1


@pytest.mark.parametrize("imbalance", [0.5, 0.0, -3.0, float("nan"), float("inf")])
def test_an_imbalance_below_one_or_that_is_no_number_is_refused(imbalance):
    assert refusal(three(), imbalance).startswith(f"--imbalance {imbalance:g}: give a number from")


def test_a_head_that_does_not_fit_is_refused_with_the_class_and_the_largest_that_works():
    rows = [row for row in three() if row["path"] != "Park/39.jpg"]
    said = refusal(rows, head=31, val=5, test=5)
    assert said == (
        "tiles: class 'Park' has 39 usable images, 29 of them beside 5 in val and 5 in test and "
        "what belongs with these, and --head asks for 31. The largest head that works is 29."
    )
    assert counts(made(rows, head=29, val=5, test=5))["Park"][1:3] == [5, 5]


def test_the_largest_head_that_is_named_counts_what_belongs_with_val_and_test():
    rows = three(40)
    for i, row in enumerate(rows):
        row["group"] = i // 8
    said = refusal(rows, head=29, val=5, test=5)
    assert said.endswith("The largest head that works is 24.")
    assert max(n[0] for n in counts(made(rows, head=24, val=5, test=5)).values()) == 24


def test_a_class_that_is_too_small_for_val_and_test_is_refused():
    said = refusal(three(), val=20, test=20)
    assert "class 'Bog' has 40 usable images, which leaves none to train on beside 20 in" in said


def test_one_class_and_a_tail_of_no_image_are_refused():
    assert "two classes or more with usable images, and this has 1" in refusal(images("Bog", 40))
    assert refusal(three(), 100, head=20) == (
        "--imbalance 100: of a head of 20 images it leaves the rarest class none. Give 40 at "
        "most, or a head of 50 images, where the classes have so many."
    )
    assert min(n[0] for n in counts(made(three(), 40, head=20)).values()) == 1
