import numpy as np
import pytest

from classifier.arms.registry import arm_of
from classifier.arms.setting import Setting


@pytest.mark.parametrize(("strength", "favoured"), [(0.0, 0), (1.0, 1)])
def test_the_logarithm_of_a_classs_share_is_taken_off_by_the_strength(strength, favoured):
    logits, shares = np.array([[1.0, 0.0]], np.float32), [0.8, 0.2]
    found = arm_of("logit-adjustment").corrected(logits, shares, Setting(strength=strength))
    assert found.dtype == np.float32 and found.argmax() == favoured
    assert found[0] == pytest.approx(logits[0] - strength * np.log(shares), rel=1e-6)


def test_a_correction_is_no_treatment_of_training_and_the_other_way_round():
    logits = np.array([[1.0, 0.0]], np.float32)
    assert arm_of("class-weight").corrected(logits, [0.8, 0.2], Setting()) is logits
