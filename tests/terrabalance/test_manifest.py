import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from flips import read_or_refused, some_flips

from terrabalance.errors import BadInput, NotReady
from terrabalance.files import sha256_of
from terrabalance.manifest import (
    COLUMNS,
    Manifest,
    count_by_class,
    even_share,
    frame_of,
    join_frames,
    read_manifest,
    records_beside,
    scores_in,
    with_score_columns,
    write_manifest,
)


def row(path, split="train", status="ok", **more):
    facts = {"path": path, "class": path.split("/")[0], "split": split, "source": "real",
             "status": status}  # fmt: skip
    return facts | more


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    rows = [row("Pond/b.png"), row("Pond/a.png"), row("Park/c.png", "test"),
            row("Bog/d.png", status="truncated")]  # fmt: skip
    return Manifest(tmp_path, frame_of(rows))


def test_what_a_row_does_not_give_is_empty(manifest):
    first = manifest.frame.iloc[0]
    assert list(manifest.frame) == list(COLUMNS)
    assert (first["group"], first["seed"], first["bytes"], first["sha256"]) == (-1, -1, 0, "")


def test_an_unknown_column_is_named():
    with pytest.raises(BadInput, match="colour"):
        frame_of([{"path": "a", "colour": "red"}])


def test_no_rows_make_an_empty_frame_with_all_columns():
    assert list(frame_of([])) == list(COLUMNS) and frame_of([]).empty


def test_usable_rows_are_those_with_status_ok_by_path(manifest):
    assert manifest.usable()["path"].tolist() == ["Park/c.png", "Pond/a.png", "Pond/b.png"]
    assert manifest.usable("train", "Pond")["path"].tolist() == ["Pond/a.png", "Pond/b.png"]
    assert manifest.classes() == ["Park", "Pond"]


def test_counts_come_most_first_with_a_zero_for_a_class_without_images(manifest):
    assert count_by_class(manifest, "train").to_dict() == {"Pond": 2, "Park": 0}
    assert count_by_class(manifest).index.tolist() == ["Pond", "Park"]


def test_a_manifest_comes_back_equal_and_finds_its_root(manifest, tmp_path):
    folder = tmp_path / "out"
    path = write_manifest(manifest, folder)
    for source in (path, folder):
        again = read_manifest(source)
        assert again.frame.equals(manifest.frame)
        assert again.root.resolve() == manifest.root.resolve()


def test_a_folder_with_its_manifest_can_be_moved(manifest, tmp_path):
    folder = tmp_path / "one"
    write_manifest(Manifest(folder, manifest.frame), folder)
    moved = folder.rename(tmp_path / "two")
    assert read_manifest(moved).root.resolve() == moved


def test_a_manifest_is_read_by_a_process_that_has_imported_nothing_else(manifest, tmp_path):
    path = write_manifest(manifest, tmp_path / "work")
    script = "import sys; from pathlib import Path; from terrabalance.tables import read_table; "
    subprocess.run(
        [sys.executable, "-c", script + "read_table(Path(sys.argv[1]))", path], check=True
    )


def test_the_csv_twin_has_the_same_rows(manifest, tmp_path):
    write_manifest(manifest, tmp_path)
    twin = pd.read_csv(tmp_path / "manifest.csv", keep_default_na=False)
    assert twin.astype(COLUMNS).equals(manifest.frame)


def test_a_class_named_like_a_missing_value_or_a_formula_survives(tmp_path):
    frame = frame_of([row("NA/a.png"), row("=1+1/b.png"), row('say "hi",\n/c.png')])
    write_manifest(Manifest(tmp_path, frame), tmp_path)
    assert read_manifest(tmp_path).frame["class"].tolist() == ["NA", "=1+1", 'say "hi",\n']


def test_paths_that_leave_the_root_are_refused(tmp_path):
    manifest = Manifest(tmp_path, frame_of([row("../evil.png")]))
    with pytest.raises(BadInput, match="leaves its folder"):
        manifest.paths(manifest.frame)


