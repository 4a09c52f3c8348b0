import pytest
import torch

from classifier.arms.part import Batch, Step
from classifier.arms.registry import arm_of
from classifier.arms.setting import USUAL
from classifier.train.experiment import Experiment, Trial

CMO = arm_of("cmo")


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain_batch(level: float, label: int, n: int = 400) -> Batch:
    return Batch(torch.full((n, 3, 20, 30), level), torch.full((n,), label))


def test_partners_come_equally_often_from_each_class(examples):
    steps = (Step(index, 50, 100, seed=0) for index in range(50))
    partners = torch.cat([CMO.partners(examples, step) for step in steps])
    assert examples.labels[partners].float().mean() == pytest.approx(0.5, abs=0.03)
    assert set(partners.tolist()) == set(range(20))


def test_partners_are_a_function_of_seed_and_step(examples):
    def partners(step: int, seed: int) -> list[int]:
        return CMO.partners(examples, Step(step, 9, 8, seed)).tolist()

    assert partners(3, 0) == partners(3, 0)
    assert partners(3, 0) != partners(4, 0) and partners(3, 0) != partners(3, 1)


def test_half_of_the_images_get_a_patch_and_labels_are_mixed_by_its_share_of_the_pixels():
    images, targets = CMO.mixed(plain_batch(0.0, 0), plain_batch(1.0, 2), 3, drawn())
    shares = images.mean(dim=(1, 2, 3))
    zeros = torch.zeros_like(shares)
    assert torch.allclose(targets, torch.stack([1 - shares, zeros, shares], dim=1), atol=1e-6)
    assert 160 < (shares > 0).sum() < 240
    assert shares[shares > 0].mean() == pytest.approx(0.5, abs=0.06)


def test_a_patch_is_a_rectangle_in_the_place_where_it_was():
    other = torch.arange(600.0).reshape(1, 1, 20, 30) + 1
    labels = torch.zeros(64, dtype=torch.int64)
    batch = Batch(torch.zeros(64, 1, 20, 30), labels)
    partners = Batch(other.repeat(64, 1, 1, 1), labels)
    images, _ = CMO.mixed(batch, partners, 2, drawn())
    for image in images[:, 0]:
        rows, columns = (torch.nonzero(image.sum(dim=axis)).flatten() for axis in (1, 0))
        if len(rows):
            patch = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            assert torch.equal(image[patch], other[0, 0][patch])


def test_features_are_mixed_by_the_shares_of_their_labels():
    batch = Batch(torch.zeros(50, 8), torch.zeros(50, dtype=torch.int64))
    partners = Batch(torch.full((50, 8), 2.0), torch.ones(50, dtype=torch.int64))
    features, targets = CMO.mixed(batch, partners, 2, drawn())
    assert torch.allclose(features, 2 * targets[:, 1:].expand(-1, 8))


def test_a_correction_of_its_logits_knows_what_mixing_did_to_the_shares_of_classes(
    examples, monkeypatch
):
    steps = [Step(index, 50, 200, seed=0) for index in range(50)]
    targets = torch.cat([
        CMO.mixed(
            *(
                Batch(torch.zeros(200, 1, 16, 16), examples.labels[chosen])
                for chosen in (CMO.indices(examples, step, USUAL), CMO.partners(examples, step))
            ),
            2, drawn(step.index),
        )[1]
        for step in steps
    ])  # fmt: skip
    counts = {"frequent": 16, "rare": 4}
    monkeypatch.setattr(Experiment, "counts", lambda self, trial: counts)
    experiment = object.__new__(Experiment)
    shares = experiment.shares(Trial("cmo", 0))
    assert list(shares.values()) == pytest.approx(targets.mean(dim=0).tolist(), abs=0.01)
    assert experiment.shares(Trial("real", 0)) == {"frequent": 0.8, "rare": 0.2}
