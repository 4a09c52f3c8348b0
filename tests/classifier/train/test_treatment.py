import pytest
import torch

from classifier.train.examples import FeatureExamples
from classifier.train.treatment import image_weights, indices_of
from classifier.tuning import Setting

COUNTS = [16, 4]


@pytest.fixture
def examples() -> FeatureExamples:
    """Sixteen images of one class, four of another, the last two of which are synthetic."""
    labels = torch.tensor([0] * 16 + [1] * 4)
    synthetic = torch.arange(20) >= 18
    paths = [f"{i}.png" for i in range(20)]
    return FeatureExamples(torch.zeros(20, 1, 1), labels, synthetic, paths, torch.device("cpu"))


@pytest.mark.parametrize(("strength", "ratio"), [(1.0, 4.0), (0.5, 2.0), (0.0, 1.0)])
def test_class_weights_are_a_power_of_the_numbers_and_1_on_average(examples, strength, ratio):
    weights = image_weights("class-weight", examples, COUNTS, Setting(strength=strength))
    assert weights[-1] / weights[0] == pytest.approx(ratio)
    assert weights.mean() == pytest.approx(1.0)


@pytest.mark.parametrize(("strength", "rare"), [(1.0, 0.5), (0.5, 1 / 3), (0.0, 0.2)])
def test_oversampling_shows_rare_classes_by_its_strength(examples, strength, rare):
    drawn = torch.cat(
        [indices_of("oversample", examples, step, 50, 100, 0, strength) for step in range(50)]
    )
    assert examples.labels[drawn].float().mean() == pytest.approx(rare, abs=0.03)
    assert set(drawn.tolist()) == set(range(20))


def test_oversampling_is_a_function_of_seed_and_step(examples):
    def drawn(step: int, seed: int) -> list[int]:
        return indices_of("oversample", examples, step, 9, 8, seed, 1.0).tolist()

    assert drawn(3, 0) == drawn(3, 0)
    assert drawn(3, 0) != drawn(4, 0) and drawn(3, 0) != drawn(3, 1)


def test_synthetic_images_alone_have_the_weight_of_the_setting(examples):
    weights = image_weights("weighted", examples, COUNTS, Setting(weight=0.25))
    assert weights.tolist() == [1.0] * 18 + [0.25] * 2
