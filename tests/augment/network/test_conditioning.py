import numpy as np
import pytest
import torch

from augment.config import SamplingConfig, TrainingConfig
from augment.network.card import read_card
from augment.network.conditioning import Guided, drop_labels
from augment.network.config import GeneratorConfig
from augment.network.generator import build_diffusion, load_generator
from augment.sample.batch import draw_batch
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator
from terrabalance.errors import BadInput

TINY = GeneratorConfig(image_size=8, dim=8, dim_mults=(1,), timesteps=20)
CLASSES = ("dark", "light")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A generator of two classes, of which one is nearly black and the other nearly white."""
    draw = np.random.default_rng(0)
    dark, light = draw.integers(0, 40, (8, 3, 8, 8)), draw.integers(215, 256, (8, 3, 8, 8))
    images, labels = np.concatenate([dark, light]).astype(np.uint8), np.repeat([0, 1], 8)
    loop = TrainingConfig(steps=120, batch_size=16, learning_rate=8e-3, preview_every=120)
    spec = TrainingSpec("", TINY, loop, seed=0, classes=CLASSES)
    folder = tmp_path_factory.mktemp("base") / "base-1"
    return train_generator(TrainingData(images, labels), spec, folder, [torch.device("cpu")])


def brightness(folder, class_name: str, guidance: float = 1.0) -> float:
    diffusion = load_generator(folder, class_name, torch.device("cpu"), guidance)
    images, _ = draw_batch(diffusion, range(8), SamplingConfig(steps=10), torch.device("cpu"))
    return float(images.mean())


def test_one_generator_draws_the_class_that_it_is_asked_for(base):
    assert brightness(base, "dark") < 80 < 175 < brightness(base, "light")


def test_guidance_moves_away_from_what_all_classes_share(base):
    assert brightness(base, "dark", guidance=0.0) > brightness(base, "dark") + 20


def test_a_class_that_it_was_not_trained_on_is_refused(base):
    with pytest.raises(BadInput, match="draws dark, light, not 'River'"):
        load_generator(base, "River", torch.device("cpu"))


def test_a_class_goes_on_from_the_base_and_then_draws_only_itself(base, tmp_path, cpu):
    images = np.full((4, 3, 8, 8), 250, np.uint8)
    loop = TrainingConfig(steps=2, batch_size=4, learning_rate=1e-4)
    spec = TrainingSpec("light", TINY, loop, seed=0, start=base, classes=CLASSES)
    folder = train_generator(TrainingData(images), spec, tmp_path, [cpu])
    assert read_card(folder)["start"] == base.name and read_card(folder)["draws"] == ["light"]
    assert brightness(folder, "light") > 175  # after two steps: all that it knows is the base's
    with pytest.raises(BadInput, match="draws light, not 'dark'"):
        load_generator(folder, "dark", cpu)


def test_guidance_of_one_costs_one_network_call(cpu):
    unet = build_diffusion(TINY, n_classes=3).model
    calls: list[int] = []
    unet.register_forward_hook(lambda *_: calls.append(1))
    images, times = torch.zeros(1, 3, 8, 8), torch.tensor([3])
    Guided(unet, 1, 1.0)(images, times)
    assert len(calls) == 1
    Guided(unet, 1, 2.0)(images, times)
    assert len(calls) == 3


def test_the_wanted_share_of_labels_is_hidden():
    labels = torch.arange(4).repeat(500)
    hidden = drop_labels(labels, 9, 0.25, torch.Generator().manual_seed(0))
    assert (hidden == 9).float().mean() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(hidden[hidden != 9], labels[hidden != 9])
    assert torch.equal(drop_labels(labels, 9, 0.0, torch.Generator()), labels)
