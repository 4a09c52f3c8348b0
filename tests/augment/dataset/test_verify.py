import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from users import AS_USER, needs_a_user

from augment.dataset.assemble import assemble
from augment.dataset.verify import verify
from augment.screen.reviews import with_decision, write_reviews
from augment.screen.statuses import review, set_statuses
from terrabalance.bands import RGB
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import sha256_of
from terrabalance.finished import done, mark_done
from terrabalance.images import write_image, write_png
from terrabalance.manifest import Manifest, frame_of, read_manifest, write_manifest
from terrabalance.marks import SYNTHETIC_KEY


def image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, 8, 8), np.uint8)


def row_of(root: Path, path: str, split: str, source: str) -> dict[str, object]:
    file = root / path
    return {"path": path, "class": "Pond", "split": split, "source": source, "status": "ok",
            "sha256": sha256_of(file), "bytes": file.stat().st_size}  # fmt: skip


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    real, made = tmp_path / "raw", tmp_path / "made"
    rows = []
    for index, split in enumerate(("train", "train", "val", "test")):
        write_png(real / f"{index}.png", image(index))
        rows.append(row_of(real, f"{index}.png", split, "real"))
    for index in range(3):
        write_image(made / f"{index}.png", image(10 + index), RGB, {SYNTHETIC_KEY: "true"})
    drawn = [row_of(made, f"{index}.png", "train", "synthetic") for index in range(3)]
    catalogue, synthetic = Manifest(real, frame_of(rows)), Manifest(made, frame_of(drawn))
    return assemble(catalogue, [synthetic], tmp_path / "set", {}).root


def synthetic_file(dataset: Path) -> Path:
    return sorted((dataset / "train" / "Pond").glob("synthetic_*"))[0]


def replace(file: Path, content: bytes) -> None:
    """Write anew: the file that is hard-linked to it keeps its bytes."""
    file.unlink()
    file.write_bytes(content)


def found(dataset: Path) -> list[tuple[str, str]]:
    return [(Path(problem.path).name, problem.kind) for problem in verify(dataset)]


def test_a_dataset_as_it_was_made_is_without_problems(dataset):
    assert verify(dataset) == []


def test_a_synthetic_image_saved_anew_by_another_program_is_changed_and_unmarked(dataset):
    file = synthetic_file(dataset)
    with Image.open(file) as opened:
        pixels = opened.convert("RGB")
    file.unlink()
    pixels.save(file)
    assert found(dataset) == [(file.name, "changed"), (file.name, "unmarked")]


def test_files_that_are_gone_changed_or_unknown_are_named(dataset):
    real = sorted((dataset / "train" / "Pond").glob("[01].png"))
    real[0].unlink()
    replace(real[1], b"not an image")
    write_png(dataset / "train" / "Pond" / "mine.png", image(99))
    (dataset / "notes.txt").write_text("mine")
    (dataset / "train" / "Other").mkdir()
    (dataset / "train" / "Other" / "link.png").symlink_to("/nowhere")
    kinds = dict(found(dataset))
    assert kinds.pop(real[0].name) == "missing"
    assert kinds.pop(real[1].name) == "changed"
    assert kinds == {"mine.png": "unknown", "notes.txt": "unknown", "link.png": "unknown"}


def test_an_image_that_was_refused_by_eye_since_is_named(dataset, tmp_path):
    made = tmp_path / "data" / "synthetic" / "pond-1"
    rows = read_manifest(dataset).frame.query("source == 'synthetic'").reset_index(drop=True)
    write_manifest(Manifest(made, rows), made)
    write_reviews(made, with_decision({}, rows["path"][1], "refuse", "Ada"))
    home = tmp_path / "data" / "datasets" / "set"
    home.parent.mkdir()
    dataset.rename(home)
    assert [(each.path, each.kind) for each in verify(home)] == [(rows["path"][1], "refused")]


def test_a_class_map_that_was_edited_or_lost_is_named(dataset):
    (dataset / "class_map.txt").write_text("Pond\nPort\n")
    assert found(dataset) == [("class_map.txt", "changed")]
    (dataset / "class_map.txt").unlink()
    assert found(dataset) == [("class_map.txt", "missing")]


def test_a_manifest_of_which_a_byte_changed_is_named_though_its_rows_are_as_before(dataset):
    manifest = dataset / "manifest.parquet"
    pq.write_table(pq.read_table(manifest), manifest, compression="none")
    assert found(dataset) == [("manifest.parquet", "changed")]


def test_a_synthetic_image_that_poses_as_a_real_one_is_found(dataset):
    target = next((dataset / "test" / "Pond").iterdir())
    replace(target, synthetic_file(dataset).read_bytes())
    assert sorted(found(dataset)) == [(target.name, "changed"), (target.name, "posing")]


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_it_is_found_under_the_name_of_another_format(dataset, suffix):
    drawn = synthetic_file(dataset)
    drawn.rename(drawn.with_suffix(suffix))
    path = drawn.with_suffix(suffix).relative_to(dataset).as_posix()
    assert found(edited(dataset, {"path": path, "source": "real"})) == [(Path(path).name, "posing")]


