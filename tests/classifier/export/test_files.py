"""An export is run as its user would: the card's own code, in a process without terrabalance."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from classifier.export.files import write_export
from classifier.images.loading import to_input
from terrabalance.images import read_patches

from .conftest import classify, code_of

CLOSE = 1e-4  # of logits, in float32
# Features are kept as float16, of eleven bits.
ROUNDED = 5e-2


def expected(study, arm: str, seed: int | None = None) -> dict[Path, np.ndarray]:
    """What the arm says of validation images: stored logits less what Menon et al. take off."""
    chosen = study.chosen(arm, seed)
    off = np.log(chosen.shares) * chosen.setting.strength * ("logit-adjustment" in arm)
    return {image: np.array(logits) - off for image, logits in study.stored(chosen).items()}


@pytest.mark.parametrize("arm", ["synthetic", "synthetic+logit-adjustment"])
def test_the_cards_code_gives_the_stored_outputs_of_a_whole_network(whole, arm):
    folder, wanted = whole.export(arm), expected(whole, arm)
    classes = json.loads((folder / "config.json").read_text())["label_names"]
    assert len(wanted) == 4
    found = classify(folder, wanted)
    for (name, logits), right in zip(found, wanted.values(), strict=True):
        assert np.abs(np.array(logits) - right).max() < CLOSE
        assert name == classes[int(right.argmax())]
        assert np.argsort(logits).tolist() == np.argsort(right).tolist()


def test_the_cards_code_gives_the_stored_outputs_of_a_frozen_head(head, backbone):
    for arm in ("real", "synthetic+logit-adjustment"):
        folder, wanted = head.export(arm), expected(head, arm)
        found = classify(folder, wanted)
        for (_, logits), (image, right) in zip(found, wanted.items(), strict=True):
            assert np.abs(np.array(logits) - right).max() < ROUNDED
            assert np.argsort(logits).tolist() == np.argsort(right).tolist()
            assert np.abs(np.array(logits) - exact(head, arm, image, backbone)).max() < CLOSE
        assert "register_forward_pre_hook" in code_of(folder)


def exact(study, arm: str, image: Path, backbone: Path) -> np.ndarray:
    """Head on features in float32, with nothing folded; the network is torch's and timm's alone."""
    from safetensors.torch import load_file

    chosen = study.chosen(arm)
    head = load_file(study.trained(chosen) / "classifier.safetensors")
    network = timm.create_model("test_resnet", num_classes=5).eval()
    network.load_state_dict(load_file(backbone))
    network.reset_classifier(0)
    levels = torch.from_numpy(read_patches([image], study.experiment.resolution))
    cfg = network.pretrained_cfg
    with torch.inference_mode():
        features = network(to_input(levels, 48, cfg["mean"], cfg["std"]))[0]
    roots = features.sign() * features.abs() ** 0.5
    logits = head["linear.weight"] @ ((roots - head["mean"]) / head["spread"]) + head["linear.bias"]
    off = np.log(chosen.shares) * chosen.setting.strength * ("logit-adjustment" in arm)
    return np.asarray(logits) - off


def test_the_cards_code_reads_images_of_other_sizes_and_modes_as_training_does(small, tmp_path):
    folder, rng = small.export("real"), np.random.default_rng(0)
    kinds = (((57, 40), "RGB"), ((32, 32), "L"), ((40, 71), "RGBA"), ((33, 90), "P"))
    exif = Image.Exif()
    exif[274] = 6  # to be turned
    for at, (size, mode) in enumerate(kinds):
        picture = Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).convert(mode)
        picture.save(tmp_path / f"{at}.png", exif=exif)
    images = sorted(tmp_path.glob("*.png"))
    levels = torch.from_numpy(read_patches(images, small.experiment.resolution))
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    cfg = model.pretrained_cfg
    with torch.inference_mode():
        wanted = model(to_input(levels, 48, cfg["mean"], cfg["std"])).numpy()
    found = np.array([logits for _, logits in classify(folder, images)])
    assert np.abs(found - wanted).max() < CLOSE


def test_timm_finds_all_it_needs_in_the_folder(whole):
    folder = whole.export("real")
    model = timm.create_model(f"local-dir:{folder}", pretrained=True)
    config = timm.data.resolve_model_data_config(model)
    assert tuple(config["input_size"]) == (3, 48, 48) and config["interpolation"] == "bicubic"
    assert tuple(config["mean"]) == (0.5, 0.5, 0.5) and config["crop_pct"] == 1.0
    assert list(model.pretrained_cfg["label_names"]) == ["<b>Pond", "Field"]
    assert model.num_classes == 2
    assert "license" not in model.pretrained_cfg  # that of weights which it never had


def test_a_transformer_of_fixed_input_size_is_exported_at_the_size_of_its_training(studied):
    study = studied(model="test_vit", steps=1, arms=("real", "oversample"), seeds=(0,), tries=1)
    stored = study.stored(study.chosen("real"))
    found = np.array([logits for _, logits in classify(study.export("real"), stored)])
    assert np.abs(found - np.array(list(stored.values()))).max() < CLOSE


def test_the_card_tells_figures_size_and_limits_and_escapes_names(whole):
    text = (whole.export("synthetic", 1) / "README.md").read_text()
    mean = whole.record["metrics"]["synthetic"]["balanced_accuracy"]["mean"]
    level = whole.record["levels"]["synthetic"]
    row = f"| Balanced accuracy, % | {100 * mean:.1f} | {100 * level['low']:.1f} to "
    assert row in text and "8 drawn test images" in text and "1 comparison has read" in text
    assert "shape of 32 px" in text and "seed 1" in text
    assert "Trained on the real images and the synthetic ones" in text
    assert "\\<b" not in text and "&lt;b&gt;Pond | 0 | 12 |" in text
    assert "terrabalance sets no licence" in text and "random weights" in text


def test_the_card_of_one_training_does_not_speak_of_several(whole, tmp_path):
    assert "means over 2 trainings" in (whole.export("real", 0) / "README.md").read_text()
    chosen = whole.chosen("real", 0)
    record = {**whole.record, "seeds": [0]}
    write_export(tmp_path / "one", whole.trained(chosen), chosen, record, "study")
    text = (tmp_path / "one" / "README.md").read_text()
    assert "They are those of this one training." in text and "means over" not in text
