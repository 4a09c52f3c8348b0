import pytest
import torch

from classifier.train.examples import FeatureExamples

COUNTS = [16, 4]


@pytest.fixture
def examples() -> FeatureExamples:
    """Sixteen images of one class, four of another, the last two of which are synthetic."""
    labels = torch.tensor([0] * 16 + [1] * 4)
    synthetic = torch.arange(20) >= 18
    paths = [f"{i}.png" for i in range(20)]
    return FeatureExamples(torch.zeros(20, 1, 1), labels, synthetic, paths, torch.device("cpu"))
