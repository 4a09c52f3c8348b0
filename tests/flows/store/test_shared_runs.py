"""Runs whose parts are done by several machines."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from machines import files_below, refuse

from classifier.train.experiment import trials_of
from flows.settings.config import RunConfig
from flows.stages.catalogue import make_catalogue
from flows.stages.classifiers import experiment_of, train_classifier
from flows.stages.compare import compare_arms, compare_manifest
from flows.stages.dataset import Parts, assemble_dataset
from flows.stages.generators import train_base, train_class
from flows.stages.report_page import write_report
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from flows.store.remote import Remote
from flows.store.sync import exchange
from flows.store.timings import timed
from terrabalance.errors import NotReady
from terrabalance.files import parse_json
from terrabalance.progress import silent


@pytest.fixture(scope="module")
def finished(s3, scenes, tiny, tmp_path_factory) -> dict[str, Any]:
    """A whole run into the bucket from one machine, which has the data; then the data is gone."""
    home = tmp_path_factory.mktemp("first")
    data = Path(shutil.copytree(scenes, home / "scenes"))
    given = {"data": data, "workdir": "s3://bucket/whole", "name": "tiny", **tiny}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERRABALANCE_CACHE", str(home / "cache"))
        config = RunConfig(**given)
        catalogue = make_catalogue(config).name
        run_all(config)
    shutil.rmtree(data)
    return {"config": config, "given": {**given, "catalogue": catalogue}}


def run_all(config: RunConfig) -> Path:
    """Do what the flow does, without Prefect."""
    train_base(Run(config))
    for job in Run(config).filled:
        train_class(Run(config), job.class_name)
        synthesize_class(Run(config), job.class_name)
    assemble_dataset(Run(config))
    for training in trials_of(config.classifier):
        train_classifier(config, experiment_of(Run(config), Parts(Run(config)).key), training)
    compare_arms(Run(config))
    return timed(config, "report", lambda: write_report(Run(config)))


def test_another_machine_without_the_data_finds_everything_and_repeats_nothing(
    finished, on_machine, monkeypatch
):
    on_machine("two")
    config = RunConfig(
        **finished["config"].model_dump(mode="json") | {"catalogue": finished["given"]["catalogue"]}
    )
    assert config.workdir != finished["config"].workdir and not config.data.exists()
    for name in (
        "flows.stages.generators.train_generator",
        "augment.train.cost.estimate_cost",
        "flows.stages.screening.fit_rules",
        "classifier.train.training._train",
        "augment.sample.sampling.ClassSampler",
    ):
        monkeypatch.setattr(name, refuse)
    page = run_all(config)
    assert "River" in page.read_text()
    ours, theirs = (files_below(c.workdir / "data") for c in (config, finished["config"]))
    for folder in ("catalogues", "generators", "synthetic", "datasets", "classifiers"):
        assert any(path.startswith(folder) for path in ours)
    assert {p: ours[p] for p in ours if p in theirs} == {p: theirs[p] for p in ours if p in theirs}
    made_here = {path.split("/")[0] for path in ours.keys() - theirs.keys()}
    assert made_here <= {"images", "screeners"}  # what was fetched to look at, and its features


def test_the_store_looks_like_a_working_folder(finished, s3):
    there = {path.removeprefix("bucket/whole/") for path in s3.find("bucket/whole")}
    assert {"reports/tiny/index.html", "data/datasets/tiny/done.json"} <= there
    assert not [path for path in there if ".unfinished/" in path or "checkpoints" in path]
    assert not [path for path in there if path.endswith((".lock", ".part"))]


def test_what_is_here_and_there_costs_no_request(finished, monkeypatch):
    monkeypatch.setattr(Remote, "__init__", refuse)
    for folder in (finished["config"].workdir / "data" / "generators").iterdir():
        if folder.is_dir():
            exchange(finished["config"], folder)


def test_a_machine_without_the_data_trains_a_class(finished, on_machine):
    on_machine("three")
    config = RunConfig(**finished["given"] | {"seed": 1, "name": "three"})
    folder = train_class(Run(config), "Beach")
    assert (folder / "done.json").is_file()
    images = config.workdir / "data" / "images"
    assert sum(path.suffix == ".png" for path in images.rglob("*.*")) > 0


def test_classifiers_are_compared_on_a_catalogue_of_the_store(finished, on_machine, s3):
    on_machine("four")
    classifier = {**finished["given"]["classifier"], "arms": ["real", "class-weight"]}
    config = RunConfig(**finished["given"] | {"name": "compared", "classifier": classifier})
    page = compare_manifest(config, lambda _: silent)
    assert s3.cat_file("bucket/whole/reports/compared/index.html") == page.read_bytes()
    openings = parse_json(s3.cat_file("bucket/whole/data/classifiers/test_openings.json"), "")
    assert [len(opened) for opened in openings.values()] == [2]  # this one's and the run's


def test_a_base_that_is_named_is_found_in_the_store(finished, on_machine):
    on_machine("five")
    made = finished["config"].workdir / "data" / "generators"
    (base,) = made.glob("base-*[0-9a-f]")
    config = RunConfig(**finished["given"] | {"name": "pinned", "base_from": base.name})
    folder = train_class(Run(config), "Beach")
    assert (made / folder.name).is_dir()  # what that run has started from it is found too
    assert (config.workdir / "data" / "generators" / base.name / "done.json").is_file()
    with pytest.raises(NotReady, match=r"no finished generator in .*base-0"):
        train_class(Run(RunConfig(**config.model_dump() | {"base_from": "base-0"})), "Beach")


def test_a_catalogue_that_is_not_there_or_leaves_its_folder_is_refused(tmp_path):
    with pytest.raises(NotReady, match="no finished catalogue 'scenes-1'"):
        make_catalogue(RunConfig(data=tmp_path, workdir=tmp_path, catalogue="scenes-1"))
    with pytest.raises(ValueError, match="catalogue"):
        RunConfig(data=tmp_path, catalogue="../x")
