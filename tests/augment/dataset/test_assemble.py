import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augment.dataset import assemble as module
from augment.dataset.assemble import assemble
from terrabalance.errors import BadInput
from terrabalance.files import sha256_of
from terrabalance.finished import done, mark_done
from terrabalance.manifest import Manifest, read_manifest

NASTY = "<b>x & y"
ABOUT = {"name": "Tiny | set", "run": "one"}


def listing(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_each_file_has_the_bytes_that_its_row_promises(tmp_path, catalogue, synthetic):
    manifest = assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    files = manifest.paths(manifest.frame)
    assert [sha256_of(file) for file in files] == list(manifest.frame["sha256"])


def test_validation_and_test_hold_real_images_only(tmp_path, catalogue, synthetic):
    assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    frame = read_manifest(tmp_path / "set").frame
    assert set(frame.loc[frame["split"] != "train", "source"]) == {"real"}
    made = {row for part in synthetic for row in part.frame["sha256"]}
    for split in ("val", "test"):
        held = {sha256_of(p) for p in (tmp_path / "set" / split).rglob("*") if p.is_file()}
        assert held and not held & made


@pytest.mark.parametrize(
    "wrong", [{"split": "val"}, {"split": "test"}, {"split": ""}, {"source": "real"}]
)
@pytest.mark.parametrize("status", ["ok", "rejected"])
def test_a_synthetic_row_outside_train_is_refused_before_anything_is_written(
    tmp_path, catalogue, drawn, wrong, status
):
    part = drawn(tmp_path / "synthetic", "Pond", 2)
    frame = part.frame.copy()
    for column, value in {**wrong, "status": status}.items():
        frame.loc[1, column] = value
    with pytest.raises(BadInput, match=r"real images only"):
        assemble(catalogue, [Manifest(part.root, frame)], tmp_path / "set", ABOUT)
    assert not (tmp_path / "set").exists()


def test_a_catalogue_with_generated_images_is_refused(tmp_path, catalogue):
    frame = catalogue.frame.assign(source="synthetic")
    with pytest.raises(BadInput, match="are not real"):
        assemble(Manifest(catalogue.root, frame), [], tmp_path / "set", ABOUT)


def test_a_synthetic_class_without_real_images_is_refused(tmp_path, catalogue, drawn):
    part = drawn(tmp_path / "synthetic", "Volcano", 1)
    with pytest.raises(BadInput, match=r"'Volcano', which has no real training image"):
        assemble(catalogue, [part], tmp_path / "set", ABOUT)


def test_all_columns_are_carried_and_both_manifests_agree(tmp_path, catalogue, synthetic):
    manifest = assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    read = read_manifest(tmp_path / "set")
    assert list(read.frame.columns) == list(catalogue.frame.columns)
    pd.testing.assert_frame_equal(read.frame, manifest.frame, check_dtype=False)
    assert read.root.resolve() == (tmp_path / "set").resolve()
    assert read.frame.loc[read.frame["source"] == "synthetic", "generator"].nunique() == 3
    assert len(pd.read_csv(tmp_path / "set" / "manifest.csv")) == len(read.frame)


def test_images_are_hard_links_where_the_disk_allows(tmp_path, catalogue):
    manifest = assemble(catalogue, [], tmp_path / "set", ABOUT)
    assert {p.stat().st_nlink for p in manifest.paths(manifest.frame)} == {2}


def test_images_are_copied_where_links_are_not_allowed(tmp_path, catalogue, monkeypatch):
    def no_links(*_: object) -> None:
        raise OSError("hard links are not supported here")

    monkeypatch.setattr(os, "link", no_links)
    manifest = assemble(catalogue, [], tmp_path / "set", ABOUT)
    files = manifest.paths(manifest.frame)
    assert {p.stat().st_nlink for p in files} == {1}
    assert [sha256_of(file) for file in files] == list(manifest.frame["sha256"])


def test_an_image_that_is_gone_is_named_and_nothing_is_left_half_done(tmp_path, catalogue):
    (catalogue.root / "Pond/test_0.png").unlink()
    with pytest.raises(BadInput, match=r"Pond/test_0.png: gone"):
        assemble(catalogue, [], tmp_path / "set", ABOUT)
    assert not (tmp_path / "set").exists()


def test_an_interrupted_run_leaves_the_old_dataset_whole(tmp_path, catalogue, synthetic):
    assemble(catalogue, [], tmp_path / "set", ABOUT)
    before = listing(tmp_path / "set")

    def stop(done: int, total: int, message: str = "") -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assemble(catalogue, synthetic, tmp_path / "set", ABOUT, stop)
    assert listing(tmp_path / "set") == before
    manifest = assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    assert (manifest.frame["source"] == "synthetic").sum() == 5
    assert [p.name for p in tmp_path.glob(".set*")] == [".set.lock"]


def test_the_same_inputs_do_nothing_the_second_time(tmp_path, catalogue, synthetic):
    first = assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    stamp = (tmp_path / "set" / "done.json").stat().st_mtime_ns
    seen: list[int] = []
    again = assemble(catalogue, synthetic, tmp_path / "set", ABOUT, lambda *a: seen.append(a[0]))
    assert (tmp_path / "set" / "done.json").stat().st_mtime_ns == stamp
    assert seen == []
    assert list(again.frame["path"]) == list(first.frame["path"])


def test_a_damaged_mark_is_named_with_a_remedy_that_keeps_files_of_others(
    tmp_path, catalogue, synthetic
):
    target = tmp_path / "set"
    assemble(catalogue, synthetic, target, ABOUT)
    (target / "notes.txt").write_text("mine")
    (target / "done.json").write_text("{")
    with pytest.raises(BadInput, match=rf"done\.json: not valid.*move the folder {target} away"):
        assemble(catalogue, synthetic, target, ABOUT)
    moved = target.rename(tmp_path / "moved")
    assemble(catalogue, synthetic, target, ABOUT)
    assert (moved / "notes.txt").read_text() == "mine"


def test_a_file_that_was_lost_is_put_back(tmp_path, catalogue, synthetic):
    manifest = assemble(catalogue, synthetic, tmp_path / "set", {})
    for path in (manifest.frame["path"].iloc[0], "class_map.txt"):
        lost = tmp_path / "set" / path
        lost.unlink()
        assemble(catalogue, synthetic, tmp_path / "set", {})
        assert lost.is_file()


def test_a_file_that_has_changed_since_its_manifest_is_named(tmp_path, catalogue, synthetic):
    changed = synthetic[0].root / synthetic[0].frame["path"].iloc[0]
    changed.write_bytes(changed.read_bytes() + b"more")
    with pytest.raises(BadInput, match=r"changed since it was listed.*terrabalance sample"):
        assemble(catalogue, synthetic, tmp_path / "set", {})


def flip(path: Path, place: int = -20) -> None:
    """Change one bit of a file and leave its size and time as they are, as a failing disk does."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.unlink()  # another name of the same file stays as it is
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_an_original_with_a_flipped_bit_is_named_though_its_size_and_time_are_as_before(
    tmp_path, catalogue
):
    flip(catalogue.root / "Pond/test_0.png")
    with pytest.raises(BadInput, match=r"Pond/test_0.png: damaged, or changed"):
        assemble(catalogue, [], tmp_path / "set", ABOUT)


@pytest.mark.parametrize("name", ["test/Pond/test_0.png", "class_map.txt", "manifest.parquet"])
def test_a_damaged_file_of_a_dataset_is_put_there_again(
    name, tmp_path, catalogue, synthetic, caplog
):
    assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    before = (tmp_path / "set" / name).read_bytes()
    flip(tmp_path / "set" / name)
    assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    assert (tmp_path / "set" / name).read_bytes() == before
    assert Path(name).name in caplog.text


def test_what_people_wrote_into_the_card_of_a_dataset_stays(tmp_path, catalogue):
    assemble(catalogue, [], tmp_path / "set", ABOUT)
    (tmp_path / "set/README.md").write_text("# My lakes")
    assemble(catalogue, [], tmp_path / "set", ABOUT)
    assert (tmp_path / "set/README.md").read_text() == "# My lakes"


def test_changed_inputs_replace_a_dataset_of_ours(tmp_path, catalogue, synthetic):
    assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    assemble(catalogue, [], tmp_path / "set", ABOUT)
    assert not any("/synthetic_" in path for path in listing(tmp_path / "set"))
    assert done(tmp_path / "set")["images"] == 12 + 3


def test_done_json_counts_the_images(tmp_path, catalogue, synthetic):
    assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    record = done(tmp_path / "set")
    assert record["images"] == sum(row["count"] for row in record["counts"]) == 20
    assert {"split": "val", "class": "Pond", "source": "real", "count": 1} in record["counts"]


def test_a_dataset_whose_mark_is_gone_is_kept_and_the_mark_named(tmp_path, catalogue, synthetic):
    target = tmp_path / "set"
    assemble(catalogue, synthetic, target, ABOUT)
    (target / "notes.txt").write_text("mine")
    (target / "done.json").unlink()
    with pytest.raises(BadInput, match=r"done\.json: gone.*move the folder .*set away"):
        assemble(catalogue, synthetic, target, ABOUT)
    assert (target / "notes.txt").read_text() == "mine"
    target.rename(tmp_path / "away")  # as it says
    assert len(assemble(catalogue, synthetic, target, ABOUT).frame) == 20


def test_a_folder_that_something_else_made_is_never_replaced(tmp_path, catalogue):
    target = tmp_path / "set"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="was not made by this stage"):
        assemble(catalogue, [], target, ABOUT)
    mark_done(target, {"stage": "another"})
    with pytest.raises(BadInput, match="was not made by this stage"):
        assemble(catalogue, [], target, ABOUT)
    assert (target / "thesis.txt").read_text() == "years of work"


def test_a_folder_that_holds_its_own_inputs_is_refused(tmp_path, catalogue):
    with pytest.raises(BadInput, match="holds images to be assembled"):
        assemble(catalogue, [], catalogue.root, ABOUT)


def test_the_module_names_its_stage_for_those_who_check_a_folder(tmp_path, catalogue):
    assemble(catalogue, [], tmp_path / "set", ABOUT)
    assert done(tmp_path / "set")["stage"] == module._STAGE


def test_synthetic_images_scored_by_fewer_rules_lie_beside_those_of_more(
    tmp_path, catalogue, drawn
):
    parts = []
    for name, label, scores in (("old", "Pond", {"copy": 0.1}), ("new", NASTY, {"copy": 0.2,
                                "shadows": 0.3})):  # fmt: skip
        rows = {f"score_{rule}": score for rule, score in scores.items()}
        parts.append(drawn(tmp_path / name, label, 1, **rows))
    frame = assemble(catalogue, parts, tmp_path / "set", ABOUT).frame
    made = frame[frame["source"] == "synthetic"].set_index("class")
    assert list(frame)[-5:] == ["score_copy", "score_shadows", "review", "reviewer", "reviewed"]
    assert made["score_copy"].to_dict() == {"Pond": 0.1, NASTY: 0.2}
    assert np.isnan(made.loc["Pond", "score_shadows"])
    assert frame[frame["source"] == "real"][["score_copy", "score_shadows"]].isna().all(axis=None)
