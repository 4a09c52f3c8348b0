import os
import re
from pathlib import Path

import pytest

from flows.settings.config import RunConfig, build_config
from flows.settings.execution import RUNNER_VARIABLE, ExecutionConfig
from flows.settings.presets import PRESETS, merge
from terrabalance.errors import BadInput

PRESETS_PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "presets.md"


def test_a_preset_fills_only_what_is_left_open(tmp_path):
    config = RunConfig(data=tmp_path, preset="cpu", training={"steps": 7})
    assert config.training.steps == 7
    assert config.training.learning_rate == PRESETS["cpu"]["training"]["learning_rate"]


def test_a_setting_by_its_old_name_goes_before_a_preset(tmp_path):
    old = {"views": 7, "looks": 2, "schedule": "constant", "compile": False}
    config = RunConfig(data=tmp_path, preset="cpu", training=old)
    assert (config.training.passes, config.training.evaluations) == (7, 2)
    assert config.training.learning_rate_schedule == "constant"
    assert build_config(tmp_path, None, ["training.views=7"], {}).training.passes == 7


def test_of_an_old_and_a_new_name_the_last_that_is_given_counts(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("[training]\nviews = 5\n")
    config = build_config(tmp_path, file, ["training.passes=7"], {"preset": "cpu"})
    assert config.training.passes == 7
    file.write_text("[training]\npasses = 5\n")
    config = build_config(tmp_path, file, ["training.views=7"], {"preset": "cpu"})
    assert config.training.passes == 7


def test_the_tutorial_preset_has_the_tutorials_hyper_parameters(tmp_path):
    config = RunConfig(data=tmp_path, preset="tutorial")
    generator, training = config.generator, config.training
    assert (generator.dim, generator.dim_mults) == (64, (1, 2, 4, 8))
    assert (generator.image_size, generator.timesteps) == (256, 1000)
    assert (training.batch_size, training.accumulate, training.steps) == (10, 2, 10_000)
    assert (training.learning_rate, training.ema_decay, training.loss) == (8e-5, 0.995, "l1")
    assert training.precision == "fp32" and training.preview_every == 1000


def test_presets_of_larger_gpus_see_no_fewer_pixels_at_once(tmp_path):
    at_once = []
    for preset in ("8gb", "24gb", "datacenter"):
        config = RunConfig(data=tmp_path, preset=preset)
        at_once.append(config.training.batch_size * config.generator.image_size**2)
        assert config.plan.rarest is None and config.classifier.pretrained
    assert at_once == sorted(set(at_once))


def test_the_docs_say_how_long_each_preset_trains_a_class(tmp_path):
    text = PRESETS_PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d,]+) \| (.+) \|$", text, re.M)
    told = {row[0]: row[1].split(" | ") for row in rows}
    assert list(told) == ["10", "50", "200", "1,000"]
    for images, cells in told.items():
        for preset, cell in zip(("cpu", "8gb", "datacenter"), cells, strict=True):
            config = RunConfig(data=tmp_path, preset=preset)
            steps = config.training.for_images(int(images.replace(",", ""))).steps
            assert cell == f"{steps:,}", (preset, images)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid(preset, tmp_path):
    RunConfig(data=tmp_path, preset=preset)


def test_all_wrong_fields_are_named_in_one_message(tmp_path):
    settings = ["generator.setps=4", "training.steps=-1", "plan.target=most"]
    with pytest.raises(BadInput) as error:
        build_config(tmp_path, None, settings, {})
    for name in ("generator.setps", "training.steps", "plan.target"):
        assert name in str(error.value)


