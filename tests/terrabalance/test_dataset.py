import hashlib
import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch.utils.data import DataLoader

from terrabalance.dataset import TerraBalanceDataset, TerraBalanceSamples
from terrabalance.errors import BadInput, NotReady
from terrabalance.manifest import Manifest, frame_of, write_manifest

DTYPES = ["uint8", "uint16", "int16", "float32"]


def values(index: int, bands: int = 5, dtype: str = "uint16") -> np.ndarray:
    """(bands, 6, 7) values, other ones in every band and image."""
    count = bands * 6 * 7
    return (np.arange(count).reshape(bands, 6, 7) % 251 + index).astype(dtype)


def dataset_of(root: Path, bands: int = 5, dtype: str = "uint16") -> Path:
    """Write six images of Sea, b10 and b2; b10 has none in val."""
    rows = []
    for index, (name, split) in enumerate([
        ("Sea", "train"), ("b2", "train"), ("b10", "train"), ("Sea", "val"), ("b2", "val"),
        ("b10", "test"),
    ]):  # fmt: skip
        path = root / f"{split}/{name}/{index}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        planar = "separate" if bands > 1 else None
        pixels = values(index, bands, dtype)
        tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig=planar)
        rows.append({"path": f"{split}/{name}/{index}.tif", "class": name, "split": split,
                     "source": "real", "status": "ok", "bands": bands,
                     "sha256": hashlib.sha256(path.read_bytes()).hexdigest()})  # fmt: skip
    write_manifest(Manifest(root, frame_of(rows)), root)
    return root


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bands", [2, 4, 13])
def test_an_image_has_the_values_and_bands_of_its_file(tmp_path, bands, dtype):
    data = TerraBalanceDataset(dataset_of(tmp_path, bands, dtype), "train")
    image, label = data[0]
    assert image.dtype == torch.float32
    np.testing.assert_array_equal(image, values(0, bands, dtype))
    assert label == 0


def one_image(root: Path, name: str, bands: int) -> TerraBalanceDataset:
    row = {"path": name, "class": "Sea", "split": "train", "source": "real", "status": "ok",
           "bands": bands}  # fmt: skip
    write_manifest(Manifest(root, frame_of([row])), root)
    return TerraBalanceDataset(root, "train")


