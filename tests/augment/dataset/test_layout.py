"""Where images lie in a dataset, and that common loaders read them there."""

from pathlib import Path

import pytest

from augment.dataset.assemble import assemble
from terrabalance.errors import BadInput
from terrabalance.files import slug
from terrabalance.manifest import SPLITS, Manifest

NASTY = "<b>x & y"
ABOUT = {"name": "Tiny | set", "run": "one"}


def test_the_dataset_holds_every_usable_image_once(tmp_path, catalogue, synthetic):
    manifest = assemble(catalogue, synthetic, tmp_path / "set", ABOUT)
    files = (path for path in (tmp_path / "set").rglob("*") if path.suffix in (".png", ".PNG"))
    images = sorted(path.relative_to(tmp_path / "set").as_posix() for path in files)
    assert images == sorted(manifest.frame["path"])
    counts = manifest.frame.groupby(["class", "split", "source"]).size().to_dict()
    assert counts == {
        ("Pond", "train", "real"): 6, ("Pond", "train", "synthetic"): 3,
        ("Pond", "val", "real"): 1, ("Pond", "test", "real"): 2,
        (NASTY, "train", "real"): 3, (NASTY, "train", "synthetic"): 2,
        (NASTY, "val", "real"): 1, (NASTY, "test", "real"): 2,
    }  # fmt: skip


def test_names_are_safe_unique_and_tell_synthetic_from_real(tmp_path, catalogue, synthetic):
    frame = assemble(catalogue, synthetic, tmp_path / "set", ABOUT).frame
    is_named_synthetic = frame["path"].str.contains("/synthetic_")
    assert (is_named_synthetic == (frame["source"] == "synthetic")).all()
    assert frame["path"].str.lower().is_unique
    assert frame["path"].str.fullmatch(r"(train|val|test)/[\w-]+/[A-Za-z0-9_-]+\.(png|PNG)").all()
    pond = set(frame.loc[frame["source"] == "synthetic", "path"].str.split("/").str[-1])
    assert {f"synthetic_Pond_{n:06d}.png" for n in range(3)} <= pond


def test_a_rejected_synthetic_image_is_left_out(tmp_path, catalogue, drawn):
    part = drawn(tmp_path / "synthetic", "Pond", 2)
    part.frame.loc[0, "status"] = "copy"
    frame = assemble(catalogue, [part], tmp_path / "set", ABOUT).frame
    assert list(frame.loc[frame["source"] == "synthetic", "seed"]) == [1]


def test_a_path_that_leaves_its_folder_is_refused(tmp_path, catalogue):
    catalogue.frame.loc[0, "path"] = "../secret.png"
    with pytest.raises(BadInput, match="leaves its folder"):
        assemble(catalogue, [], tmp_path / "set", ABOUT)


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
