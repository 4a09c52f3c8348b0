import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augment.dataset import assemble as module
from augment.dataset.assemble import assemble
from terrabalance.errors import BadInput
from terrabalance.files import done, mark_done, sha256_of, slug
from terrabalance.images import write_png
from terrabalance.manifest import SPLITS, Manifest, frame_of, read_manifest
from terrabalance.seeds import seed_for

NASTY = "<b>x & y"
ABOUT = {"name": "Tiny | set", "run": "one"}


def row_of(root: Path, path: str, label: str, split: str, **more: object) -> dict[str, object]:
    file = root / path
    rng = np.random.default_rng(seed_for("test", root.name, path))
    write_png(file, rng.integers(0, 256, (3, 8, 8), dtype=np.uint8))
    empty = {"width_px": 8, "group": -1, "generator": "", "seed": -1}
    return {**empty, "path": path, "class": label, "split": split, "source": "real", "status": "ok",
            "sha256": sha256_of(file), "bytes": file.stat().st_size, **more}  # fmt: skip


@pytest.fixture
def catalogue(tmp_path: Path) -> Manifest:
    root = tmp_path / "raw"
    rows = [
        row_of(root, f"{folder}/{split}_{n}.png", label, split, width_px=8, group=n)
        for label, folder in (("Pond", "Pond"), (NASTY, "bx"))
        for split, count in (("train", 3), ("val", 1), ("test", 2))
        for n in range(count)
    ]
    rows += [
        row_of(root, "Pond/more/train_0.png", "Pond", "train"),
        row_of(root, "Pond/synthetic_Pond_000000.png", "Pond", "train"),
        row_of(root, "Pond/sïlly name (1).PNG", "Pond", "train"),
        row_of(root, "Pond/aside.png", "Pond", "holdout"),
        row_of(root, "Pond/broken.png", "Pond", "train", status="unreadable"),
        row_of(root, "Pond/nowhere.png", "Pond", ""),
    ]
    return Manifest(root, frame_of(rows))


def drawn(root: Path, label: str, count: int, **more: object) -> Manifest:
    rows = [
        row_of(root, f"{n:06d}.png", label, "train",
               **{"source": "synthetic", "generator": root.name, "seed": n, **more})
        for n in range(count)
    ]  # fmt: skip
    return Manifest(root, frame_of(rows))


@pytest.fixture
def synthetic(tmp_path: Path) -> list[Manifest]:
    folder = tmp_path / "synthetic"
    return [drawn(folder / "pond-a", "Pond", 2), drawn(folder / "pond-b", "Pond", 1),
            drawn(folder / "nasty", NASTY, 2)]  # fmt: skip