def test_settings_win_over_the_file_and_options_over_settings(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('seed = 1\n[training]\nsteps = 5\nloss = "l1"\n')
    config = build_config(tmp_path, file, ["training.steps=6", "seed=2"], {"seed": 3})
    assert (config.training.steps, config.training.loss, config.seed) == (6, "l1", 3)


def test_a_setting_may_be_text_without_quotes(tmp_path):
    assert build_config(tmp_path, None, ["plan.target=50%"], {}).plan.target == "50%"


def test_a_setting_without_equals_says_how_to_write_it(tmp_path):
    with pytest.raises(BadInput, match=r"section\.field=value"):
        build_config(tmp_path, None, ["steps"], {})


def test_a_broken_toml_file_is_named(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("seed = ")
    with pytest.raises(BadInput, match=r"run\.toml"):
        build_config(tmp_path, file, [], {})


def test_device_and_workdir_do_not_change_what_the_result_is(tmp_path):
    one = RunConfig(data=tmp_path)
    two = RunConfig(data=tmp_path, device="cpu", workdir=tmp_path / "w")
    assert one.result_key == two.result_key and one.run_name == two.run_name
    assert one.result_key != RunConfig(data=tmp_path, seed=1).result_key


def test_a_run_name_never_leaves_its_folder(tmp_path):
    assert "/" not in RunConfig(data=tmp_path, name="../../etc").run_name


def test_a_config_survives_json(tmp_path):
    config = RunConfig(data=tmp_path, preset="tutorial", plan={"classes": ("Pond",)})
    again = RunConfig(**config.model_dump(mode="json"))
    assert again.model_dump() == config.model_dump()
    assert again.run_name == config.run_name


def test_merge_keeps_both_sides():
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}, "d": 4}) == {
        "a": {"b": 1, "c": 3},
        "d": 4,
    }


def test_none_is_written_as_a_word_where_a_setting_may_be_none_and_only_there(tmp_path):
    given = {"plan": {"rarest": "none"}, "base_from": "none", "training": {"symmetries": "none"}}
    config = RunConfig(data=tmp_path, preset="cpu", **given)
    assert config.plan.rarest is None and config.base_from is None
    assert config.training.symmetries == "none"


def test_classes_that_are_named_are_all_filled_whatever_the_preset_limits(tmp_path):
    assert RunConfig(data=tmp_path, preset="cpu").plan.rarest == 3
    named = RunConfig(data=tmp_path, preset="cpu", plan={"classes": ["a", "b", "c", "d"]})
    assert named.plan.rarest is None
    both = RunConfig(data=tmp_path, preset="cpu", plan={"classes": ["a", "b"], "rarest": 1})
    assert both.plan.rarest == 1


def test_a_run_has_one_name_however_its_paths_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {
        RunConfig(data=Path("aid"), classifier={"weights": w}, fidelity={"weights": w}).run_name
        for w in (Path("w.pth"), tmp_path / "w.pth", Path("./w.pth"))
    }
    assert len(names) == 1


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ([], "set strategy=conditional"),
        (["strategy=scratch"], "set strategy=conditional"),
        (["strategy=conditional", "base.label_dropout=0"], r"set base\.label_dropout=0\.1"),
    ],
)
def test_guidance_is_refused_where_no_image_was_learned_without_its_class(
    tmp_path, settings, remedy
):
    with pytest.raises(BadInput, match=rf"sampling\.guidance: .*{remedy}"):
        build_config(tmp_path, None, ["sampling.guidance=2", *settings], {})
    build_config(tmp_path, None, ["sampling.guidance=1", *settings], {})


def test_a_generator_of_all_classes_is_guided(tmp_path):
    given = ["sampling.guidance=2", "strategy=conditional"]
    assert build_config(tmp_path, None, given, {}).sampling.guidance == 2


def test_a_pipe_is_no_config_file(tmp_path):
    os.mkfifo(tmp_path / "a.toml")
    with pytest.raises(BadInput, match=r"a\.toml': is no file"):
        build_config(tmp_path, tmp_path / "a.toml", [], {})


@pytest.mark.parametrize("name", ["bogus", "Local"])
def test_a_runner_of_the_environment_that_is_none_is_named_with_its_variable(monkeypatch, name):
    monkeypatch.setenv(RUNNER_VARIABLE, name)
    with pytest.raises(BadInput, match=f"{RUNNER_VARIABLE} is '{name}': give one of local, ray,"):
        ExecutionConfig()
    assert ExecutionConfig(runner="ray").runner == "ray"


@pytest.mark.parametrize(("name", "runner"), [("", "local"), ("workers", "workers")])
def test_the_environment_names_the_usual_runner(monkeypatch, name, runner):
    monkeypatch.setenv(RUNNER_VARIABLE, name)
    assert ExecutionConfig().runner == runner


def test_an_option_wins_over_a_single_setting_and_that_over_the_file(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("seed = 1\n[base]\nsteps = 1\n[training]\nsteps = 1\n")
    settings, options = ["seed=2", "base.steps=2"], {"seed": 3}
    config = build_config(tmp_path, file, settings, options)
    assert (config.seed, config.base.steps, config.training.steps) == (3, 2, 1)
