"""What lies beside an image and decides its pixels is part of what results are known by."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy

from flows.settings.config import RunConfig
from flows.stages.catalogue import make_catalogue
from flows.stages.run import Run
from terrabalance.errors import BadInput
from terrabalance.manifest import Manifest, read_manifest

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
NODATA = (
    "<PAMDataset><PAMRasterBand band='1'><NoDataValue>0</NoDataValue></PAMRasterBand></PAMDataset>"
)
COUNTS = {"Pond": 9, "Lake": 6}
Filled = Callable[[str, str], Path]


@pytest.fixture
def filled(tmp_path) -> Filled:
    """Makes a folder of two classes with a driver of GDAL."""

    def fill(driver: str, suffix: str) -> Path:
        rng = np.random.default_rng(0)
        for name, count in COUNTS.items():
            (tmp_path / "raw" / name).mkdir(parents=True)
            for index in range(count):
                coarse = rng.integers(1, 3000, (3, 4, 4))
                values = np.kron(coarse, np.ones((1, 6, 6))).astype(np.uint16)
                place = {"crs": None, "transform": None}
                with rasterio.open(tmp_path / "raw" / name / f"{index}{suffix}", "w", driver=driver,
                                   count=3, height=24, width=24, dtype="uint16",
                                   **place) as file:  # fmt: skip
                    file.write(values)
        return tmp_path / "raw"

    return fill


def catalogue(config: RunConfig) -> Manifest:
    return read_manifest(make_catalogue(config))


def results(config: RunConfig) -> list[Path]:
    """The folders of generators and the classifier, which no one makes here."""
    names = Run(config).names
    assert names.base is not None
    return [names.base, names.generator("Pond"), names.baseline]


def test_another_header_of_envi_gives_another_catalogue_and_generator(filled, tiny, tmp_path):
    data = filled("ENVI", ".dat")
    config = RunConfig(data=data, workdir=tmp_path / "w", **tiny)
    before, former = make_catalogue(config), results(config)
    assert make_catalogue(config) == before and results(config) == former
    for header in data.rglob("*.hdr"):
        header.write_text(header.read_text().replace("byte order = 0", "byte order = 1"))
    after = make_catalogue(config)
    assert after != before
    assert set(results(config)).isdisjoint(former)
    # The same files as before, and no image is named as what it is not.
    assert list(read_manifest(after).frame["sha256"]) == list(read_manifest(before).frame["sha256"])


def test_a_side_file_that_comes_or_goes_is_seen_by_the_next_scan(filled, tiny, tmp_path):
    data = filled("GTiff", ".tif")
    config = RunConfig(data=data, workdir=tmp_path / "w", **tiny)
    before = make_catalogue(config)
    beside = data / "Pond" / "3.tif.aux.xml"
    beside.write_text(NODATA)
    rows = catalogue(config).frame.set_index("path")
    assert "3.tif.aux.xml" in rows.loc["Pond/3.tif", "detail"]
    assert list(rows.index[rows["status"] != "ok"]) == ["Pond/3.tif"]
    beside.unlink()
    assert make_catalogue(config) == before


def test_other_images_of_a_vrt_give_another_catalogue_and_generator(filled, tiny, tmp_path):
    data, lines = filled("GTiff", ".tif"), ["path,class"]
    for source in sorted(data.rglob("*.tif")):
        copy(source, source.with_suffix(".vrt"), driver="VRT")
        lines.append(f"{source.relative_to(data).with_suffix('.vrt')},{source.parent.name}")
    (data / "list.csv").write_text("\n".join(lines))
    config = RunConfig(data=data / "list.csv", workdir=tmp_path / "w", **tiny)
    before, former = make_catalogue(config), results(config)
    assert (read_manifest(before).frame["status"] == "ok").all()
    for source in data.rglob("*.tif"):
        with rasterio.open(source, "r+") as file:
            file.write(3001 - file.read())
    assert make_catalogue(config) != before
    assert set(results(config)).isdisjoint(former)


def test_a_header_that_changes_after_the_scan_is_named_where_images_are_used(
    filled, tiny, tmp_path
):
    config = RunConfig(data=filled("ENVI", ".dat"), workdir=tmp_path / "w", **tiny)
    run = Run(config)
    rows = run.catalogue.usable("train", "Pond")
    assert len(run.patches(run.catalogue, rows)) == len(rows)
    header = (run.catalogue.root / rows["path"].iloc[-1]).with_suffix(".hdr")
    header.write_text(header.read_text().replace("byte order = 0", "byte order = 1"))
    with pytest.raises(BadInput, match=f"{header.name}: damaged, changed or added"):
        run.patches(run.catalogue, rows)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_of_envi_files_is_read_with_their_headers(filled, tiny, tmp_path, kind):
    data = filled("ENVI", ".dat")
    archive = shutil.make_archive(str(tmp_path / "scenes"), kind, data)
    config = RunConfig(data=archive, workdir=tmp_path / "w", **tiny)
    folder = make_catalogue(config)
    rows = read_manifest(folder).frame
    assert (rows["status"] == "ok").all() and rows["beside"].str.contains(r"\.hdr").all()
    assert make_catalogue(config) == folder
