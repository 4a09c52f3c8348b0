from collections.abc import Mapping

import numpy as np
import pytest

from classifier.arms.registry import ARMS
from classifier.arms.setting import Setting
from classifier.arms.tuning import MOST_TRIES
from classifier.study.selection import choose, counts_of
from classifier.train.experiment import Trial, trial_of, trials_of
from classifier.train.outputs import Outputs

from ..conftest import experiment_for


@pytest.fixture
def sweep(squares, tmp_path, monkeypatch):
    """Return a selection in which each trial has a given balanced accuracy on val."""

    def choices(right: Mapping[tuple[str, float], float], arms: tuple[str, ...], tries: int = 3):
        def val_outputs(experiment, trial: Trial) -> Outputs:
            truth = np.repeat([0, 1], 100)
            hit = np.arange(200) % 100 < 100 * right.get((trial.arm, trial.setting.share), 0)
            logits = np.eye(2)[np.where(hit, truth, 1 - truth)].astype(np.float32)
            return Outputs(["<b>Pond", "Field"], [str(i) for i in range(200)], truth, logits)

        monkeypatch.setattr("classifier.study.selection.val_outputs", val_outputs)
        experiment = experiment_for(squares, tmp_path, arms=arms, tries=tries, seeds=(0, 1))
        return experiment, choose(experiment)

    return choices


def test_the_best_share_on_val_is_chosen(sweep):
    right = {("real", 1.0): 0.6, ("synthetic", 0.5): 0.8, ("synthetic", 1.0): 0.7}
    experiment, found = sweep(right, ("real", "synthetic"))
    assert found.shares == {"real": 1.0, "logit-adjustment": 1.0, "synthetic": 0.5}
    rows = [row for row in found.tried if row["arm"] == "synthetic"]
    assert [(row["says"], row["chosen"]) for row in rows] == [
        ("as usual", False),
        ("none of the synthetic images", False),
        ("50 % of the synthetic images", True),
    ]
    assert [row["val"] for row in rows] == pytest.approx([0.7, 0.6, 0.8])
    assert counts_of(experiment, found)["synthetic"]["<b>Pond"] == 10


def test_none_of_the_synthetic_images_is_chosen_where_they_harm(sweep):
    right = {("real", 1.0): 0.9, ("synthetic", 0.5): 0.8, ("synthetic", 1.0): 0.7}
    experiment, found = sweep(right, ("real", "synthetic"))
    assert found.shares["synthetic"] == 0.0
    assert found.trial("synthetic", 1) == Trial("real", 1)
    assert counts_of(experiment, found)["synthetic"] == counts_of(experiment, found)["real"]


def test_every_arm_is_tried_with_equally_many_different_settings(sweep):
    names = tuple(ARMS)
    _, found = sweep({}, names, MOST_TRIES)
    for name in names:
        tried = [tuple(row["setting"].items()) for row in found.tried if row["arm"] == name]
        assert len(set(tried)) == MOST_TRIES


def test_alone_the_usual_setting_is_not_chosen_but_given(sweep):
    _, found = sweep({("synthetic", 1.0): 0.1}, ("real", "synthetic"), tries=1)
    assert found.tried == []
    assert set(found.settings.values()) == {Setting()}


def test_of_equals_the_usual_setting_is_taken(sweep):
    _, found = sweep({}, ("real", "logit-adjustment", "synthetic"), MOST_TRIES)
    assert set(found.settings.values()) == {Setting()}


def test_a_correcting_arm_rests_on_what_it_corrects_at_every_strength(squares, tmp_path):
    arms = ("real", "logit-adjustment", "synthetic", "synthetic+logit-adjustment")
    experiment = experiment_for(squares, tmp_path, arms=arms, tries=MOST_TRIES, seeds=(0,))
    trained = trials_of(experiment.config)
    assert {each.arm for each in trained} == {"real", "synthetic"}
    # All the rates of `real` and the shares of `synthetic` but 0, and nothing else.
    assert len(trained) == MOST_TRIES + MOST_TRIES - 1


@pytest.mark.parametrize("arm", ["logit-adjustment", "synthetic", "synthetic+logit-adjustment"])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_arm_reads_the_trial_of_its_own_penalty(arm, share):
    setting = Setting(share=share, strength=0.5, penalty=0.1)
    assert trial_of(arm, 0, setting).setting == Setting(
        penalty=0.1, strength=0.5 if arm == "synthetic" and share else 1.0
    )


def test_a_training_is_named_by_its_arm_and_seed():
    assert str(Trial("real", 0)) == "real, seed 0"


@pytest.mark.parametrize(
    ("arm", "left"),
    [
        ("synthetic", "real"),
        ("synthetic-weighted+logit-adjustment", "real"),
        ("class-cutmix+synthetic", "class-cutmix"),
        ("class-cutmix+synthetic+logit-adjustment", "class-cutmix"),
    ],
)
def test_without_its_synthetic_images_an_arm_is_what_it_adds_them_to(arm, left):
    assert trial_of(arm, 3, Setting(share=0.0)) == Trial(left, 3)


def test_where_a_synthetic_image_weighs_less_it_counts_less_in_the_shares(squares, tmp_path):
    experiment = experiment_for(squares, tmp_path, arms=("real", "synthetic-weighted"))
    real, every = (experiment.counts(Trial(arm, 0)) for arm in ("real", "synthetic"))
    worth = {name: real[name] + 0.25 * (every[name] - real[name]) for name in real}
    found = experiment.shares(Trial("synthetic-weighted", 0, Setting(weight=0.25)))
    assert found == pytest.approx({name: n / sum(worth.values()) for name, n in worth.items()})
    assert min(every[name] - real[name] for name in real) == 0 < sum(every.values())
    for arm, counts in (("real", real), ("synthetic", every)):
        shares = {name: n / sum(counts.values()) for name, n in counts.items()}
        assert experiment.shares(Trial(arm, 0)) == pytest.approx(shares)
