"""Runs on images that are not RGB of 8 bit."""

import logging
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from flows.settings.config import RunConfig
from flows.stages import generators
from flows.stages.compare import compare_arms
from flows.stages.dataset import assemble_dataset
from flows.stages.plan import make_plan
from flows.stages.report_page import write_report
from flows.stages.run import Run
from flows.stages.synthetic import synthesize_class
from terrabalance.bands import RGB
from terrabalance.errors import BadInput
from terrabalance.manifest import read_manifest
from terrabalance.rasters.decode import decode

_LEVEL = {"Field": 3000, "Water": 600}


def write_image(path: Path, class_name: str, index: int, count: int, dtype: str) -> None:
    rng = np.random.default_rng([index, len(class_name)])
    heights = _LEVEL[class_name] * np.linspace(0.5, 1.5, count)[:, None, None]
    image = (heights + rng.normal(0, 100, (count, 20, 20))).clip(0, 9000)
    image = image if dtype == "uint16" else image / 9000 * 255
    path.parent.mkdir(parents=True, exist_ok=True)
    planar = None if count == 1 else "separate"
    tifffile.imwrite(path, image.squeeze().astype(dtype), photometric="minisblack",
                     planarconfig=planar)  # fmt: skip


def dataset(root: Path, count: int, dtype: str) -> Path:
    for class_name, n in (("Field", 14), ("Water", 10)):
        for index in range(n):
            write_image(root / class_name / f"{index}.tif", class_name, index, count, dtype)
    return root


def config_of(tiny, data: Path, workdir: Path, **generator: object) -> RunConfig:
    given = {
        "generator": {**tiny["generator"], **generator},
        "classifier": {**tiny["classifier"], "seeds": [0]},
    }
    return RunConfig(data=data, workdir=workdir, seed=1, **{**tiny, **given})


def test_a_run_on_thirteen_bands_of_sixteen_bits_keeps_them_all(tiny, tmp_path):
    config = config_of(tiny, dataset(tmp_path / "s2", 13, "uint16"), tmp_path)
    bands = Run(config).bands
    assert (bands.count, bands.dtype, bands.shown) == (13, "uint16", (3, 2, 1))
    assert 0 < bands.low[0] < bands.high[0] < 9000
    (job,) = Run(config).filled
    generators.train_class(Run(config), job.class_name)
    synthesize_class(Run(config), job.class_name)
    dataset_folder = assemble_dataset(Run(config))
    rows = read_manifest(dataset_folder).frame
    made = rows[rows["source"] == "synthetic"]
    assert len(made) and set(made["bands"]) == {13}
    drawn = decode(dataset_folder / made["path"].iloc[0]).pixels
    assert drawn.shape == (13, 16, 16) and drawn.dtype == np.uint16
    compare_arms(Run(config))
    html = write_report(Run(config)).read_text()
    assert "13 of uint16; bands 4, 3, 2 are shown as red, green and blue" in html
    assert html.count("data:image/png;base64,") > 10


@pytest.mark.parametrize("count, dtype", [(1, "uint8"), (4, "uint8"), (2, "uint16")])
def test_bands_are_those_of_the_data(tiny, tmp_path, count, dtype):
    config = config_of(tiny, dataset(tmp_path / "d", count, dtype), tmp_path)
    bands = Run(config).bands
    assert (bands.count, bands.dtype) == (count, dtype)
    plain = config_of(tiny, tmp_path / "d", tmp_path, bands="rgb")
    assert Run(plain).bands == RGB


