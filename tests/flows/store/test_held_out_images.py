"""Images that a generator of another run has drawn or filled, which may have seen the test part."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from augment.config import InpaintConfig
from augment.network.card import WEIGHTS
from augment.network.learned import LEARNED
from flows.settings.config import RunConfig
from flows.stages.catalogue import make_catalogue
from flows.stages.compare import compare_manifest
from flows.stages.dataset import assemble_dataset
from flows.stages.inpaint import Repair, repair
from flows.stages.plan import make_plan
from flows.stages.progress import unwatched
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from flows.store import held_out
from flows.store.held_out import why_in_doubt
from terrabalance.errors import BadInput
from terrabalance.images import write_png
from terrabalance.manifest import Manifest, read_manifest, write_manifest

from .bases import changed, train_all

OTHERS = {"train": "test", "test": "train", "val": "val"}


@pytest.fixture
def drawn(pinned) -> RunConfig:
    """A CSV of the images of a run: the real ones in its split, and the synthetic ones of Beach."""
    real = pd.read_csv(make_catalogue(pinned) / "manifest.csv")
    real = real.loc[real["status"] == "ok", ["path", "class", "split"]].assign(source="real")
    real["path"] = [str(pinned.data / path) for path in real["path"]]
    train_all(pinned)
    made = read_manifest(synthesize_class(Run(pinned), "Beach"))
    rows = [(str(path), "Beach", "train", "synthetic") for path in made.paths(made.frame)]
    table = pd.concat([real, pd.DataFrame(rows, columns=list(real.columns))])
    return listing(changed(pinned, base_from=None), table)


def listing(config: RunConfig, table: pd.DataFrame) -> RunConfig:
    path = config.workdir.parent / "listed.csv"
    root = str(config.workdir.parent)
    table.assign(path=[each.removeprefix(f"{root}/") for each in table["path"]]).to_csv(
        path, index=False
    )
    return changed(config, data=path, images=config.workdir.parent, name="compared")


def with_parts_exchanged(config: RunConfig) -> RunConfig:
    """Test what was trained on, and the other way round; synthetic images stay in train."""
    table = pd.read_csv(config.data)
    real = table["source"] == "real"
    table.loc[real, "split"] = table.loc[real, "split"].map(OTHERS)
    return listing(config, table)


def elsewhere(config: RunConfig, **given: Any) -> RunConfig:
    """The same in a workdir that has no generators."""
    return changed(config, workdir=config.workdir.with_name("elsewhere"), **given)


def bring_generators(source: RunConfig, target: RunConfig) -> None:
    generators = Path("data") / "generators"
    shutil.copytree(source.workdir / generators, target.workdir / generators)


def beach_of(config: RunConfig) -> Path:
    (folder,) = (config.workdir / "data" / "generators").glob("Beach-*[0-9a-f]")
    return folder


def test_synthetic_images_are_compared_in_the_split_that_their_generator_was_trained_by(drawn):
    frame = read_manifest(make_catalogue(drawn, synthetic=True)).frame
    made = frame[frame["source"] == "synthetic"]
    assert set(made["generator"]) == {beach_of(drawn).name}
    assert not frame.loc[frame["source"] == "real", "generator"].any()


def test_synthetic_images_of_a_generator_that_learned_what_is_tested_are_refused(drawn):
    n_trained = (pd.read_csv(drawn.data).query("source == 'real'")["split"] == "train").sum()
    said = (
        rf"images, such as .*, are drawn or filled by the generator {beach_of(drawn).name}, which "
        rf"has learned 0 images that are now in val and {n_trained} that are now in test.*leave "
        "these images out"
    )
    with pytest.raises(BadInput, match=said):
        compare_manifest(with_parts_exchanged(drawn), unwatched)
    assert not (drawn.workdir / "reports" / "compared").exists()


@pytest.mark.parametrize("lost", [WEIGHTS, LEARNED])
@pytest.mark.parametrize("version", ["this", "earlier"])
def test_what_was_learned_is_known_after_the_advice_for_a_damaged_generator(
    drawn, pinned, lost, version
):
    folder = beach_of(drawn)
    if version == "earlier":  # its generators have no copy of the list beside them until a run
        for note in folder.parent.glob(f"*.{LEARNED}.json"):
            note.unlink()
        train_all(pinned)
    (folder / lost).write_bytes((folder / lost).read_bytes()[:-9])
    with pytest.raises(BadInput, match=f"or delete the folder {folder} to have it made again"):
        train_all(pinned)
    exchanged = with_parts_exchanged(drawn)
    for _ in ("before", "after"):
        with pytest.raises(BadInput, match="now in test"):
            compare_manifest(exchanged, unwatched)
        shutil.rmtree(folder, ignore_errors=True)
    assert not folder.exists()


def test_what_an_earlier_versions_generator_learned_is_kept_when_its_images_are_compared(drawn):
    folder = beach_of(drawn)
    note = folder.with_name(f"{folder.name}.{LEARNED}.json")
    note.unlink()  # a run that finds its images does not ask for the generator
    exchanged = with_parts_exchanged(drawn)
    with pytest.raises(BadInput, match="now in test"):
        compare_manifest(exchanged, unwatched)
    shutil.rmtree(folder)
    with pytest.raises(BadInput, match="now in test"):
        compare_manifest(exchanged, unwatched)


def test_a_damaged_list_beside_a_generator_is_named(drawn):
    note = beach_of(drawn).with_name(f"{beach_of(drawn).name}.{LEARNED}.json")
    note.write_text(note.read_text().replace("a", "b"))
    exchanged = with_parts_exchanged(drawn)
    with pytest.raises(BadInput, match=f"{note}.*or delete it: {LEARNED} of the generator"):
        compare_manifest(exchanged, unwatched)
    note.unlink()
    with pytest.raises(BadInput, match="now in test"):
        compare_manifest(exchanged, unwatched)


def test_a_manifest_that_was_changed_by_hand_is_asked_the_same(drawn, tmp_path):
    scanned = read_manifest(make_catalogue(drawn, synthetic=True))
    frame = scanned.frame.copy()
    real = frame["source"] == "real"
    frame.loc[real, "split"] = frame.loc[real, "split"].map(OTHERS)
    write_manifest(Manifest(scanned.root, frame), tmp_path / "changed")
    with pytest.raises(BadInput, match="now in test"):
        compare_manifest(changed(drawn, data=tmp_path / "changed"), unwatched)


def test_a_base_whose_ranges_a_comparison_takes_is_asked_as_by_a_run(pinned):
    moved = changed(pinned, seed=pinned.seed + 1, classifier={"arms": ["real", "oversample"]})
    with pytest.raises(BadInput, match=f"base_from: {pinned.base_from} has learned"):
        compare_manifest(moved, unwatched)


def repaired(config: RunConfig, generator: Path) -> Path:
    """Fill a corner of a training image with a generator, beside the image."""
    manifest = read_manifest(make_catalogue(config))
    image = manifest.paths(manifest.usable("train", "Beach"))[0]
    mask = np.zeros((32, 32), np.uint8)
    mask[:8, :8] = 255
    Image.fromarray(mask).save(config.workdir / "mask.png")
    wanted = Repair(image, config.workdir / "mask.png", generator, "Beach")
    (file,) = repair(wanted, InpaintConfig(steps=4, jump=2, resamplings=1), "cpu")
    return file


def test_a_repaired_image_trains_in_the_split_of_its_generator_and_is_refused_in_others(pinned):
    generator = train_all(pinned)["Beach"]
    file = repaired(pinned, generator)
    plain = changed(pinned, base_from=None)
    frame = read_manifest(make_catalogue(plain)).frame.set_index("path")
    row = frame.loc[f"Beach/{file.name}"]
    assert (row["split"], row["status"], row["generator"]) == ("train", "ok", generator.name)
    said = rf"Beach/{file.name} is drawn or filled by the generator {generator.name}, which has lea"
    with pytest.raises(BadInput, match=said):
        _ = Run(changed(plain, split={"val": 0.3, "test": 0.3})).catalogue


def test_what_a_catalogue_is_of_is_asked_at_every_comparison(drawn, caplog):
    strange = elsewhere(with_parts_exchanged(drawn))
    for _ in range(2):
        caplog.clear()
        held_out._told.clear()  # as in another command
        page = compare_manifest(strange, unwatched)
        assert caplog.text.count("is not known what they have learned") == 1
        assert "is not known what they have learned" in page.read_text()
    bring_generators(drawn, strange)
    with pytest.raises(BadInput, match="now in test"):
        compare_manifest(strange, unwatched)
    with pytest.raises(BadInput, match="now in test"):  # a scan's manifest is believed in all else
        compare_manifest(changed(strange, data=make_catalogue(strange, synthetic=True)), unwatched)


def test_what_has_filled_a_part_of_an_image_is_asked_at_every_use_of_a_catalogue(pinned, caplog):
    repaired(pinned, train_all(pinned)["Beach"])
    strange = elsewhere(pinned, base_from=None, split={"val": 0.3, "test": 0.3})
    named = changed(strange, catalogue=make_catalogue(strange).name)
    for config in (strange, named):
        caplog.clear()
        held_out._told.clear()  # as in another command
        for _ in ("scan and plan", "the job of a class"):
            assert make_plan(Run(config)).is_file()
        assert caplog.text.count("is not known what they have learned") == 1
    bring_generators(pinned, strange)
    for config in (strange, named):
        with pytest.raises(BadInput, match="now in test"):
            make_plan(Run(config))


def test_the_dataset_of_a_run_is_accepted_with_what_its_generators_have_drawn(pinned):
    train_all(pinned)
    for plan in Run(pinned).filled:
        synthesize_class(Run(pinned), plan.class_name)
    dataset = changed(pinned, base_from=None, data=assemble_dataset(Run(pinned)))
    rows = read_manifest(dataset.data).usable("train")
    assert (rows["generator"] != "").any()
    assert why_in_doubt(dataset, read_manifest(dataset.data)) is None
    strange = elsewhere(dataset)
    assert "not known" in str(why_in_doubt(strange, read_manifest(dataset.data)))


@pytest.mark.parametrize("name", ["Beach-0123456789ab", "../generators", "a\0b/\u2028", "x" * 999])
def test_a_generator_that_is_not_here_is_named_in_a_warning(pinned, caplog, name):
    plain, pixels = changed(pinned, base_from=None), np.full((3, 32, 32), 90, np.uint8)
    pixels[:, :9] = 7
    marks = {"terrabalance:filled": "0.2", "terrabalance:generator": name}
    write_png(pinned.data / "Beach" / "by_others.png", pixels, marks)
    frame = Run(plain).catalogue.frame.set_index("path")
    assert frame.loc["Beach/by_others.png", "status"] == "ok"
    assert "Beach/by_others.png is drawn or filled by " in caplog.text
    assert "is not known what they have learned" in caplog.text
