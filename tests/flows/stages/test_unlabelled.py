"""A base that learns images without labels beside those of its run."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from augment.network.card import read_card
from augment.network.learned import LEARNED, sketches_learned_by
from augment.scenes import draw_scene
from flows.settings.config import RunConfig
from flows.stages.generators import train_base, train_class
from flows.stages.plan import make_plan
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from terrabalance.errors import BadInput
from terrabalance.files import sha256_of
from terrabalance.images import write_png

N_TILES = 30


@pytest.fixture
def config(tiny, scenes, tmp_path) -> RunConfig:
    """Three classes, 30 tiles, and among these a turned copy of a test image."""
    given = {name: {**tiny[name], "evaluations": 0} for name in ("base", "training")}
    plain = RunConfig(data=scenes, workdir=tmp_path, **{**tiny, **given})
    for index in range(N_TILES):
        write_png(
            tmp_path / "tiles" / f"{index % 3}" / f"{index}.png",
            draw_scene("Residential", index, 32),
        )
    test = Run(plain).catalogue.usable("test")
    with Image.open(scenes / test["path"][0]) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "tiles" / "copy.png")
    return changed(plain, images=tmp_path / "tiles", licence="CC0")


def changed(config: RunConfig, **base: Any) -> RunConfig:
    given = config.model_dump()
    return RunConfig(**{**given, "base": {**given["base"], **base}})


def test_the_base_learns_them_but_for_a_copy_of_a_test_image(config):
    base = train_base(Run(config))
    card, n_train = read_card(base), len(Run(config).catalogue.usable("train"))
    assert card["unlabelled"] == {
        "folder": "tiles", "source": None, "licence": "CC0", "n_listed": N_TILES + 1,
        "n_learned": N_TILES, "n_labelled": n_train,
        "near_held_out": {"test": 1, "val": 0, "oracle": 0}, "left_out": {},
    }  # fmt: skip
    assert card["classes"] == card["draws"] == ["Beach", "Forest", "River"]
    learned = set((base / LEARNED).read_text().split())
    tiles = config.workdir / "tiles"
    assert sha256_of(tiles / "0" / "0.png") in learned
    assert sha256_of(tiles / "copy.png") not in learned and len(learned) == n_train + N_TILES
    sketches = sketches_learned_by(base)
    assert sketches is not None and len(sketches.hashes) == N_TILES


def test_a_class_starts_from_it_and_passes_on_what_it_learned(config):
    base, beach = train_base(Run(config)), train_class(Run(config), "Beach")
    assert base is not None and read_card(beach)["start"] == base.name
    assert read_card(beach)["unlabelled"] == read_card(base)["unlabelled"]
    known = [sketches_learned_by(folder) for folder in (base, beach)]
    assert known[0] is not None and known[1] is not None
    assert np.array_equal(known[0].hashes, known[1].hashes)
    assert list(synthesize_class(Run(config), "Beach").rglob("*.png"))


def test_a_conditional_base_learns_them_too_and_draws_the_classes_alone(config):
    conditional = config.model_copy(update={"strategy": "conditional"})
    folder = train_class(Run(conditional), "Beach")
    assert folder == train_base(Run(conditional))
    assert read_card(folder)["draws"] == ["Beach", "Forest", "River"]
    assert list(synthesize_class(Run(conditional), "Beach").rglob("*.png"))


def test_a_training_can_go_on_after_they_were_moved(config):
    def read(config: RunConfig) -> tuple[str, np.ndarray, tuple[str, ...]]:
        run = Run(config)
        assert run.unlabelled is not None and run.names.base is not None
        data = run.unlabelled.read(config, run.bands)
        return run.names.base.name, data.images, data.hashes

    name, images, hashes = read(config)
    moved = config.workdir / "moved"
    for index, path in enumerate(sorted((config.workdir / "tiles").rglob("*.png"), reverse=True)):
        moved.mkdir(exist_ok=True)
        path.rename(moved / f"{index:03d}.png")
    found = read(changed(config, images=moved))
    assert found[0] == name and found[2] == hashes and np.array_equal(found[1], images)


def test_they_give_a_single_class_a_base(config, scenes, tmp_path):
    shutil.copytree(scenes / "Beach", tmp_path / "alone" / "Beach")
    given = {**config.model_dump(), "data": tmp_path / "alone", "plan": {"target": "10"}}
    base = train_base(Run(RunConfig(**given)))
    assert base is not None and read_card(base)["classes"] == ["Beach"]


def test_a_folder_of_other_bands_is_refused_by_the_plan(config, tmp_path):
    deep = np.random.default_rng(0).integers(0, 9000, (4, 4, 32, 32)).astype(np.uint16)
    (tmp_path / "deep").mkdir()
    for index, image in enumerate(deep):
        tifffile.imwrite(tmp_path / "deep" / f"{index}.tif", image, photometric="minisblack",
                         planarconfig="separate")  # fmt: skip
    said = r"base\.images: .*deep: 0 of 4 images .* \(other bands: 4, such as 0\.tif \(4 bands"
    with pytest.raises(BadInput, match=said):
        make_plan(Run(changed(config, images=tmp_path / "deep")))


def test_a_folder_that_gets_the_results_is_refused(config):
    with pytest.raises(BadInput, match="holds the folder of results"):
        train_base(Run(changed(config, images=config.workdir)))


def test_other_words_train_nothing_again_and_the_card_is_told_to_keep_its_own(config, caplog):
    base = train_base(Run(config))
    assert train_base(Run(config)) == base and "its card keeps" not in caplog.text
    assert train_base(Run(changed(config, licence="CC BY"))) == base
    assert "its card keeps" in caplog.text and "None, CC0" in caplog.text


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"base_from": "base-1"}, r"base\.images: base_from names a finished base"),
        ({"strategy": "scratch"}, r"base\.images: strategy=scratch"),
        ({"base": {"licence": "CC0"}}, r"licence is said of base\.images, which is none"),
    ],
)
def test_images_for_no_base_and_words_of_no_images_are_refused(given, reason):
    base: dict[str, Any] = {"base": {"images": Path("tiles")}}
    with pytest.raises(ValueError, match=reason):
        RunConfig(**{"data": "aid", **base, **given})
