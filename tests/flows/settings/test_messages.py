from pathlib import Path

import pytest

from augment.config import InpaintConfig
from flows.settings.config import build_config, parse_settings
from terrabalance.errors import BadInput


def said_of(*settings: str) -> str:
    with pytest.raises(BadInput) as error:
        build_config(Path("x"), None, list(settings), {})
    return str(error.value)


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        (
            "training.step=5",
            "training.step: there is no such setting. Did you mean training.steps?",
        ),
        ("trainig.steps=5", "Did you mean training?"),
        ("max_per_real=5", "Did you mean plan.max_per_real?"),
        ("split.zzz=1", "There are split.val, split.test"),
    ],
)
def test_an_unknown_setting_names_what_may_have_been_meant_and_who_lists_all(setting, meant):
    said = said_of(setting)
    assert meant in said and "`terrabalance settings` lists every setting" in said


@pytest.mark.parametrize("setting", ["training.steps", "training.learning_rate", "seed"])
def test_true_is_no_number(setting):
    assert f"{setting}: should be a number, not True" in said_of(f"{setting}=true")
    assert "should be a number, not [True]" in said_of("classifier.seeds=[true]")


def test_a_name_in_quotes_is_not_offered_as_its_own_correction(tmp_path):
    (tmp_path / "a.toml").write_text('"plan.rarest" = 1')
    with pytest.raises(BadInput, match=r"plan\.rarest: a name in quotes .* without quotes"):
        build_config(Path("x"), tmp_path / "a.toml", [], {})


def test_an_empty_list_is_not_corrected_to_one_of_an_empty_text():
    assert "classifier.seeds: '' is not a list. Write it as classifier.seeds=[...]" in said_of(
        "classifier.seeds="
    )


def test_the_address_of_the_results_is_given_as_workdir_alone():
    assert "storage: follows from workdir" in said_of("storage=s3://bucket/folder")
    assert "DATA on the command line" in said_of("data=images")


def test_a_wrong_word_is_quoted_and_the_rest_of_its_list_not_complained_about():
    said = said_of("classifier.arms=['real', 'class-wieght']")
    assert "classifier.arms: 'class-wieght' is none of 'real', 'class-weight'" in said
    assert "Did you mean 'class-weight'?" in said and "2 items" not in said


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("plan.classes=Mountain", 'plan.classes=["Mountain"]'),
        ("plan.classes=Mountain, Church", 'plan.classes=["Mountain", "Church"]'),
        ("classifier.seeds=1", "classifier.seeds=[1]"),
    ],
)
def test_what_is_no_list_is_written_as_one(given, written):
    assert f"is not a list. Write it as {written}" in said_of(given)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.steps=abc", "training.steps: should be a valid integer, not 'abc'"),
        ("seed=-1", "seed: should be greater than or equal to 0, not -1"),
        (
            "generator.image_size=abc",
            "image_size: 'abc' does not fit. It is: side of square",
        ),
        ("device=gpu", "device: 'gpu' does not fit. It is: auto: cuda, else mps"),
        ("workdir=5", "workdir: 5 is not a path"),
        ("training=5", "training: is a section. Set what is in it, e.g. training.steps"),
        ("plan=5", "plan: is a section"),
        ("preset=[1]", "preset: [1] is none of 'demo', 'cpu'"),
        ("plan.target=most", "plan.target: 'most' is not max, median"),
        ("plan.target=200_000_000", "a number up to 100,000,000"),
        ("classifier.seeds=[0, 0]", "classifier.seeds: [0, 0] names one twice"),
    ],
)
def test_a_wrong_value_is_quoted_with_what_it_should_be(setting, said):
    found = said_of(setting)
    assert said in found
    for raw in ("Input", "Value error", "constrained", "tuple", "<class"):
        assert raw not in found


def test_settings_that_a_run_does_not_have_are_explained_too():
    with pytest.raises(BadInput, match=r"step: there is no such setting\. Did you mean steps\?$"):
        parse_settings(InpaintConfig, ["step=3"])
