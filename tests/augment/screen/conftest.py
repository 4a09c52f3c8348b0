"""Drawn scenes of three classes with features of plain statistics, and rules fitted on them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from augment.scenes import draw_scene
from augment.screen.fitted_rules import FittedRules, RealPart, fit_rules
from augment.screen.limits import accepted
from augment.screen.scoring import score_images
from terrabalance.symmetry import apply_symmetry, keep_shape

CLASSES = ("Forest", "River", "Farmland")
SIDE = 32


def _features(images: np.ndarray) -> np.ndarray:
    """Return (N, 27): a histogram of each band, and how strong its edges are."""
    bins = images.reshape(len(images), 3, -1) // 32
    shares = np.stack([(bins == level).mean(2) for level in range(8)], axis=2)
    edges = np.abs(np.diff(images.astype(float), axis=3)).mean((2, 3)) / 64
    return np.concatenate([shares.reshape(len(images), -1), edges], axis=1).astype(np.float32)


def _scenes(class_name: str, first: int, n: int) -> np.ndarray:
    return np.stack([draw_scene(class_name, first + i, SIDE) for i in range(n)])


def _views(images: np.ndarray) -> np.ndarray:
    """Return the (N, 8, 27) features of every symmetry."""
    turned = (
        apply_symmetry(torch.from_numpy(images), which).numpy() for which in keep_shape(SIDE, SIDE)
    )
    return np.stack([_features(each) for each in turned], axis=1)


def _real(first: int, n: int) -> RealPart:
    images = np.concatenate([_scenes(name, first, n) for name in CLASSES])
    return RealPart(images, _views(images), np.repeat(np.arange(len(CLASSES)), n))


def _refused(
    fitted: FittedRules, train: RealPart, images: np.ndarray, label: int = 0
) -> np.ndarray:
    of = fitted.class_of(label, train.of(label))
    return ~accepted(score_images(fitted.candidates(images, _views(images)), of),
                     fitted.limits[label])  # fmt: skip


@pytest.fixture(scope="session")
def drawn() -> SimpleNamespace:
    """What tests of screening draw by."""
    return SimpleNamespace(
        classes=CLASSES, scenes=_scenes, views=_views, real=_real, refused=_refused
    )


@pytest.fixture(scope="session")
def train() -> RealPart:
    return _real(0, 40)


@pytest.fixture(scope="session")
def fitted(train) -> FittedRules:
    found = fit_rules(train, _real(1000, 40), 0.03)
    assert found is not None
    return found
