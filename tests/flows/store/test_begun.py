"""A run by its name or its report folder."""

import shutil
from pathlib import Path

import pytest

from flows.cli.configure import configure_stage
from flows.settings.config import RunConfig
from flows.store.begun import begun_run
from flows.store.uses import begin
from terrabalance.errors import BadInput


@pytest.fixture
def coast(tiny, scenes, tmp_path, monkeypatch) -> RunConfig:
    """A run of that name that has begun in the current folder."""
    monkeypatch.chdir(tmp_path)
    config = RunConfig(data=scenes, workdir=tmp_path, name="coast", **tiny)
    begin(config)
    return config


@pytest.mark.parametrize("given", ["coast", "reports/coast", "reports/coast/../coast"])
def test_a_run_is_known_by_its_name_and_by_its_report_folder(given, coast):
    assert begun_run(Path(given), None) == coast


def test_a_run_whose_name_was_made_for_it_is_known_too(tiny, scenes, tmp_path):
    config = RunConfig(data=scenes, workdir=tmp_path / "w", **tiny)
    assert begun_run(begin(config), None) == config
    assert begun_run(Path(config.run_name), str(tmp_path / "w")) == config


def test_images_in_a_folder_of_that_name_go_first(coast):
    Path("coast").mkdir()
    assert begun_run(Path("coast"), None) is None


@pytest.mark.parametrize("given", ["inland", "reports", "reports/inland", ".", "a/coast", "../x"])
def test_what_is_no_run_is_none(given, coast):
    assert begun_run(Path(given), None) is None


def test_a_workdir_that_was_moved_is_taken_where_it_is(coast, tmp_path):
    shutil.copytree("reports", tmp_path / "disk" / "reports")
    moved = begun_run(tmp_path / "disk" / "reports" / "coast", None)
    assert moved is not None and moved.workdir == tmp_path / "disk"
    assert moved.result_key == coast.result_key


def test_a_report_folder_that_was_renamed_is_no_run(coast):
    Path("reports/coast").rename("reports/shore")
    assert begun_run(Path("reports/shore"), None) is None


def test_damaged_settings_are_named(coast):
    path = Path("reports/coast/config.json")
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(BadInput, match=r"reports/coast/config\.json: damaged, or changed"):
        begun_run(Path("coast"), None)


def test_beside_a_run_only_what_decides_nothing_can_be_given(coast):
    options = {"preset": None, "workdir": None, "device": "auto", "plan": {"classes": None}}
    config = configure_stage(Path("coast"), options, None, None)
    assert config.device == "auto" and config.result_key == coast.result_key
    for more in ({"seed": 3}, {"plan": {"classes": ["Beach"]}}):
        with pytest.raises(BadInput, match=f"give its images as DATA: {coast.data}$"):
            configure_stage(Path("coast"), options | more, None, None)
    with pytest.raises(BadInput, match="--workdir and --device alone can be given"):
        configure_stage(Path("coast"), options, None, ["training.steps=3"])
