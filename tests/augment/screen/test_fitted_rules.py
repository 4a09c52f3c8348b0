"""What the fitted rules refuse of drawn scenes, and their file."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.ndimage import gaussian_filter

from augment.screen.fitted_rules import (
    RealPart,
    fit_rules,
    read_fitted_rules,
    write_fitted_rules,
)
from augment.screen.rules import LIMITED
from terrabalance.symmetry import apply_symmetry


def test_few_unseen_real_images_are_refused(fitted, train, drawn):
    shares = [
        drawn.refused(fitted, train, drawn.scenes(name, 2000, 60), label).mean()
        for label, name in enumerate(drawn.classes)
    ]
    assert np.mean(shares) <= 0.08


@pytest.mark.parametrize("which", range(8))
def test_copies_are_refused_however_they_are_turned(fitted, train, drawn, which):
    copies = apply_symmetry(torch.from_numpy(train.of(0).images[:10]), which).numpy().copy()
    assert drawn.refused(fitted, train, copies).mean() >= 0.9


def test_most_images_of_another_class_are_refused(fitted, train, drawn):
    # Their histograms differ little; benchmarks/screening.py measures it on AID.
    assert drawn.refused(fitted, train, drawn.scenes("River", 3000, 40)).mean() >= 0.6


def test_noise_and_blur_are_refused(fitted, train, drawn):
    images = drawn.scenes("Forest", 3000, 20)
    noise = np.random.default_rng(0).normal(0, 25, images.shape)
    noisy = (images + noise).clip(0, 255).astype(np.uint8)
    assert drawn.refused(fitted, train, noisy).all()
    assert drawn.refused(fitted, train, gaussian_filter(images, (0, 0, 2, 2))).mean() >= 0.9


def test_fitted_rules_survive_the_file(fitted, train, drawn, tmp_path):
    write_fitted_rules(tmp_path / "s.safetensors", fitted)
    again = read_fitted_rules(tmp_path / "s.safetensors")
    images = drawn.scenes("River", 3000, 8)
    assert again.limits == fitted.limits
    assert (drawn.refused(again, train, images, 1) == drawn.refused(fitted, train, images, 1)).all()


def test_the_file_holds_the_limits_in_the_order_of_the_rules(fitted, tmp_path):
    write_fitted_rules(tmp_path / "s.safetensors", fitted)
    tensors = load_file(tmp_path / "s.safetensors")
    assert tensors["limits"][0].tolist() == [fitted.limits[0][rule] for rule in LIMITED]


def test_too_few_validation_images_still_let_copies_be_refused(train, drawn):
    fitted = fit_rules(train, drawn.real(1000, 4), 0.03)
    assert all(set(limits) == {"copy", "near_copy"} for limits in fitted.limits)
    copies = train.of(0).images[:10, :, ::-1].copy()
    assert drawn.refused(fitted, train, copies).all()
    assert drawn.refused(fitted, train, drawn.scenes("Forest", 2000, 30)).mean() <= 0.1
    noise = np.random.default_rng(0).integers(0, 256, copies.shape, np.uint8)
    assert not drawn.refused(fitted, train, noise).any()  # a rule without a limit accepts


@pytest.mark.parametrize("n_scored", [0, 1, 7])
def test_validation_images_that_no_rule_can_score_are_too_few_too(train, drawn, n_scored):
    val = drawn.real(1000, 20)
    kept = np.flatnonzero((val.labels > 0) | (np.arange(len(val.labels)) < n_scored))
    chosen = np.concatenate([np.arange(40), [40, 80]])  # of two classes one image alone
    lone = RealPart(train.images[chosen], train.features[chosen], train.labels[chosen])
    few = RealPart(val.images[kept], val.features[kept], val.labels[kept])
    fitted = fit_rules(lone, few, 0.03)
    assert [set(limits) for limits in fitted.limits] == [{"copy", "near_copy"}, set(), set()]


def test_one_class_alone_is_not_screened(train):
    one = train.of(0)
    assert fit_rules(one, one, 0.03) is None
