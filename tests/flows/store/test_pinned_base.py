"""A base that is named: what is trained when images come, and what is refused."""

import shutil

import pytest

from augment.network.card import CARD, WEIGHTS, read_card
from flows.orchestrate.jobs import base_jobs
from flows.settings.config import RunConfig
from flows.stages.generators import train_class
from flows.stages.plan import make_plan, trainings_of
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from flows.store import cache
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import read_json, write_json
from terrabalance.finished import mark_done

from .bases import add_images, changed, train_all

CLASSES = {"Beach", "River"}


def test_what_a_run_trained_from_its_base_is_found_when_that_base_is_named(first, pinned, trained):
    folders = train_all(pinned)
    theirs = train_all(first)
    assert {n: f.name for n, f in folders.items()} == {n: f.name for n, f in theirs.items()}
    assert trained == []


def test_only_the_class_whose_images_changed_is_trained(pinned, trained):
    before = train_all(pinned)
    add_images(pinned, "River", "River", 1)
    after = train_all(pinned)
    assert trained == ["River"] and set(after) == CLASSES
    assert after["Beach"] == before["Beach"] and after["River"] != before["River"]
    assert read_card(after["River"])["start"] == pinned.base_from
    assert read_card(after["River"])["n_images"] > read_card(before["River"])["n_images"]


def test_without_it_one_new_image_anywhere_trains_everything(pinned, trained):
    add_images(pinned, "Forest", "Forest", 3)
    train_all(changed(pinned, base_from=None))
    assert set(trained) == {"all classes", *CLASSES}


def test_a_class_that_the_base_was_never_told_of_starts_from_it_too(pinned, trained):
    add_images(pinned, "Airport", "Residential", 6)
    config = changed(pinned, plan={"target": "8", "classes": ("Airport",)})
    (folder,) = train_all(config).values()
    card = read_card(folder)
    assert trained == ["Airport"] and card["draws"] == ["Airport"]
    assert card["classes"] == ["Beach", "Forest", "River"] and card["chosen"] is None
    drawn = synthesize_class(Run(config), "Airport")
    assert len(list(drawn.rglob("*.png"))) > 0


def test_its_training_costs_nothing_in_the_plan(first, pinned):
    assert base_jobs(Run(pinned)) == [] != base_jobs(Run(first))
    assert trainings_of(Run(pinned)) == [pinned.training] * 2


def test_a_folder_elsewhere_is_known_by_its_weights(pinned, trained, tmp_path):
    ours = Run(pinned).names.base
    one, two = (shutil.copytree(ours, tmp_path / name) for name in ("one", "two"))
    first, same = (
        train_class(Run(changed(pinned, base_from=str(base))), "Beach") for base in (one, two)
    )
    assert first == same and trained == ["Beach"]
    shutil.copy(ours.parent / first.name / WEIGHTS, two / WEIGHTS)
    mark_done(two, {}, [two / WEIGHTS])
    assert train_class(Run(changed(pinned, base_from=str(two))), "Beach") != first


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"image_size": 24}, r"base-\w+ was made with .*: image_size 16 \(here 24\)"),
        ({"dim": 16, "timesteps": 30}, r"dim 8 \(here 16\), timesteps 5 \(here 30\)"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_by_the_plan(pinned, setting, said):
    generator = {**pinned.generator.model_dump(), **setting}
    with pytest.raises(BadInput, match=said):
        make_plan(Run(changed(pinned, generator=generator)))


def test_what_only_a_training_uses_may_differ(pinned):
    generator = {**pinned.generator.model_dump(), "dropout": 0.1}
    assert make_plan(Run(changed(pinned, generator=generator))).exists()


@pytest.mark.parametrize(
    ("strategy", "reason"), [("scratch", "starts from no base"), ("conditional", "this very run")]
)
def test_a_strategy_that_has_no_use_for_it_says_why(strategy, reason):
    with pytest.raises(ValueError, match=rf"base_from: strategy={strategy} .*{reason}"):
        RunConfig(data="aid", base_from="base-1", strategy=strategy)


def test_an_address_is_refused_and_a_path_is_made_whole(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="name of the folder alone"):
        RunConfig(data="aid", base_from="s3://bucket/data/generators/base-1")
    monkeypatch.chdir(tmp_path)
    assert RunConfig(data="aid", base_from="./base").base_from == str(tmp_path / "base")


def test_a_base_that_is_gone_is_missed_before_any_work(pinned):
    shutil.rmtree(Run(pinned).names.base)
    with pytest.raises(NotReady, match=r"base_from: no finished generator in .*cache list"):
        make_plan(Run(pinned))


def test_a_card_that_is_none_of_ours_is_refused(pinned):
    base = Run(pinned).names.base
    write_json(base / CARD, {**read_json(base / CARD), "classes": 3})
    mark_done(base, {})
    with pytest.raises(BadInput, match="another version"):
        make_plan(Run(pinned))


def test_a_judge_that_all_images_decide_is_warned_of(pinned, caplog):
    make_plan(Run(pinned))
    assert "base_from" not in caplog.text
    make_plan(Run(changed(pinned, fidelity={"model": "baseline"})))
    assert "base_from: every class is trained again" in caplog.text


def test_prune_keeps_a_base_that_is_named(first, pinned):
    shutil.rmtree(pinned.workdir / "reports" / first.run_name)  # the run that made it is given up
    assert pinned.base_from in unused(pinned)
    make_plan(Run(pinned))
    assert pinned.base_from not in unused(pinned)


def unused(config: RunConfig) -> set[str]:
    return {found.path.name for found in cache.results(config.workdir) if not found.used_by}
