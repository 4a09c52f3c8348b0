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