def listing(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_the_dataset_holds_every_usable_image_once(tmp_path, catalogue, synthetic):
    manifest = assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    images = [p for p in listing(tmp_path / "set") if p.endswith((".png", ".PNG"))]
    assert images == sorted(manifest.frame["path"])
    counts = manifest.frame.groupby(["class", "split", "source"]).size().to_dict()
    assert counts == {
        ("Pond", "train", "real"): 6, ("Pond", "train", "synthetic"): 3,
        ("Pond", "val", "real"): 1, ("Pond", "test", "real"): 2,
        (NASTY, "train", "real"): 3, (NASTY, "train", "synthetic"): 2,
        (NASTY, "val", "real"): 1, (NASTY, "test", "real"): 2,
    }  # fmt: skip


def test_each_file_has_the_bytes_that_its_row_promises(tmp_path, catalogue, synthetic):
    manifest = assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    files = manifest.paths(manifest.frame)
    assert [sha256_of(file) for file in files] == list(manifest.frame["sha256"])


def test_names_are_safe_unique_and_tell_synthetic_from_real(tmp_path, catalogue, synthetic):
    frame = assemble(catalogue, synthetic, tmp_path / "set", ABOUT).frame
    is_named_synthetic = frame["path"].str.contains("/synthetic_")
    assert (is_named_synthetic == (frame["source"] == "synthetic")).all()
    assert frame["path"].str.lower().is_unique
    assert frame["path"].str.fullmatch(r"(train|val|test)/[\w-]+/[A-Za-z0-9_-]+\.(png|PNG)").all()
    pond = set(frame.loc[frame["source"] == "synthetic", "path"].str.split("/").str[-1])
    assert {f"synthetic_Pond_{n:06d}.png" for n in range(3)} <= pond


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
    tmp_path, catalogue, wrong, status
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


def test_a_synthetic_class_without_real_images_is_refused(tmp_path, catalogue):
    part = drawn(tmp_path / "synthetic", "Volcano", 1)
    with pytest.raises(BadInput, match=r"\['Volcano'\], which has no real training image"):
        assemble(catalogue, [part], tmp_path / "set", ABOUT)


def test_a_rejected_synthetic_image_is_left_out(tmp_path, catalogue):
    part = drawn(tmp_path / "synthetic", "Pond", 2)
    part.frame.loc[0, "status"] = "copy"
    frame = assemble(catalogue, [part], tmp_path / "set", ABOUT).frame
    assert list(frame.loc[frame["source"] == "synthetic", "seed"]) == [1]


def test_a_path_that_leaves_its_folder_is_refused(tmp_path, catalogue):
    catalogue.frame.loc[0, "path"] = "../secret.png"
    with pytest.raises(BadInput, match="leaves its folder"):
        assemble(catalogue, [], tmp_path / "set", ABOUT)


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
    with pytest.raises(BadInput, match=r"Pond/test_0.png is in the manifest but gone"):
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


def test_a_file_that_was_lost_is_put_back(tmp_path, catalogue, synthetic):
    manifest = assemble(catalogue, synthetic, tmp_path / "set", {})
    lost = tmp_path / "set" / manifest.frame["path"].iloc[0]
    lost.unlink()
    assemble(catalogue, synthetic, tmp_path / "set", {})
    assert lost.is_file()


def test_a_file_that_has_changed_since_its_manifest_is_named(tmp_path, catalogue, synthetic):
    changed = synthetic[0].root / synthetic[0].frame["path"].iloc[0]
    changed.write_bytes(changed.read_bytes() + b"more")
    with pytest.raises(BadInput, match=r"changed since its manifest.*terrabalance sample"):
        assemble(catalogue, synthetic, tmp_path / "set", {})


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


def expected(manifest: Manifest, split: str) -> list[tuple[str, str]]:
    rows = manifest.usable(split)
    pairs = zip(rows["path"], rows["class"], strict=True)
    return sorted((Path(path).name, slug(label)) for path, label in pairs)


@pytest.mark.parametrize("split", SPLITS)
def test_torchvision_reads_it_as_it_is(tmp_path, catalogue, synthetic, split):
    from torchvision.datasets import ImageFolder

    manifest = assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    data = ImageFolder(str(tmp_path / "set" / split))
    assert sorted((Path(p).name, data.classes[i]) for p, i in data.samples) == expected(
        manifest, split
    )
    assert data[0][0].size == (8, 8)


@pytest.mark.parametrize("split", SPLITS)
def test_timm_reads_it_as_it_is(tmp_path, catalogue, synthetic, split):
    from timm.data import create_dataset

    manifest = assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    data = create_dataset("", root=str(tmp_path / "set"), split=split)
    names = {index: name for name, index in data.reader.class_to_idx.items()}
    found = [(Path(data.filename(i)).name, names[data[i][1]]) for i in range(len(data))]
    assert sorted(found) == expected(manifest, split)


@pytest.mark.parametrize("call", ["imagefolder", "card"])
def test_hugging_face_reads_it_as_it_is(tmp_path, catalogue, synthetic, call, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    manifest = assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    root, cache = str(tmp_path / "set"), str(tmp_path / "cache")
    if call == "imagefolder":
        data = datasets.load_dataset("imagefolder", data_dir=root, cache_dir=cache)
    else:
        data = datasets.load_dataset(root, cache_dir=cache)
    assert set(data) == {"train", "validation", "test"}
    for split, theirs in (("train", "train"), ("val", "validation"), ("test", "test")):
        names = data[theirs].features["label"].names
        files = data[theirs].cast_column("image", datasets.Image(decode=False))
        found = [(Path(row["image"]["path"]).name, names[row["label"]]) for row in files]
        assert sorted(found) == expected(manifest, split)
    assert data["train"][0]["image"].size == (8, 8)


def test_the_module_names_its_stage_for_those_who_check_a_folder(tmp_path, catalogue):
    assemble(catalogue, [], tmp_path / "set", ABOUT)
    assert done(tmp_path / "set")["stage"] == module._STAGE
