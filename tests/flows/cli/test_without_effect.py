"""What is given on a command line and could not change what the command does."""

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from terrabalance.errors import BadInput


def refusal_of(*words: str) -> str:
    said = CliRunner().invoke(app, list(words))
    assert isinstance(said.exception, BadInput), said.output
    return str(said.exception)


@pytest.mark.parametrize(
    "setting",
    [
        "generator.dim=16", "generator={dim=16,bands='rgb'}", "strategy=scratch",
        "training.steps=5", "base.steps=5", "sampling.steps=4", "plan.target=max",
        "screening.enabled=false", "fidelity.image_size=32", "execution.runner=ray",
    ],
)  # fmt: skip
def test_a_setting_that_no_comparison_reads_is_refused_with_those_that_it_takes(setting):
    said = refusal_of("compare", "nowhere.csv", "--set", "classifier.steps=4", "--set", setting)
    assert said.startswith(f"--set {setting}: a comparison does not read it.")
    assert "`compare` takes" in said and "classifier" in said and "generator.bands" in said


@pytest.mark.parametrize(
    "settings",
    [
        ["generator.bands=rgb"], ["generator.shown_bands=[2,1,0]"], ["scan.group_by=a"],
        ["split.test=0.3"], ["seed=3"], ["catalogue=aid-0123456789ab"],
        ["execution.per_device=2"], ["classifier.steps=4"],
        ["base_from=base-0123456789ab", "generator.dim=16"],
    ],
)  # fmt: skip
def test_what_a_comparison_reads_is_taken(settings):
    words = [word for setting in settings for word in ("--set", setting)]
    assert "nowhere.csv: no such file" in refusal_of("compare", "nowhere.csv", *words)


@pytest.mark.parametrize("setting", ["catalogue=doesnotexist", "seed=3", "split.test=0.3"])
def test_what_only_a_scan_reads_is_refused_where_a_manifest_is_compared(setting, tmp_path):
    table = tmp_path / "manifest.parquet"
    table.touch()
    said = refusal_of("compare", str(tmp_path), "--set", setting)
    assert said.startswith(f"--set {setting}: has no effect on {tmp_path}")


@pytest.mark.parametrize("setting", ["preset=cpu", "drawn=false", "images=photos"])
def test_what_the_demo_settles_itself_is_refused(setting, tmp_path):
    said = refusal_of("demo", "--set", setting, "--workdir", str(tmp_path / "w"))
    assert said.startswith(f"--set {setting}: the demo is of the preset demo")
    assert not (tmp_path / "w").exists()
