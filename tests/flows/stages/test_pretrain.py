"""A base of images without labels alone, and runs that start from it."""

from typing import Any

import pytest
from PIL import Image

from augment.network.card import CARD, WEIGHTS, read_card, read_drawing_card
from augment.network.learned import SKETCHES
from augment.scenes import draw_scene
from flows.settings.config import RunConfig
from flows.stages.generators import train_class
from flows.stages.plan import make_plan
from flows.stages.pretrain import pretrain
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from flows.store import cache
from terrabalance.errors import BadInput
from terrabalance.images import write_png


@pytest.fixture
def given(tiny, scenes, tmp_path) -> dict[str, Any]:
    """Settings without data; 6 tiles, and a smaller copy of a test image."""
    for index in range(6):
        write_png(tmp_path / "tiles" / f"{index}.png", draw_scene("Residential", index, 32))
    found = {**tiny, "workdir": tmp_path / "work", "drawn": False}
    for name in ("base", "training"):
        found[name] = {**tiny[name], "evaluations": 0}
    test = Run(RunConfig(data=scenes, **found)).catalogue.usable("test")
    with Image.open(scenes / test["path"][0]) as image:
        image.resize((28, 28)).save(tmp_path / "tiles" / "copy.png")
    return found


def prior_of(given: dict[str, Any], **more: Any) -> RunConfig:
    tiles = given["workdir"].parent / "tiles"
    base = {**given["base"], "images": tiles, "source": "drawn"}
    return RunConfig(**{"data": tiles, **given, "base": base, **more})


def test_a_class_starts_from_a_base_that_was_kept_away_from_the_data(given, scenes):
    base = pretrain(prior_of(given, data=scenes), has_data=True)
    card = read_card(base)
    assert card["unlabelled"]["near_held_out"] == {"test": 1, "val": 0, "oracle": 0}
    assert card["class_name"] == "unlabelled images" and card["n_images"] == 6
    assert card["classes"] == card["draws"] == [] and card["unlabelled"]["n_labelled"] == 0
    run = RunConfig(data=scenes, base_from=base.name, **given)
    beach = read_card(train_class(Run(run), "Beach"))
    assert beach["start"] == base.name and beach["unlabelled"] == card["unlabelled"]
    assert list(synthesize_class(Run(run), "Beach").rglob("*.png"))


def test_a_base_that_has_learned_a_near_copy_of_a_test_image_is_refused(given, scenes):
    base = pretrain(prior_of(given), has_data=False)
    assert read_card(base)["unlabelled"]["near_held_out"] is None
    run = RunConfig(data=scenes, base_from=base.name, **given)
    for _ in range(2):  # found, and found again
        with pytest.raises(BadInput, match=r"near-duplicates of 0 images .* val and of 1 in test"):
            make_plan(Run(run))


def test_it_is_trained_once_and_prune_keeps_it(given):
    config = prior_of(given)
    base = pretrain(config, has_data=False)
    trained = (base / WEIGHTS).stat().st_mtime_ns
    assert pretrain(config, has_data=False) == base
    assert (base / WEIGHTS).stat().st_mtime_ns == trained
    unused = {found.path.name for found in cache.results(config.workdir) if not found.used_by}
    assert base.name not in unused


def test_it_draws_no_class_and_says_what_it_is_for(given):
    base = pretrain(prior_of(given), has_data=False)
    with pytest.raises(BadInput, match="draws no class"):
        read_drawing_card(base)


@pytest.mark.parametrize("name", [SKETCHES, CARD])
def test_a_damaged_list_of_what_it_learned_is_refused(given, scenes, name):
    base = pretrain(prior_of(given, data=scenes), has_data=True)
    (base / name).write_bytes((base / name).read_bytes()[:-9])
    with pytest.raises(BadInput, match=rf"{name}: gone, damaged"):
        make_plan(Run(RunConfig(data=scenes, base_from=base.name, **given)))
