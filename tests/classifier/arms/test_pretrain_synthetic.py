import torch

from classifier.arms.part import Step
from classifier.arms.registry import arm_of
from classifier.arms.setting import USUAL
from classifier.train.experiment import Trial

from ..conftest import draw_dataset, experiment_for


def test_all_images_come_in_the_first_half_of_the_steps_and_the_real_ones_in_the_second(examples):
    steps = [Step(index, 10, 20, seed=0) for index in range(10)]
    drawn = [arm_of("pretrain-synthetic").indices(examples, step, USUAL) for step in steps]
    first, second = torch.cat(drawn[:5]), torch.cat(drawn[5:])
    assert set(first.tolist()) == set(range(20))
    assert set(second.tolist()) == set(range(18))


def test_a_correction_goes_by_the_real_images_that_are_seen_last(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    experiment = experiment_for(manifest, tmp_path / "out")
    after = experiment.shares(Trial("pretrain-synthetic", 0))
    assert after == experiment.shares(Trial("real", 0))
    assert after != experiment.shares(Trial("synthetic", 0))
