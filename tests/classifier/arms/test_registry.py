import subprocess
import sys
from pathlib import Path

import pytest

from classifier.arms.registry import ARMS, DEFAULT_ARMS, PARTS, compose, with_rivals
from classifier.config import ClassifierConfig
from terrabalance.errors import BadInput

_IMPORT = """
import sys
from classifier.arms.registry import ARMS
from classifier.config import ClassifierConfig
ClassifierConfig(arms=tuple(ARMS))
print(sorted({"torch", "timm", "pandas", "numpy"} & set(sys.modules)))
"""


def test_settings_and_arms_are_read_without_torch():
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT], cwd=Path(__file__).parents[3],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout == "[]\n"


def test_a_name_is_the_parts_that_are_joined_in_it():
    names = [part.name for part in compose("class-weight+class-cutmix+logit-adjustment").parts]
    assert names == ["class-weight", "class-cutmix", "logit-adjustment"]
    assert compose("real").parts == ()


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_offered_as_an_arm_by_its_name_and_label(name):
    assert ARMS[name].parts == (PARTS[name],) and ARMS[name].label == PARTS[name].label


@pytest.mark.parametrize(
    ("name", "corrects", "without"),
    [
        ("logit-adjustment", "real", "real"),
        ("synthetic", None, "real"),
        ("synthetic+logit-adjustment", "synthetic", "real"),
        ("class-cutmix+synthetic", None, "class-cutmix"),
        ("class-cutmix+synthetic+logit-adjustment", "class-cutmix+synthetic", "class-cutmix"),
        ("oversample+synthetic-weighted", None, "oversample"),
        ("pretrain-synthetic", None, "real"),
    ],
)
def test_what_an_arm_corrects_and_is_without_synthetic_images_is_left_of_its_name(
    name, corrects, without
):
    assert (compose(name).corrects, compose(name).without) == (corrects, without)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("class-wieght", r"arm 'class-wieght' is unknown; use one of \['real', 'class-weight'"),
        ("synthetic+focal", "arm 'synthetic\\+focal' is unknown"),
        ("oversample+pretrain-synthetic", "both decide the images that a step takes"),
        ("synthetic+synthetic-weighted", "both decide the synthetic images"),
        ("class-weight+class-weight", "names a part twice"),
        ("logit-adjustment+synthetic", "comes last"),
    ],
)
def test_what_is_no_arm_says_why(name, said):
    with pytest.raises(BadInput, match=said):
        compose(name)


def test_what_synthetic_images_have_to_be_better_than_is_compared_unasked():
    assert with_rivals(("real", "oversample")) == ("real", "oversample")
    assert with_rivals(("real", "synthetic")) == ("real", "logit-adjustment", "synthetic")
    assert with_rivals(("real", "class-cutmix+synthetic+logit-adjustment", "oracle")) == (
        "real", "class-cutmix", "class-cutmix+logit-adjustment",
        "class-cutmix+synthetic+logit-adjustment", "oracle",
    )  # fmt: skip
    assert with_rivals(DEFAULT_ARMS) == DEFAULT_ARMS


@pytest.mark.parametrize("name", ["strong-augment"])
def test_an_arm_that_mixes_pairs_needs_even_batches(name):
    with pytest.raises(ValueError, match=f"must be even for {name}, which mixes pairs"):
        ClassifierConfig(arms=("real", name), batch_size=9)
    assert ClassifierConfig(arms=("real", "oversample"), batch_size=9).batch_size == 9