def test_a_mask_called_alpha_is_left_out_where_the_dataset_counts_it_as_none(tmp_path):
    pixels = np.concatenate([values(0, 3, "uint8"), np.full((1, 6, 7), 255, np.uint8)])
    Image.fromarray(pixels.transpose(1, 2, 0)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(one_image(tmp_path, "a.png", 3)[0][0], pixels[:3])
    np.testing.assert_array_equal(one_image(tmp_path, "a.png", 4)[0][0], pixels)


def test_what_holds_no_data_is_filled(tmp_path):
    pixels = np.full((2, 6, 7), 3.0, np.float32)
    pixels[:, :2, :2] = -9999
    declared = [(42113, "s", 0, "-9999", True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack",
                     planarconfig="separate", extratags=declared)  # fmt: skip
    assert (one_image(tmp_path, "a.tif", 2)[0][0] == 3).all()


def test_labels_follow_the_sorted_class_names_in_every_part(tmp_path):
    root = dataset_of(tmp_path)
    for split, expected in (("train", [0, 1, 2]), ("val", [0, 2]), ("test", [1])):
        data = TerraBalanceDataset(root, split)
        assert data.classes == ["Sea", "b10", "b2"]
        assert data.class_to_idx == {"Sea": 0, "b10": 1, "b2": 2}
        assert sorted(data.targets) == expected
        assert [data.classes[label] for _, label in data] == list(data.rows["class"])


def test_a_transform_changes_the_image_alone(tmp_path):
    data = TerraBalanceDataset(dataset_of(tmp_path), "train", lambda image: image[:3] / 2)
    np.testing.assert_array_equal(data[0][0], values(0)[:3] / 2)
    assert data[0][1] == 0


def test_loaders_of_several_processes_read_it(tmp_path):
    data = pickle.loads(pickle.dumps(TerraBalanceDataset(dataset_of(tmp_path), "train")))
    images, labels = next(iter(DataLoader(data, batch_size=3, num_workers=1)))
    assert images.shape == (3, 5, 6, 7)
    assert labels.tolist() == [0, 1, 2]


def test_a_split_that_is_not_there_is_named_beside_those_that_are(tmp_path):
    root = dataset_of(tmp_path)
    with pytest.raises(BadInput, match=r"split 'valid'. It has \['test', 'train', 'val'\]"):
        TerraBalanceDataset(root, "valid")
    with pytest.raises(NotReady, match="terrabalance assemble"):
        TerraBalanceDataset(root / "train", "train")


def test_no_split_is_not_all_splits_in_one(tmp_path):
    root = dataset_of(tmp_path)
    for none in (None, "", ["train"], 0):
        with pytest.raises(
            BadInput, match=r"no images in split .* It has \['test', 'train', 'val'"
        ):
            TerraBalanceDataset(root, none)


def test_an_image_with_another_copied_over_it_is_named_and_the_others_are_read(tmp_path):
    root = dataset_of(tmp_path)
    data = TerraBalanceDataset(root, "train")
    first, second = (root / path for path in data.rows["path"][:2])
    shutil.copy(first, second)
    with pytest.raises(BadInput, match=rf"{second.name}: gone, damaged, or changed since"):
        data[1]
    assert data[0][0].shape == data[2][0].shape == (5, 6, 7)
    second.unlink()
    with pytest.raises(BadInput, match=rf"{second.name}: gone"):
        data[1]


def test_an_image_that_changes_after_it_was_used_is_named_too(tmp_path):
    root = dataset_of(tmp_path)
    data = TerraBalanceSamples(root, "train")
    file = root / data.rows["path"][0]
    assert data[0]["image"].shape == (5, 6, 7)
    changed = bytearray(file.read_bytes())
    changed[-1] ^= 1
    file.write_bytes(changed)
    with pytest.raises(BadInput, match="changed since the dataset was assembled"):
        data[0]


def test_a_manifest_that_says_other_bands_than_the_file_has_is_named(tmp_path):
    Image.fromarray(values(0, 3, "uint8").transpose(1, 2, 0)).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match=r"a\.png: 3 bands, where the manifest says 5"):
        one_image(tmp_path, "a.png", 5)[0]


def test_a_path_that_leaves_the_dataset_is_refused(tmp_path):
    root = dataset_of(tmp_path / "set")
    row = {"path": "../secret.tif", "class": "Sea", "split": "train", "source": "real",
           "status": "ok"}  # fmt: skip
    write_manifest(Manifest(root, frame_of([row])), root)
    with pytest.raises(BadInput, match="leaves its folder"):
        TerraBalanceDataset(root, "train")


def test_samples_are_those_that_torchgeo_collates(tmp_path):
    pytest.importorskip("torchgeo", reason="torchgeo is not installed")
    from torchgeo.datamodules import NonGeoDataModule
    from torchgeo.datasets import stack_samples

    root = dataset_of(tmp_path)
    data = TerraBalanceSamples(root, "train")
    batch = next(iter(DataLoader(data, batch_size=3, collate_fn=stack_samples)))
    assert (batch["image"].shape, batch["image"].dtype) == ((3, 5, 6, 7), torch.float32)
    assert (batch["label"].tolist(), batch["label"].dtype) == (data.targets, torch.int64)
    module = NonGeoDataModule(TerraBalanceSamples, batch_size=2, root=root)
    module.setup("fit")
    assert next(iter(module.val_dataloader()))["label"].tolist() == [0, 2]


def test_the_transforms_of_samples_get_the_whole_sample(tmp_path):
    data = TerraBalanceSamples(
        dataset_of(tmp_path), "val", lambda sample: {**sample, "image": sample["image"] + 1}
    )
    np.testing.assert_array_equal(data[0]["image"], values(3) + 1)


@pytest.mark.parametrize("bands", [1, 3, 13])
def test_a_sample_of_any_bands_is_plotted_with_its_label(tmp_path, bands):
    pytest.importorskip("matplotlib")
    data = TerraBalanceSamples(dataset_of(tmp_path, bands), "train")
    sample = {**data[1], "prediction": torch.tensor(0)}
    figure = data.plot(sample, suptitle="seen")
    assert figure.axes[0].get_title() == "Label: b10\nPrediction: Sea"
    assert figure.axes[0].images[0].get_array().shape == (6, 7, 3)
    assert data.plot(sample, show_titles=False).axes[0].get_title() == ""


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_plotted_black_and_the_rest_as_without_it(tmp_path, value):
    pytest.importorskip("matplotlib")
    data = TerraBalanceSamples(dataset_of(tmp_path, 3, "float32"), "train")
    image = torch.zeros(3, 6, 7)
    image[:, :, 3:] = 5.0
    image[:, 0] = value
    nowhere = torch.full((3, 6, 7), value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = picture(data, image)
        assert (picture(data, nowhere) == 0).all()
    assert (shown[0] == 0).all() and (shown[1:, :3] == 0).all() and (shown[1:, 3:] == 255).all()


def picture(data: TerraBalanceSamples, image: torch.Tensor) -> np.ndarray:
    figure = data.plot({"image": image, "label": torch.tensor(0)})
    return np.asarray(figure.axes[0].images[0].get_array())