def edited(dataset: Path, change: dict[str, object]) -> Path:
    manifest = read_manifest(dataset)
    frame: pd.DataFrame = manifest.frame.copy()
    row = frame.index[frame["source"] == "synthetic"][0]
    for column, value in change.items():
        frame.loc[row, column] = value
    write_manifest(Manifest(dataset, frame), dataset)
    record = dict(done(dataset) or {})
    mark_done(dataset, record, [dataset / name for name in record["files"]])
    return dataset


def test_a_synthetic_image_in_the_test_part_is_found_even_where_all_else_agrees(dataset):
    assert [kind for _, kind in found(edited(dataset, {"split": "test"}))] == ["misplaced"]


def test_a_row_that_leaves_the_dataset_is_not_followed(dataset):
    kinds = {kind for _, kind in found(edited(dataset, {"path": "../raw/0.png"}))}
    assert kinds == {"outside", "unknown"}


def test_a_folder_of_links_out_of_the_dataset_is_not_followed(dataset, tmp_path):
    shutil.move(dataset / "val", tmp_path / "elsewhere")
    (dataset / "val").symlink_to(tmp_path / "elsewhere")
    assert {problem.kind for problem in verify(dataset)} == {"outside", "unknown"}


def test_a_catalogue_is_not_a_dataset(dataset, tmp_path):
    write_manifest(Manifest(tmp_path / "raw", read_manifest(dataset).frame), tmp_path / "catalogue")
    with pytest.raises(BadInput, match="Name a dataset's folder"):
        verify(tmp_path / "catalogue")


def test_a_folder_that_is_not_there_is_told_so(tmp_path):
    with pytest.raises(BadInput, match="nope: no such file or folder"):
        verify(tmp_path / "nope")


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(NotReady, match=r"no manifest.*below data/datasets/"):
        verify(tmp_path)


def test_a_class_of_drawn_images_is_without_problems(tmp_path):
    images = [image(seed) for seed in range(4)]
    for index, pixels in enumerate(images):
        write_image(tmp_path / f"{index:06d}.png", pixels, RGB, {SYNTHETIC_KEY: "true"})
    rows = [row_of(tmp_path, f"{i:06d}.png", "train", "synthetic") for i in range(4)]
    write_manifest(Manifest(tmp_path, frame_of(rows)), tmp_path)
    write_png(tmp_path / "strip.png", image(9))
    mark_done(tmp_path, {"n_images": 4})
    set_statuses(tmp_path, 3, 9, None, None)
    review(tmp_path, "000001.png", "refuse", "Ada")
    assert verify(tmp_path) == []
    write_png(tmp_path / "mine.png", image(10))
    assert found(tmp_path) == [("mine.png", "unknown")]


def test_a_dataset_whose_list_of_checksums_is_gone_is_not_all_well(dataset):
    (dataset / "done.json").unlink()
    assert found(dataset) == [("done.json", "missing")]


def test_a_list_of_checksums_that_is_damaged_is_named_and_all_else_is_checked(dataset):
    (dataset / "done.json").write_text("{")
    (dataset / "notes.txt").write_text("mine")
    assert found(dataset) == [("done.json", "changed"), ("notes.txt", "unknown")]


def test_a_name_that_the_disk_cannot_have_is_one_problem_of_several(dataset):
    kinds = {kind for _, kind in found(edited(dataset, {"path": f"train/{'x' * 300}.png"}))}
    assert kinds == {"unreadable", "unknown"}


@needs_a_user
def test_what_this_user_may_not_read_is_named_among_the_other_problems(dataset):
    lost, hidden = synthetic_file(dataset), dataset / "val"
    (dataset / "notes.txt").write_text("mine")
    lost.chmod(0)
    (dataset / "class_map.txt").chmod(0)
    hidden.chmod(0)
    command = [sys.executable, "-m", "flows", "verify", str(dataset)]
    ended = subprocess.run([*AS_USER, *command], capture_output=True, text=True,
                           env=os.environ | {"COLUMNS": "400"})  # fmt: skip
    hidden.chmod(0o755)
    assert ended.returncode == 1, ended.stderr
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in ended.stdout.split("\n")]
    kinds = {row[0]: row[1] for row in rows if len(row) == 3}
    image = next((dataset / "val" / "Pond").iterdir()).relative_to(dataset).as_posix()
    assert kinds == {
        "notes.txt": "unknown", "class_map.txt": "unreadable", "val": "unreadable",
        lost.relative_to(dataset).as_posix(): "unreadable", image: "unreadable",
    }  # fmt: skip
    assert "no permission" in ended.stdout
