from pathlib import Path

import pytest

from augment.screen.refused import images_beside, refused_since
from augment.screen.reviews import write_reviews
from terrabalance.manifest import Manifest, frame_of, write_manifest

HOME = "data/synthetic"


def rows_of(*contents: str, source: str = "synthetic"):
    return frame_of(
        {"path": f"{content}.png", "class": "Pond", "split": "train", "source": source,
         "status": "ok", "sha256": content} for content in contents
    )  # fmt: skip


def decide(folder: Path, day: int = 1, **decisions: str) -> None:
    """Write a class's images with decisions of Ada on them, by their content."""
    write_manifest(Manifest(folder, rows_of("a", "b", "c")), folder)
    moment = f"2026-01-0{day}T00:00:00+00:00"
    said = {f"{content}.png": {"review": each, "reviewer": "Ada", "reviewed": moment}
            for content, each in decisions.items()}  # fmt: skip
    write_reviews(folder, said)


def test_images_that_people_refused_are_known_by_their_content(tmp_path):
    decide(tmp_path / "pond-1", a="refuse", b="accept")
    rows = rows_of("c", "b", "a", "d").assign(path=["1.png", "2.png", "3.png", "4.png"])
    refused = refused_since(rows, [tmp_path, tmp_path / "not there"])
    assert list(rows["path"][refused.index]) == ["3.png"]
    assert "refused by Ada since, see pond-1/reviews.json" in refused.iloc[0]


@pytest.mark.parametrize("names", [("pond-1", "pond-2"), ("pond-2", "pond-1")])
def test_of_an_image_in_several_folders_the_last_decision_counts(names, tmp_path):
    decide(tmp_path / names[0], day=1, a="refuse", b="accept")
    decide(tmp_path / names[1], day=2, a="accept", b="refuse")
    rows = rows_of("a", "b")
    assert list(rows["sha256"][refused_since(rows, [tmp_path]).index]) == ["b"]


def test_real_images_and_those_that_are_left_out_anyway_are_not_asked_for(tmp_path):
    decide(tmp_path / "pond-1", a="refuse")
    assert refused_since(rows_of("a", source="real"), [tmp_path]).empty
    assert refused_since(rows_of("a").assign(status="spare"), [tmp_path]).empty


@pytest.mark.parametrize("damaged", ["reviews.json", "manifest.parquet"])
def test_damaged_decisions_of_one_class_are_told_and_those_of_others_count(
    damaged, tmp_path, caplog
):
    decide(tmp_path / "pond-1", a="refuse")
    decide(tmp_path / "port-1", b="refuse")
    (tmp_path / "pond-1" / damaged).write_text("[")
    rows = rows_of("a", "b")
    assert list(rows["sha256"][refused_since(rows, [tmp_path]).index]) == ["b"]
    assert str(tmp_path / "pond-1") in caplog.text and damaged in caplog.text


def test_the_images_of_a_dataset_are_looked_for_where_a_run_puts_them(tmp_path):
    assert images_beside(tmp_path / "data" / "datasets" / "run") == [tmp_path / HOME]
    assert images_beside(tmp_path / HOME / "pond-1") == []
