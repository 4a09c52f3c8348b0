import pytest
import torch
from torch import nn

from classifier.export import network
from terrabalance.errors import BadInput


def test_bands_that_other_programs_would_read_differently_are_refused(small, monkeypatch):
    path = small.trained(small.chosen("real")) / "card.json"
    text = path.read_text().replace('"uint8"', '"uint16"')
    path.write_text(text[: text.rindex('"sha256"')].rstrip().rstrip(",") + "}")
    with pytest.raises(
        BadInput, match=r"reads 3 bands of uint16\. Only classifiers of images with"
    ):
        small.export("real")


def test_a_head_whose_network_was_changed_since_is_refused(head, backbone):
    backbone.write_bytes(backbone.read_bytes() + b" ")
    with pytest.raises(BadInput, match="not as it was when the head was trained"):
        head.export("real")
    backbone.unlink()
    with pytest.raises(BadInput, match=r"net\.safetensors: gone"):
        head.export("real")


def test_a_network_whose_last_layer_is_not_the_last_is_refused(small, monkeypatch):
    """As of models that scale their logits: what is added to the bias is scaled too."""
    build = network.build_model

    def doubled(*args):
        model = build(*args)
        model.register_forward_hook(lambda module, given, logits: 2 * logits)
        return model

    monkeypatch.setattr(network, "build_model", doubled)
    with pytest.raises(BadInput, match=r"test_resnet cannot be exported .* logits would differ by"):
        small.export("logit-adjustment")


def test_a_network_without_a_linear_last_layer_is_refused(small, monkeypatch):
    monkeypatch.setattr("timm.models.ResNet.get_classifier", lambda model: nn.Identity())
    with pytest.raises(BadInput, match="its last layer is no linear one with a bias"):
        small.export("logit-adjustment")


def test_the_exported_network_is_on_the_cpu_and_in_float32(small):
    chosen = small.chosen("real")
    found = network.network_of(small.trained(chosen), chosen)
    kinds = {(t.device.type, t.dtype) for t in found.model.parameters()}
    assert kinds == {("cpu", torch.float32)} and not found.model.training
