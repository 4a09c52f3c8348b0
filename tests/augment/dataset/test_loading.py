"""Every line of the card that loads a dataset, run with the real libraries on awkward classes."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment.dataset.assemble import assemble
from classifier.images.loading import train_classes
from terrabalance.files import sha256_of
from terrabalance.images import to_pil, write_png
from terrabalance.manifest import Manifest, frame_of, read_manifest

# Split words, numbers that sort differently as text, case, names that are no safe folders.
CLASSES = ["train_station", "test-track", "dev", "c2", "c10", "Park", "park", "zoo", "yes", "10",
           "Ödland", "a b"]  # fmt: skip
LABELS = {name: label for label, name in enumerate(sorted(CLASSES))}
LACKING = "Park"  # has no validation image
LIBRARIES = ["terrabalance", "TorchGeo", "torchvision", "timm", "Hugging Face"]
NEEDED = {"TorchGeo": "torchgeo", "Hugging Face": "datasets"}
HUB = {"train": "train", "val": "validation", "test": "test"}


def picture(name: str, number: int) -> np.ndarray:
    """A picture that tells its class: the place in CLASSES is its first band."""
    value = np.array([CLASSES.index(name), number, 99], np.uint8)
    return np.broadcast_to(value[:, None, None], (3, 8, 8))


def seen(image: Any) -> int:
    """The label that a classifier without a mistake gives to a `PIL.Image` or a tensor."""
    return LABELS[CLASSES[int(np.asarray(image)[0, 0, 0])]]


@pytest.fixture
def awkward(tmp_path: Path) -> Path:
    rows = []
    for name in CLASSES:
        for split, count in (("train", 3), ("val", 2 * (name != LACKING)), ("test", 2)):
            for number in range(count):
                path = f"{CLASSES.index(name)}/{split}_{number}.png"
                write_png(tmp_path / "raw" / path, picture(name, number))
                file = tmp_path / "raw" / path
                rows.append({"path": path, "class": name, "split": split, "source": "real",
                             "status": "ok", "sha256": sha256_of(file),
                             "bytes": file.stat().st_size})  # fmt: skip
    return assemble(Manifest(tmp_path / "raw", frame_of(rows)), [], tmp_path / "set", {}).root


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], dict[str, Any]]:
    """Run the card's lines for a library in the dataset's folder; return its parts."""

    def run(folder: Path, library: str) -> dict[str, Any]:
        if library in NEEDED:
            pytest.importorskip(NEEDED[library], reason=f"{NEEDED[library]} is not installed")
        if library == "Hugging Face":
            import datasets

            monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
        monkeypatch.chdir(folder)
        found = re.search(rf"^{library}:\n\n```python\n(.*?)```", card_of(folder), re.M | re.S)
        assert found, f"the card has no lines for {library}"
        scope: dict[str, Any] = {}
        exec(compile(found[1], library, "exec"), scope)
        return scope["parts"]

    return run


def card_of(folder: Path) -> str:
    return (folder / "README.md").read_text()


def pairs(part: Iterable[Any]) -> Iterator[tuple[Any, int]]:
    for item in part:
        yield (item["image"], item["label"]) if isinstance(item, dict) else item


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_perfect_classifier_scores_1_in_every_part(awkward, load, library):
    parts = load(awkward, library)
    for split, count in (("train", 36), ("val", 22), ("test", 24)):
        part = parts[HUB[split] if library == "Hugging Face" else split]
        right = [seen(image) == label for image, label in pairs(part)]
        assert (len(right), np.mean(right)) == (count, 1.0), split


def test_without_these_lines_a_perfect_classifier_does_not(awkward):
    """What the card warns of: the reason for its lines."""
    from timm.data import create_dataset
    from torchvision.datasets import ImageFolder

    for part in (ImageFolder(awkward / "val"), create_dataset("", root=str(awkward), split="test")):
        assert np.mean([seen(image) == label for image, label in part]) < 1


def test_the_class_map_is_in_the_label_order_of_our_classifiers(awkward):
    manifest = read_manifest(awkward)
    folder_of = dict(zip(manifest.frame["class"], manifest.frame["path"], strict=True))
    expected = [folder_of[name].split("/")[1] for name in train_classes(manifest)]
    assert (awkward / "class_map.txt").read_text().splitlines() == expected
    assert expected != sorted(expected), "the folders of this test sort differently"


@pytest.mark.parametrize("library", LIBRARIES)
def test_files_that_a_library_does_not_list_are_read_by_the_lines_too(tmp_path, load, library):
    pytest.importorskip("rasterio", reason="JPEG 2000 is read by rasterio")
    rows = []
    for name in ("zoo", "c10"):
        file = tmp_path / "raw" / f"{name}.jp2"
        file.parent.mkdir(exist_ok=True)
        to_pil(picture(name, 0)).save(file, irreversible=False)
        rows.append({"path": file.name, "class": name, "split": "train", "source": "real",
                     "status": "ok", "bands": 3, "sha256": sha256_of(file),
                     "bytes": file.stat().st_size})  # fmt: skip
    folder = assemble(Manifest(file.parent, frame_of(rows)), [], tmp_path / "set", {}).root
    found = [(CLASSES[int(np.asarray(image)[0, 0, 0])], label)
             for image, label in pairs(load(folder, library)["train"])]  # fmt: skip
    assert sorted(found) == [("c10", 0), ("zoo", 1)]


@pytest.mark.parametrize("library", LIBRARIES)
def test_one_class_alone_has_label_0_in_every_library(tmp_path, load, library):
    write_png(tmp_path / "raw" / "a.png", picture("10", 0))
    file = tmp_path / "raw" / "a.png"
    row = {"path": "a.png", "class": "10", "split": "train", "source": "real", "status": "ok",
           "sha256": sha256_of(file), "bytes": file.stat().st_size}  # fmt: skip
    folder = assemble(Manifest(file.parent, frame_of([row])), [], tmp_path / "set", {}).root
    parts = load(folder, library)
    assert list(parts) == ["train"]
    assert [label for _, label in pairs(parts["train"])] == [0]


def test_a_class_that_a_part_lacks_is_named_loudly_in_the_card_and_in_the_log(awkward, caplog):
    assert f"**Split `val` has no image of {LACKING}.**" in card_of(awkward)
    manifest = read_manifest(awkward)
    with caplog.at_level(logging.WARNING):
        assemble(manifest, [], awkward.parent / "again", {})
    assert f"split val has no image of {LACKING}" in caplog.text
