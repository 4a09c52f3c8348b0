"""Each classifier is trained once, whichever commands ask for it at the same time."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from safetensors.torch import load_file

import classifier.train.training
from classifier.train.experiment import trials_of
from flows.settings.config import RunConfig
from flows.stages.compare import compare_arms, compare_manifest
from flows.stages.dataset import assemble_dataset
from flows.stages.export import Wanted, export
from flows.stages.generators import train_class
from flows.stages.progress import unwatched
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from flows.store import paths
from terrabalance.files import read_json


@pytest.fixture
def config(scenes, tiny, tmp_path) -> RunConfig:
    """A run up to its dataset."""
    config = RunConfig(data=scenes, workdir=tmp_path, name="run", **tiny)
    run = Run(config)
    train_class(run, "Beach")
    synthesize_class(run, "Beach")
    assemble_dataset(run)
    return config


@pytest.fixture
def trained(monkeypatch) -> Counter[str]:
    """How often each classifier is trained from now on, by its folder."""
    counts: Counter[str] = Counter()
    train = classifier.train.training._train

    def counted(experiment, trial, folder, *more):
        counts[folder.name] += 1
        return train(experiment, trial, folder, *more)

    monkeypatch.setattr(classifier.train.training, "_train", counted)
    return counts


def comparison(config: RunConfig, name: str) -> RunConfig:
    """Settings of `compare` on the run's dataset, with what the run compares."""
    data = paths.dataset_folder(config)
    return RunConfig(**config.model_dump() | {"data": data, "name": name})


def n_classifiers(config: RunConfig) -> int:
    return len(trials_of(config.classifier))


def test_two_comparisons_at_once_train_each_classifier_once(config, trained):
    both = [comparison(config, name) for name in ("one", "two")]
    with ThreadPoolExecutor(2) as pool:
        pages = list(pool.map(lambda each: compare_manifest(each, unwatched), both))
    assert [page.parent.name for page in pages] == ["one", "two"]
    assert set(trained.values()) == {1} and len(trained) == n_classifiers(config)


def test_a_comparison_beside_a_run_trains_each_classifier_once(config, trained):
    with ThreadPoolExecutor(2) as pool:
        own = pool.submit(compare_arms, Run(config))
        other = pool.submit(compare_manifest, comparison(config, "beside"), unwatched)
        records = [own.result(), other.result().with_name("comparison.json")]
    assert all(path.is_file() for path in records)
    assert set(trained.values()) == {1} and len(trained) == n_classifiers(config)


def test_a_runs_comparison_is_exported_by_the_runs_name(config):
    record = read_json(compare_arms(Run(config)))
    assert record["report"] == "run"  # for the command on its page
    folder, chosen = export(Wanted("run", arm="synthetic", workdir=str(config.workdir)))
    assert folder == config.workdir / "exports" / "run-synthetic" and chosen.seed in (0, 1)
    made = load_file(folder / "model.safetensors")
    trained = load_file(paths.classifiers_folder(config) / chosen.folder / "classifier.safetensors")
    assert made.keys() == trained.keys() and all(made[k].equal(trained[k]) for k in made)
