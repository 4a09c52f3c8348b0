import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

import flows.stages.generators
from augment.network.card import read_card
from augment.train.training import train_generator
from flows.settings.config import RunConfig
from flows.stages.catalogue import make_catalogue
from flows.stages.generators import train_base, train_class
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from terrabalance.errors import BadInput
from terrabalance.manifest import read_manifest


@pytest.fixture
def config(tiny, scenes, tmp_path) -> RunConfig:
    return RunConfig(data=scenes, workdir=tmp_path, **tiny)


def test_a_class_starts_from_the_base_of_all_classes(config):
    card = read_card(train_class(Run(config), "Beach"))
    base = Run(config).names.base
    assert base is not None and card["start"] == base.name
    n_train = len(Run(config).catalogue.usable("train"))
    assert read_card(base)["n_images"] == n_train > card["n_images"]


def test_the_base_is_trained_once_however_many_ask_at_the_same_time(config, monkeypatch):
    trained = []

    def counted(*arguments, **options):
        trained.append(arguments[2])
        return train_generator(*arguments, **options)

    make_catalogue(config)
    monkeypatch.setattr(flows.stages.generators, "train_generator", counted)
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(train_base, [Run(config) for _ in range(4)]))
    assert len(set(folders)) == 1 and trained == folders[:1]


def test_all_stages_of_a_class_read_the_catalogue_once(config, monkeypatch):
    read = []

    def counted(folder):
        read.append(folder)
        return read_manifest(folder)

    monkeypatch.setattr("flows.stages.catalogue.read_manifest", counted)
    run = Run(config)
    train_class(run, "Beach")
    synthesize_class(run, "Beach")
    assert read == [run.catalogue_folder]


def test_an_unknown_class_is_refused_before_anything_is_trained(config):
    plan = config.plan.model_copy(update={"classes": ("Ponds",)})
    with pytest.raises(BadInput, match="Ponds"):
        train_base(Run(config.model_copy(update={"plan": plan})))
    assert not (config.workdir / "data" / "generators").exists()


def test_a_conditional_generator_draws_every_class(config):
    config = config.model_copy(update={"strategy": "conditional"})
    folders = {train_class(Run(config), name) for name in ("Beach", "River")}
    assert folders == {train_base(Run(config))}
    assert read_card(folders.pop())["draws"] == ["Beach", "Forest", "River"]


def test_from_scratch_needs_no_base(config):
    scratch = config.model_copy(update={"strategy": "scratch"})
    assert train_base(Run(scratch)) is None
    assert read_card(train_class(Run(scratch), "Beach"))["start"] is None
    ours, theirs = (Run(c).names.generator("Beach") for c in (config, scratch))
    assert ours != theirs


def test_a_single_class_has_nothing_to_share(config, scenes, tmp_path):
    alone = tmp_path / "alone"
    shutil.copytree(scenes / "Beach", alone / "Beach")
    assert train_base(Run(config.model_copy(update={"data": alone}))) is None
