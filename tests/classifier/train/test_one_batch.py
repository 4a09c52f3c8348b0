import pytest
import torch
from safetensors.torch import load_file

from classifier.config import ClassifierConfig
from classifier.feature_network import FeatureConfig
from classifier.network.model import WEIGHTS, build_model
from classifier.train.experiment import Trial
from classifier.train.one_batch import try_feature_network, try_features, try_training
from classifier.train.training import train, val_outputs
from terrabalance.errors import BadInput

from ..conftest import REAL, experiment_for, tiny_config


def trial_of(**changes: object) -> None:
    config = tiny_config(**changes)
    model = build_model(config, 2)
    try_training(model, config)
    try_features(model, config.model, config.image_size)


@pytest.mark.parametrize("model", ["test_resnet", "test_vit", "crossvit_tiny_240"])
def test_a_network_that_works_is_taken(model):
    trial_of(model=model, image_size=48)


def test_a_network_whose_layers_share_weights_is_trained_and_read_again(squares, tmp_path):
    """The weights of CoaT are those of several layers, which safetensors refuses to write."""
    changes = {"model": "coat_tiny", "steps": 1, "batch_size": 2}
    trial_of(**changes)
    experiment = experiment_for(squares, tmp_path, **changes)
    folder = train(experiment, REAL)
    written = load_file(folder / WEIGHTS)
    assert torch.equal(
        written["serial_blocks1.0.cpe.proj.weight"], written["serial_blocks1.1.cpe.proj.weight"]
    )
    assert val_outputs(experiment, Trial("real", 0)).logits.shape == (4, 2)


@pytest.mark.parametrize(
    ("model", "size"),
    [("halonet_h1", 64), ("efficientformer_l1", 64)],  # blocks of 8 px; made for 224 px alone
)
def test_a_network_that_fails_at_its_size_is_refused_by_its_name_and_size(model, size):
    with pytest.raises(BadInput, match=rf"classifier\.model = '{model}' .* {size} px.* Change cl"):
        trial_of(model=model, image_size=size)


def test_a_network_that_is_not_trainable_is_refused():
    config = tiny_config()
    model = build_model(config, 2).requires_grad_(False)
    with pytest.raises(BadInput, match="does not work with images of 32 px"):
        try_training(model, config)


def test_a_feature_network_is_tried_under_its_own_section():
    with pytest.raises(BadInput, match=r"fidelity\.model = 'test_vitt' is not a model"):
        try_feature_network(FeatureConfig(model="test_vitt"))
    with pytest.raises(BadInput, match=r"fidelity\.model = 'halonet_h1' .* 64 px .* fidelity\.im"):
        try_feature_network(FeatureConfig(model="halonet_h1", image_size=64))
    try_feature_network(FeatureConfig(model="test_vit", image_size=48))


def test_features_that_are_no_vector_are_refused():
    model = build_model(ClassifierConfig(model="test_resnet", pretrained=False), 2)
    model.reset_classifier = lambda n: setattr(model, "forward", model.forward_features)
    with pytest.raises(BadInput, match="not a vector"):
        try_features(model, "test_resnet", 32)
