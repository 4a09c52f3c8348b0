from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from classifier.arms.part import Part
from classifier.arms.registry import PARTS, arm_of
from classifier.arms.setting import USUAL, Setting
from classifier.study.selection import choose, counts_of, predictions_of
from classifier.train.experiment import Experiment, Trial, trials_of
from classifier.train.training import train
from terrabalance.errors import BadInput
from terrabalance.manifest import Manifest

from ..conftest import REAL, SYNTHETIC, ask_test, draw_dataset, experiment_for, outputs
from .conftest import COUNTS


@pytest.mark.parametrize(
    "arm",
    ["class-weight", "oversample", "balanced-softmax", "strong-augment", "class-cutmix",
     "class-cutmix+synthetic", "synthetic-weighted", "pretrain-synthetic"],
)  # fmt: skip
def test_every_arm_trains_otherwise_than_the_plain_one_and_repeats(squares, tmp_path, arm):
    experiments = [experiment_for(squares, tmp_path / name) for name in "ab"]
    plain = "synthetic" if "synthetic" in arm else "real"
    pond = squares.frame["class"].str.contains("Pond") & (squares.frame["split"] == "train")
    few = squares.frame[~(pond & squares.frame["path"].str.contains("real_[4-7]"))]
    uneven = [
        Experiment(Manifest(squares.root, few), b.config, 32, b.device, b.root) for b in experiments
    ]
    for experiment in uneven:
        train(experiment, Trial(arm, 0))
    train(uneven[0], Trial(plain, 0))
    assert outputs(uneven[0], Trial(arm, 0)) == outputs(uneven[1], Trial(arm, 0))
    assert outputs(uneven[0], Trial(arm, 0)) != outputs(uneven[0], Trial(plain, 0))


@pytest.mark.parametrize(
    ("arm", "setting"),
    [
        ("real", Setting(rate=0.5)),
        ("balanced-softmax", Setting(strength=0.5)),
        ("class-weight", Setting(strength=0.5)),
        ("oversample", Setting(strength=0.5)),
        ("synthetic", Setting(share=0.5)),
        ("synthetic-weighted", Setting(weight=0.1)),
    ],
)
def test_a_setting_changes_the_training_and_lies_beside_the_usual_one(tmp_path, arm, setting):
    manifest = draw_dataset(tmp_path / "data")
    pond = manifest.frame["path"].str.contains("train/1/real_[4-7]")
    experiment = experiment_for(
        Manifest(manifest.root, manifest.frame[~pond]), tmp_path / "out", steps=3
    )
    for each in (Trial(arm, 0), Trial(arm, 0, setting)):
        train(experiment, each)
    assert outputs(experiment, Trial(arm, 0)) != outputs(experiment, Trial(arm, 0, setting))


def test_arms_without_synthetic_images_are_the_same_training(squares, tmp_path):
    frame = squares.frame[squares.frame["source"] == "real"]
    experiment = experiment_for(Manifest(squares.root, frame), tmp_path)
    for trial in (REAL, SYNTHETIC):
        train(experiment, trial)
    assert outputs(experiment, REAL) == outputs(experiment, SYNTHETIC)


def test_the_real_arm_never_opens_a_synthetic_image(tmp_path):
    manifest = draw_dataset(tmp_path / "data")
    for path in manifest.root.glob("train/**/synthetic_*.png"):
        path.unlink()
    assert train(experiment_for(manifest, tmp_path / "out", steps=1), REAL).is_dir()


def test_the_oracle_arm_alone_trains_on_the_oracle_part(squares, tmp_path):
    frame = squares.frame.copy()
    with pytest.raises(BadInput, match="split 'oracle', and there are none"):
        train(experiment_for(Manifest(squares.root, frame), tmp_path), Trial("oracle", 0))
    frame.loc[frame["path"].str.contains("train/.*real_[4-7]"), "split"] = "oracle"
    experiment = experiment_for(Manifest(squares.root, frame), tmp_path)
    assert experiment.counts(Trial("oracle", 0)) == {"<b>Pond": 8, "Field": 8}
    assert experiment.counts(REAL) == {"<b>Pond": 4, "Field": 4}
    train(experiment, Trial("oracle", 0))
    assert len(ask_test(experiment, Trial("oracle", 0)).paths) == 8


def test_half_the_synthetic_images_are_the_first_half(squares, tmp_path):
    experiment = experiment_for(squares, tmp_path)
    half = Trial("synthetic", 0, Setting(share=0.5))
    assert experiment.counts(half) == {"<b>Pond": 10, "Field": 8}
    assert experiment.counts(SYNTHETIC) == {"<b>Pond": 12, "Field": 8}
    assert experiment.folder(half) != experiment.folder(SYNTHETIC)


class Focal(Part):
    """Focal loss (Lin et al. 2017) with a gamma of 2."""

    name = "focal"
    label = "Focal loss"

    def losses(self, logits: Tensor, targets: Tensor, setting: Setting) -> Tensor:
        each = functional.cross_entropy(logits, targets, reduction="none")
        return (1 - (-each).exp()) ** 2 * each


@pytest.fixture
def focal(monkeypatch) -> Part:
    """A part that no file has: what its line in the registry would add."""
    monkeypatch.setitem(PARTS, Focal.name, Focal())
    return PARTS[Focal.name]


def test_a_new_loss_is_one_part_and_composes_with_all_others(focal, examples):
    arm = arm_of("class-weight+focal+synthetic-weighted+logit-adjustment")
    assert arm.corrects == "class-weight+focal+synthetic-weighted"
    assert arm.without == "class-weight+focal" and arm.generative
    weights = [arm_of(name).weights(examples, COUNTS, USUAL)
               for name in ("class-weight", "synthetic-weighted", arm.name)]  # fmt: skip
    assert torch.equal(weights[0] * weights[1], weights[2])
    logits, targets = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    assert (
        0 < arm.losses(logits, targets, USUAL) < 0.1 * arm_of("real").losses(logits, targets, USUAL)
    )


def test_two_losses_in_one_arm_are_refused(focal, monkeypatch):
    monkeypatch.setitem(PARTS, "other", type("Other", (Focal,), {"name": "other"})())
    with pytest.raises(BadInput, match="focal and other both decide the loss"):
        arm_of("focal+other")


@pytest.mark.parametrize("frozen", [False, True])
def test_a_new_loss_trains_alone_and_in_combination(focal, squares, tmp_path, backbone, frozen):
    experiment = experiment_for(squares, tmp_path, frozen=frozen, weights=backbone, steps=4,
                                seeds=(0,), tries=2)  # fmt: skip
    names = ("real", "focal", "class-cutmix+focal+synthetic+logit-adjustment")
    config = experiment.config.model_copy(update={"arms": names})  # settings offer listed arms only
    experiment = replace(experiment, config=config)
    for trial in trials_of(config):
        train(experiment, trial)
    assert outputs(experiment, Trial("focal", 0)) != outputs(experiment, REAL)
    choices = choose(experiment)
    predicted = predictions_of(experiment, choices, "val")
    assert set(predicted["arm"]) == set(names) and counts_of(experiment, choices)["focal"]
