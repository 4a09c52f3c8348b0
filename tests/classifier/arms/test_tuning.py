from dataclasses import replace

import pytest

from classifier.arms.registry import ARMS
from classifier.arms.setting import Setting
from classifier.arms.tuning import MOST_TRIES, settings_of


@pytest.mark.parametrize("arm", ARMS)
def test_the_first_setting_of_an_arm_is_the_usual_one(arm):
    assert settings_of(arm, 1) == (Setting(),)


@pytest.mark.parametrize("arm", [*ARMS, "class-weight+synthetic+logit-adjustment"])
def test_every_arm_has_equally_many_different_settings(arm):
    assert len(set(settings_of(arm, MOST_TRIES))) == MOST_TRIES


@pytest.mark.parametrize("arm", ARMS)
def test_a_head_on_frozen_features_is_tried_with_each_penalty_as_often(arm):
    whole, heads = settings_of(arm, 3), settings_of(arm, 3, frozen=True)
    assert heads[0] == Setting() and len(set(heads)) == len(heads)
    by_penalty: dict[float, list[Setting]] = {}
    for each in heads:
        by_penalty.setdefault(each.penalty, []).append(replace(each, penalty=0.0))
    assert len(by_penalty) > 1
    assert all(tuple(found) == whole for found in by_penalty.values())


@pytest.mark.parametrize("arm", ARMS)
def test_alone_the_usual_setting_is_the_only_one_of_a_head_too(arm):
    assert settings_of(arm, 1, frozen=True) == (Setting(),)


def test_without_a_penalty_a_setting_is_called_as_before_there_were_any():
    assert Setting().key() == {"share": 1.0, "strength": 1.0, "rate": 1.0, "weight": 0.5}
    assert Setting(penalty=0.1).key()["penalty"] == 0.1


@pytest.mark.parametrize(
    ("arm", "second"),
    [
        ("real", "0.5 times the learning rate"),
        ("class-cutmix", "0.5 times the learning rate"),
        ("class-cutmix+logit-adjustment", "strength 0.75"),
        ("synthetic+logit-adjustment", "none of the synthetic images"),
    ],
)
def test_what_the_parts_tune_decides_the_settings(arm, second):
    assert str(settings_of(arm, 2)[1]) == second
