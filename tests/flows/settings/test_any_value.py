"""Whatever a setting is given: a config, or one sentence that names it."""

import contextlib
import datetime
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augment.config import InpaintConfig
from flows.settings.config import RunConfig, build_config, parse_settings
from flows.settings.messages import section_of
from terrabalance.errors import BadInput
from terrabalance.settings import Settings


def places(model: type[Settings], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        section = section_of(field)
        yield from places(section, f"{before}{name}.") if section else [before + name]


PLACES = [place for place in places(RunConfig) if place != "data"]
NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([2**31, 2**53, 2**63, 2**64, 10**20, -(10**20), 1e20, 99_999_999]),
    st.just(5000).map(lambda digits: 10**digits),
)
PLAIN = st.one_of(
    NUMBERS,
    st.text(max_size=300),
    st.text("\0ab./~:,\u0663", max_size=30),
    st.sampled_from(["none", "inf", "nan", "9" * 5000, "~nobody/x", "a" * 5000, "s3://", "cuda:9"]),
    st.booleans(),
    st.none(),
    st.dates(),
    st.just(datetime.time(1, 2)),
)
ANY = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def run_with(place: str, value: Any) -> RunConfig:
    nested = value
    for part in reversed(place.split(".")):
        nested = {part: nested}
    return build_config(Path("x"), None, [], nested)


def check(place: str, value: Any) -> None:
    try:
        config = run_with(place, value)
    except BadInput as error:
        said = str(error)
        assert place.partition(".")[0] in said and len(said) < 4000 and "\n" not in said
    else:
        assert config.run_name and config.model_dump_json()  # it can name and describe results


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PLACES), ANY)
def test_any_value_of_any_setting_gives_a_config_or_a_sentence_that_names_it(place, value):
    check(place, value)


@pytest.mark.parametrize("place", PLACES)
def test_no_setting_takes_an_infinity_a_giant_or_a_nul(place):
    for value in (float("inf"), float("-inf"), float("nan"), 10**20, 10**5000, "a\0b", 1e20):
        with pytest.raises(BadInput, match=place.partition(".")[0]):
            run_with(place, value)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLACES), st.text(max_size=200))
def test_any_text_after_set_gives_a_config_or_a_sentence(place, text):
    try:
        build_config(Path("x"), None, [f"{place}={text}"], {})
    except BadInput as error:
        assert place.partition(".")[0] in str(error)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=50))
def test_any_set_gives_a_config_or_a_sentence(setting):
    with contextlib.suppress(BadInput):
        build_config(Path("x"), None, [setting], {})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("training.batch_size=1e20", "training.batch_size: 1e+20 is too large"),
        ("generator.timesteps=99999999", "should be less than or equal to 10000, not 99999999"),
        ("training.learning_rate=inf", "training.learning_rate: should be a finite number"),
        ("training.learning_rate=nan", "training.learning_rate: should be a finite number"),
        (f"seed={'9' * 5000}", "seed: "),
        (f"training.steps={'9' * 5000}", "training.steps: "),
        ("classifier.seeds=[1, -2]", "classifier.seeds: should be greater than or equal to 0"),
        (f"classifier.seeds={list(range(101))}", "classifier.seeds: "),
        ("generator.shown_bands=[0, 1, -1]", "generator.shown_bands: "),
        ("generator.dim_mults=[1, 65]", "generator.dim_mults: "),
        ("name=", "name: should have at least 1 character"),
        ("data.x.y.z.w=1", "write it as section.field=value"),
        ("base_from=~nobody-here/base", "base_from: '~nobody-here/base': there is no such home"),
        (f"workdir={'a' * 300}", "workdir: 'aaa"),
    ],
)
def test_values_without_sense_are_refused_by_their_field(value, said):
    with pytest.raises(BadInput) as error:
        build_config(Path("x"), None, [value], {})
    assert said in str(error.value)


def test_sampling_takes_no_more_steps_than_the_generator_has_before_any_work():
    few = ["generator.timesteps=50"]
    with pytest.raises(BadInput, match=r"sampling\.steps: 60 network calls, .* has 50 timesteps"):
        build_config(Path("x"), None, [*few, "sampling.steps=60"], {})
    build_config(Path("x"), None, [*few, "sampling.steps=50"], {})
    every = [*few, "sampling.steps=60", "sampling.sampler=ancestral"]  # takes all, whatever is said
    build_config(Path("x"), None, every, {})


def test_a_network_of_giant_layers_is_refused():
    with pytest.raises(BadInput, match=r"generator: dim 1024 times .* 65,536 channels"):
        build_config(Path("x"), None, ["generator.dim=1024", "generator.dim_mults=[1, 64]"], {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "cannot be read"),
        (b"# \n" * 400_000, "larger than 1,048,576 bytes"),
        (b"seed = " + b"9" * 5000, "is no TOML"),
        (b"seed = " + b"[" * 5000, "is no TOML"),
        (b"[training]\nlearning_rate = nan", "training.learning_rate: should be a finite number"),
        (b"[sampling]\nsteps = inf", "sampling.steps: "),
        (b"a = 1979-05-27", "a: there is no such setting"),
        (b"\n".join(b"x%d = 1" % i for i in range(20_000)), "and 19990 more"),
        (b".".join([b"a"] * 5000) + b" = 1", "a key of more than 16 parts"),
    ],
)
def test_a_toml_file_that_holds_no_settings_is_refused(content, said, tmp_path):
    file = tmp_path / "run.toml"
    file.write_bytes(content)
    with pytest.raises(BadInput) as error:
        build_config(tmp_path, file, [], {})
    assert said in str(error.value) and len(str(error.value)) < 4000


def test_a_toml_file_of_an_editor_that_marks_utf_8_is_read(tmp_path):
    (tmp_path / "run.toml").write_bytes(b"\xef\xbb\xbfseed = 3\n")
    assert build_config(tmp_path, tmp_path / "run.toml", [], {}).seed == 3


def test_only_a_regular_file_is_read_as_toml(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (
        tmp_path / "pipe.toml",
        tmp_path,
        tmp_path / "gone",
        Path("a\0b"),
        Path("a" * 300),
    ):
        with pytest.raises(BadInput, match="--config"):
            build_config(tmp_path, path, [], {})


def test_settings_outside_a_run_are_bounded_too():
    with pytest.raises(BadInput, match="steps: should be less than or equal to 10000"):
        parse_settings(InpaintConfig, ["steps=99999999"])