def test_images_that_differ_are_read_as_rgb_and_it_is_said(tiny, tmp_path, caplog):
    root = dataset(tmp_path / "d", 1, "uint8")
    for index in range(5):
        colours = np.random.default_rng(index).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(colours).save(root / "Field" / f"rgb{index}.png")
    config = config_of(tiny, root, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert Run(config).bands == RGB
    assert "of 1 bands of 8 bit" in caplog.text and "of 3 bands of 8 bit" in caplog.text


@pytest.mark.parametrize(("count", "dtype"), [(3, "uint8"), (4, "uint16")])
def test_test_images_of_another_kind_have_all_read_as_rgb(tiny, tmp_path, caplog, count, dtype):
    for index in range(18):
        split = ("train", "val", "test")[index % 3]
        kind = (count, dtype) if split == "test" else (3, "uint16")
        for name in _LEVEL:
            write_image(tmp_path / "d" / split / name / f"{index}.tif", name, index, *kind)
    run = Run(config_of(tiny, tmp_path / "d", tmp_path))
    with caplog.at_level(logging.WARNING):
        assert run.bands == RGB
    assert "24 of 3 bands of more than 8 bit, 12 of" in caplog.text
    tested = run.patches(run.catalogue, run.catalogue.usable("test"))
    assert tested.max() > 100  # not black


def test_images_that_are_set_aside_decide_no_bands(tiny, tmp_path):
    dataset(tmp_path / "d", 3, "uint16")
    dataset(tmp_path / "d" / "other", 3, "uint8")
    parts = ["train"] * 5 + ["val"] * 2 + ["test"] * 2
    rows = [
        f"{folder}{name}/{index}.tif,{name},{split}"
        for name in _LEVEL
        for index, part in enumerate(parts)
        for folder, split in (("", part), ("other/", "no"))
    ]
    (tmp_path / "d" / "l.csv").write_text("\n".join(["path,class,split", *rows]))
    assert Run(config_of(tiny, tmp_path / "d" / "l.csv", tmp_path)).bands.dtype == "uint16"


def test_an_alpha_that_is_kept_and_then_dropped_gives_each_its_bands(tiny, tmp_path):
    for class_name, n in (("Field", 14), ("Water", 10)):
        for index in range(n):
            values = np.random.default_rng([n, index]).integers(200, 3000, (20, 20, 4))
            path = tmp_path / "d" / class_name / f"{index}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, values.astype(np.uint16), photometric="rgb",
                             extrasamples=["unassalpha"])  # fmt: skip
    config = config_of(tiny, tmp_path / "d", tmp_path).model_dump()
    counts = {
        alpha: Run(RunConfig(**config | {"scan": {"alpha": alpha}})).bands.count
        for alpha in ("keep", "drop")
    }
    assert counts == {"keep": 4, "drop": 3}


def test_bands_to_show_can_be_named(tiny, tmp_path):
    config = config_of(tiny, dataset(tmp_path / "d", 4, "uint16"), tmp_path, shown_bands=(2, 1, 0))
    assert Run(config).bands.shown == (2, 1, 0)


def test_a_band_to_show_that_is_not_there_is_refused_before_anything_is_kept(tiny, tmp_path):
    config = config_of(tiny, dataset(tmp_path / "d", 4, "uint16"), tmp_path, shown_bands=(1, 2, 4))
    run = Run(config)
    with pytest.raises(BadInput, match=r"^generator\.shown_bands: band 4 of 4 .*bands 0 to 3\."):
        _ = run.bands
    assert not list(tmp_path.rglob("bands-*.json"))


@pytest.mark.parametrize("content", ["{}", "{"])
def test_kept_ranges_that_are_damaged_are_deleted_alone_and_measured_again(tiny, tmp_path, content):
    config = config_of(tiny, dataset(tmp_path / "d", 4, "uint16"), tmp_path)
    bands = Run(config).bands
    (kept,) = tmp_path.rglob("bands-*.json")
    kept.write_text(content)
    with pytest.raises(
        BadInput, match=rf"{kept.name}.* or delete it and give the command that made it again\.$"
    ):
        _ = Run(config).bands
    kept.unlink()
    assert Run(config).bands == bands


def test_a_base_that_is_named_brings_its_bands(tiny, tmp_path):
    first = config_of(tiny, dataset(tmp_path / "d", 4, "uint16"), tmp_path)
    bands = Run(first).bands
    base = generators.train_base(Run(first))
    for index in range(9):  # of a kind that would move the ends of every band
        write_image(tmp_path / "d" / "Sand" / f"new{index}.tif", "Field", 100 + index, 4, "uint16")
    pinned = RunConfig(**first.model_dump() | {"base_from": base.name})
    assert Run(pinned).bands == bands != Run(first).bands


def test_a_base_of_other_bands_than_the_images_is_refused(tiny, scenes, tmp_path):
    base = generators.train_base(Run(config_of(tiny, scenes, tmp_path)))
    config = config_of(tiny, dataset(tmp_path / "d", 4, "uint16"), tmp_path)
    said = "of 3 bands of 8 bit, .* read of 4 bands of more than 8 bit"
    with pytest.raises(BadInput, match=said):
        make_plan(Run(RunConfig(**config.model_dump() | {"base_from": base.name})))


def test_a_size_that_cannot_be_halved_is_one_line_at_the_command_line(tiny_toml, scenes, tmp_path):
    from typer.testing import CliRunner

    from flows.cli.app import app

    arguments = ["plan", str(scenes), "--config", str(tiny_toml), "--workdir", str(tmp_path)]
    found = CliRunner().invoke(app, [*arguments, "--set", "generator.image_size=[40, 57]"])
    assert "the nearest sizes that can are 56 and 58" in str(found.exception)


def test_images_that_are_not_square_run_as_well(tiny, scenes, tmp_path):
    config = config_of(tiny, scenes, tmp_path, image_size=(16, 24))
    generators.train_class(Run(config), "Beach")
    synthesize_class(Run(config), "Beach")
    assemble_dataset(Run(config))
    compare_arms(Run(config))
    assert "16 x 24 px" in write_report(Run(config)).read_text()
