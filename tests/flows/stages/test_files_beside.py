"""What lies beside an image and decides its pixels is part of what results are known by."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy

from augment.dataset.assemble import dataset_key
from flows.settings.config import RunConfig
from flows.stages.catalogue import make_catalogue
from flows.stages.compare import _with_hashes
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


def results(config: RunConfig) -> list[Path | str]:
    """The folders of generators and the classifier, which no one makes here; a dataset's key."""
    run = Run(config)
    names = run.names
    assert names.base is not None
    dataset = dataset_key(run.catalogue, [], {})
    return [names.base, names.generator("Pond"), names.baseline, dataset]


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


def listed_as_tif(data: Path) -> Path:
    """Each image renamed to `.bin.tif`, with a VRT of it under its own name; the CSV of these."""
    lines = ["path,class"]
    for source in sorted(data.rglob("*.tif")):
        copy(source.rename(source.with_suffix(".bin.tif")), source, driver="VRT")
        lines.append(f"{source.relative_to(data)},{source.parent.name}")
    (data / "list.csv").write_text("\n".join(lines))
    return data / "list.csv"


def test_other_images_of_a_vrt_that_is_called_tif_do_too(filled, tiny, tmp_path):
    table = listed_as_tif(filled("GTiff", ".tif"))
    config = RunConfig(data=table, workdir=tmp_path / "w", **tiny)
    before, former = make_catalogue(config), results(config)
    contents = {source: source.read_bytes() for source in table.parent.rglob("*.bin.tif")}
    for source in contents:
        source.touch()
    assert make_catalogue(config) == before
    for source in contents:
        with rasterio.open(source, "r+") as file:
            file.write(3001 - file.read())
    after = make_catalogue(config)
    assert after != before and make_catalogue(config) == after
    run = Run(config)
    assert len(run.patches(run.catalogue, run.catalogue.usable())) == sum(COUNTS.values())
    assert set(results(config)).isdisjoint(former)
    for source, content in contents.items():
        source.write_bytes(content)
    assert make_catalogue(config) == before and results(config) == former


def test_what_comes_beside_an_image_that_a_vrt_called_tif_names_is_seen(filled, tiny, tmp_path):
    table = listed_as_tif(filled("GTiff", ".tif"))
    config = RunConfig(data=table, workdir=tmp_path / "w", **tiny)
    before = make_catalogue(config)
    (table.parent / "Pond" / "3.bin.tif.aux.xml").write_text(NODATA)
    rows = catalogue(config).frame.set_index("path")
    assert "3.bin.tif.aux.xml" in rows.loc["Pond/3.tif", "beside"]
    assert make_catalogue(config) != before


@pytest.mark.parametrize("is_mode_known", [True, False])
def test_a_manifest_without_records_gets_those_of_a_vrt_called_tif(
    filled, tiny, tmp_path, is_mode_known
):
    table = listed_as_tif(filled("GTiff", ".tif"))
    known = catalogue(RunConfig(data=table, workdir=tmp_path / "w", **tiny))
    frame = known.frame.assign(beside="")
    lacking = frame if is_mode_known else frame.assign(mode="")
    assert _with_hashes(Manifest(known.root, lacking)).frame["beside"].equals(known.frame["beside"])
    assert "3.bin.tif" in known.frame.set_index("path").loc["Pond/3.tif", "beside"]


def test_images_that_only_gdal_reads_have_their_side_files_seen_under_other_names(
    filled, tiny, tmp_path
):
    data = filled("HFA", ".img")
    for image in sorted(data.rglob("*.img")):
        image.rename(image.with_suffix(".tif"))
    config = RunConfig(data=data, workdir=tmp_path / "w", **tiny)
    before = make_catalogue(config)
    assert set(read_manifest(before).frame["beside"]) == {"{}"}
    (data / "Pond" / "3.hdr").write_text("a")
    after = make_catalogue(config)
    assert after != before and make_catalogue(config) == after
    assert "3.hdr" in catalogue(config).frame.set_index("path").loc["Pond/3.tif", "beside"]


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
