"""The description for machines, read by the reference implementation of Croissant."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image

from augment.catalogue.config import ScanConfig
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source
from augment.dataset.assemble import assemble
from terrabalance.files import sha256_of
from terrabalance.images import write_png
from terrabalance.manifest import Manifest, frame_of, read_manifest

# Names that a table of text would turn into numbers, nothing or another order.
CLASSES = ["010", "NA", "null", "1.0", "Ödland", "a b", "train_station"]
ABOUT = {"name": "Tiny | set", "licence": "CC-BY-4.0", "source": "drawn by a program"}
# docs/croissant_geo.ttl of github.com/mlcommons/croissant at 401f6ff, and bandNameList, as
# docs/croissant-geo-spec.md calls what the former calls bandNamesList.
TERMS = {
    "BandConfiguration", "SpectralBand", "MultiWavelengthConfiguration",
    "SolarInstrumentCharacteristics", "coordinateReferenceSystem", "spatialResolution",
    "bandConfiguration", "spectralBandMetadata", "recordEndpoint", "spatialIndex", "spatialBias",
    "samplingStrategy", "temporalResolution", "timeSeriesIndex", "multiWavelengthConfiguration",
    "solarInstrumentCharacteristics", "totalBands", "bandNamesList", "bandNameList",
    "centerWavelength", "bandwidth", "channelList", "observatory", "instrument",
}  # fmt: skip
PLACES = ("spatialCoverage", "coordinateReferenceSystem", "spatialIndex", "EPSG", "geo:")


def row_of(root: Path, label: str, split: str, source: str, **more: object) -> dict[str, object]:
    path = f"{CLASSES.index(label)}_{split}_{source}.png"
    pixels = np.full((3, 8, 8), 10 * CLASSES.index(label), np.uint8)
    write_png(root / path, pixels)
    return {"path": path, "class": label, "split": split, "source": source, "status": "ok",
            "bands": 3, "mode": "RGB", "sha256": sha256_of(root / path),
            "bytes": (root / path).stat().st_size, **more}  # fmt: skip


@pytest.fixture
def made(tmp_path: Path) -> Path:
    raw, drawn = tmp_path / "raw", tmp_path / "drawn"
    real = [row_of(raw, name, split, "real") for name in CLASSES for split in ("train", "test")]
    synthetic = [row_of(drawn, "NA", "train", "synthetic", generator="na-1a2b")]
    catalogue = Manifest(raw, frame_of(real))
    return assemble(catalogue, [Manifest(drawn, frame_of(synthetic))], tmp_path / "set", ABOUT).root


def described(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "croissant.json").read_text())


@pytest.fixture
def loaded(made: Path) -> Any:
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    return mlcroissant.Dataset(str(made / "croissant.json"))


def test_the_reference_implementation_finds_no_error(loaded):
    issues = loaded.metadata.ctx.issues
    assert not issues.errors
    # What only who publishes it can say.
    absent = {re.search(r'Property "\S+/(\w+)"', issue)[1] for issue in map(str, issues.warnings)}
    assert absent == {"citeAs", "datePublished", "version"}


def test_records_are_the_rows_of_the_manifest_with_their_pictures(loaded, made):
    records = list(loaded.records("images"))
    rows = read_manifest(made).frame
    for field in ("path", "class", "split", "source", "sha256"):
        found = [record[f"images/{field}"].decode() for record in records]
        assert sorted(found) == sorted(rows[field]), field
    for record in records:
        label = record["images/class"].decode()
        value = np.asarray(record["images/image"])[0, 0, 0]
        assert value == 10 * CLASSES.index(label)


def draw(path: Path, n_bands: int, dtype: str, seed: int) -> None:
    """Write noise that fills the range of its type, by the library that the suffix is for."""
    most = 1 if dtype == "float32" else np.iinfo(dtype).max
    noise = np.random.default_rng(seed).uniform(0, most, (16, 16, n_bands)).astype(dtype)
    if path.suffix == ".tif":
        tifffile.imwrite(path, noise, photometric="rgb" if n_bands == 3 else "minisblack")
    elif path.suffix == ".jp2":
        with rasterio.open(path, "w", driver="JP2OpenJPEG", count=n_bands, height=16, width=16,
                           dtype=dtype, reversible="yes", quality=100) as file:  # fmt: skip
            file.write(np.moveaxis(noise, -1, 0))
    else:
        more = {"lossless": True} if path.suffix == ".webp" else {}
        Image.fromarray(noise[..., 0] if n_bands == 1 else noise).save(path, **more)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("kinds", "has_pictures"),
    [
        ([(".png", 3, "uint8"), (".jpg", 3, "uint8")], True),
        ([(".png", 1, "uint8"), (".png", 3, "uint8")], True),
        ([(".png", 3, "uint8"), (".webp", 3, "uint8")], True),
        ([(".png", 1, "uint16")], False),  # clipped to 255 by mlcroissant
        ([(".png", 4, "uint8")], False),  # without the fourth band
        ([(".tif", 3, "uint8")], False),  # 256 less the value
        ([(".tif", 3, "uint8"), (".png", 3, "uint8")], False),
        ([(".tif", 1, "float32")], False),
        ([(".tif", 13, "uint16")], False),  # not opened
        ([(".webp", 3, "uint8")], False),  # likewise
        ([(".jp2", 3, "uint8")], False),  # likewise
    ],
    ids=str,
)
def test_each_data_set_is_listed_and_pictures_are_there_where_mlcroissant_reads_them_rightly(
    tmp_path, kinds, has_pictures
):
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    for seed, (kind, label) in enumerate((kind, label) for kind in kinds for label in ("A", "010")):
        folder = tmp_path / "raw" / label
        folder.mkdir(parents=True, exist_ok=True)
        draw(folder / f"{seed}{kind[0]}", *kind[1:], seed)
    catalogue = scan(open_source(tmp_path / "raw", tmp_path / "x"), ScanConfig())
    catalogue.frame["split"] = ["train", "test"] * len(kinds)
    rows = assemble(catalogue, [], tmp_path / "set", ABOUT).frame
    assert len(rows) == 2 * len(kinds)
    loaded = mlcroissant.Dataset(str(tmp_path / "set" / "croissant.json"))
    assert not loaded.metadata.ctx.issues.errors
    records = list(loaded.records("images"))
    for column in ("path", "class", "split", "source", "sha256"):
        assert sorted(r[f"images/{column}"].decode() for r in records) == sorted(rows[column])
    assert [{"images/image"} <= set(record) for record in records] == [has_pictures] * len(rows)
    for record in records if has_pictures else []:
        found = np.asarray(record["images/image"])
        with Image.open(tmp_path / "set" / record["images/path"].decode()) as image:
            stored = np.asarray(image)
        assert np.array_equal(found if stored.ndim == 3 else found[..., 0], stored)


def test_classes_are_listed_with_folder_and_label_in_our_order(loaded, made):
    records = list(loaded.records("classes"))
    assert [record["classes/name"] for record in records] == sorted(CLASSES)
    assert [record["classes/label"] for record in records] == list(range(len(CLASSES)))
    folders = [record["classes/folder"] for record in records]
    assert folders == (made / "class_map.txt").read_text().splitlines()


def test_splits_carry_the_meaning_that_croissant_gives_them(loaded):
    assert {r["splits/name"]: r["splits/url"] for r in loaded.records("splits")} == {
        "train": "cr:TrainingSplit", "test": "cr:TestSplit"
    }  # fmt: skip


def test_a_changed_manifest_is_refused_by_its_checksum(loaded, made):
    table = made / "manifest.parquet"
    table.write_bytes(table.read_bytes() + b"more")
    with pytest.raises(Exception, match=r"the operation Download\(manifest.parquet\)"):
        list(loaded.records("images"))


def test_only_terms_that_geocroissant_has_published_are_used(made):
    text = json.dumps(described(made))
    used = set(re.findall(r'"geocr:(\w+)"', text))
    assert {"bandConfiguration", "totalBands", "samplingStrategy"} <= used <= TERMS
    assert "http://mlcommons.org/croissant/geo/1.0" in described(made)["conformsTo"]


def test_no_place_is_given(made):
    text = (made / "croissant.json").read_text()
    assert not [word for word in PLACES if word in text]


def test_the_licence_is_given_where_it_is_known(made, tmp_path):
    assert described(made)["license"] == "CC-BY-4.0"
    catalogue = Manifest(made, read_manifest(made).frame.query("source == 'real'"))
    again = assemble(catalogue, [], tmp_path / "again", {}).root
    assert "license" not in described(again)


def test_a_dataset_of_real_images_alone_is_not_called_synthetic(made, tmp_path):
    catalogue = Manifest(made, read_manifest(made).frame.query("source == 'real'"))
    again = described(assemble(catalogue, [], tmp_path / "again", {}).root)
    assert again["keywords"] == ["remote sensing", "image classification"]
    assert "14 aerial images of 7 classes, all real." in again["description"]
    assert again["geocr:spatialBias"].startswith("Not assessed. Where the images were taken")


def test_sampling_is_said_in_numbers(made):
    said = described(made)["geocr:samplingStrategy"]
    assert said.startswith("14 real images, as they were given; 1 synthetic images")


def test_what_synthetic_images_keep_of_real_ones_is_said_of_sampling_and_of_places(made, tmp_path):
    rows = read_manifest(made).frame
    catalogue = Manifest(made, rows.query("source == 'real'"))
    synthetic = [Manifest(made, rows.query("source == 'synthetic'"))]
    about = {"sampling": {"keep": 0.6, "strength": 1.0}}
    again = described(assemble(catalogue, synthetic, tmp_path / "again", about).root)
    for term in ("samplingStrategy", "spatialBias"):
        assert "keeps a part of a real training image" in again[f"geocr:{term}"]
    assert "no place on Earth" not in json.dumps(again)
    assert "no place on Earth" in described(made)["geocr:spatialBias"]