def test_a_missing_or_broken_manifest_says_what_to_do(tmp_path):
    with pytest.raises(NotReady, match=r"scan` a catalogue.*sample` synth.*assemble` a dataset"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.parquet").write_bytes(b"not parquet")
    with pytest.raises(BadInput, match="not a Parquet table"):
        read_manifest(tmp_path)
    pd.DataFrame({"path": ["a"]}).to_parquet(tmp_path / "manifest.parquet")
    with pytest.raises(BadInput, match=r"lacks the columns.*sha256"):
        read_manifest(tmp_path)


def test_an_even_share_takes_from_the_largest_classes_first():
    rows = frame_of([row(f"Pond/{i}") for i in range(9)] + [row(f"Bog/{i}") for i in range(2)])
    few = even_share(rows, 6)
    assert few.groupby("class").size().to_dict() == {"Bog": 2, "Pond": 4}
    assert few["path"].tolist() == [*(f"Pond/{i}" for i in range(4)), "Bog/0", "Bog/1"]
    assert even_share(rows, 99).equals(rows)


def scored(path: str, **scores: float) -> pd.DataFrame:
    return frame_of([{**row(path), **{f"score_{name}": at for name, at in scores.items()}}])


def test_scores_of_any_name_stand_before_the_review(tmp_path):
    frame = scored("Pond/a.png", copy=0.5, shadows=2)
    assert list(frame)[-6:] == ["run", "score_copy", "score_shadows", "review", "reviewer",
                                "reviewed"]  # fmt: skip
    write_manifest(Manifest(tmp_path, frame), tmp_path)
    again = read_manifest(tmp_path).frame
    assert again.equals(frame)
    assert {name: list(at) for name, at in scores_in(again).items()} == {
        "copy": [0.5], "shadows": [2.0],
    }  # fmt: skip


def test_a_score_that_a_frame_lacks_is_added_in_its_place_and_no_other_changes():
    frame = scored("Pond/a.png", copy=0.5)
    wider = with_score_columns(frame, ["copy", "shadows"])
    assert list(scores_in(wider)) == ["copy", "shadows"]
    assert wider["score_copy"].tolist() == [0.5] and np.isnan(wider["score_shadows"][0])
    assert list(wider)[-1] == "reviewed" and list(scores_in(frame)) == ["copy"]


def test_rows_with_other_scores_are_joined_and_lack_the_rest():
    older, newer = scored("Pond/a.png", copy=0.5), scored("Pond/b.png", copy=0.1, shadows=2)
    rows = join_frames([frame_of([row("Park/c.png")]), older, newer])
    assert list(rows) == list(newer) and rows["path"].tolist()[0] == "Park/c.png"
    assert np.isnan(rows["score_copy"][0]) and rows["score_copy"].tolist()[1:] == [0.5, 0.1]
    assert np.isnan(rows["score_shadows"][:2]).all() and rows["score_shadows"][2] == 2


def test_a_manifest_from_before_there_were_scores_and_reviews_is_read(manifest, tmp_path):
    path = write_manifest(manifest, tmp_path)
    pd.read_parquet(path).drop(columns=["review", "reviewer", "reviewed"]).to_parquet(path)
    again = read_manifest(tmp_path).frame
    assert list(again) == list(COLUMNS) and again["review"].tolist() == [""] * 4


def test_the_records_of_files_beside_images_are_found_with_their_paths(manifest, tmp_path):
    path = write_manifest(manifest, tmp_path)
    assert records_beside(tmp_path) == {}
    pd.read_parquet(path).drop(columns=["beside"]).to_parquet(path)
    assert records_beside(tmp_path) == {}  # an older one has no such column
    record = f'{{"a.hdr": "{"0" * 64}"}}'
    rows = [row("Pond/a.dat", beside=record), row("Pond/b.jp2", beside="{}"), row("Pond/c.png")]
    path = write_manifest(Manifest(tmp_path, frame_of(rows)), tmp_path)
    assert records_beside(tmp_path) == {"Pond/a.dat": record, "Pond/b.jp2": "{}"}
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadInput, match="not a Parquet table that can be read"):
        records_beside(tmp_path)


def test_a_column_that_is_only_named_like_a_score_is_no_score():
    frame = frame_of([row("Pond/a.png")]).assign(score_card="good")
    assert scores_in(frame) == {} and "score_card" in with_score_columns(frame, ["copy"])


def test_no_flipped_bit_of_a_manifest_is_read_as_other_rows(tmp_path):
    made = Manifest(tmp_path, frame_of([row(f"Pond/{i}.png", split="test") for i in range(50)]))
    path = write_manifest(made, tmp_path)
    flips = some_flips(path.read_bytes(), 1500)
    for found in read_or_refused(path, flips, lambda: read_manifest(path)):
        assert found.frame.equals(made.frame) and found.root.resolve() == tmp_path.resolve()


def test_a_manifest_of_strangers_with_cells_of_another_kind_is_refused(tmp_path):
    frame = frame_of([row("Pond/1.png")])
    frame.assign(width_px="wide").to_parquet(tmp_path / "manifest.parquet")
    with pytest.raises(BadInput, match="its column width_px is no int64"):
        read_manifest(tmp_path)
    frame.assign(sha256=None).to_parquet(tmp_path / "manifest.parquet")
    with pytest.raises(BadInput, match="its column sha256 has 1 empty cells"):
        read_manifest(tmp_path)


def test_images_that_changed_since_they_were_listed_are_named(tmp_path):
    (tmp_path / "1.png").write_bytes(b"pond")
    (tmp_path / "2.png").write_bytes(b"lake")
    hashes = [sha256_of(tmp_path / name) for name in ("1.png", "2.png")]
    rows = frame_of([row("1.png", sha256=hashes[0]), row("2.png", sha256=hashes[1])])
    manifest = Manifest(tmp_path, rows)
    assert manifest.unchanged(rows) == manifest.paths(rows)
    (tmp_path / "2.png").write_bytes(b"leak")
    with pytest.raises(BadInput, match=r"2\.png: damaged, or changed since it was listed"):
        manifest.unchanged(rows)
    assert manifest.changed(rows) == [tmp_path / "2.png"]
