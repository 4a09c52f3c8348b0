"""What is decided of bands for a data set as a whole."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from augment.catalogue.config import ScanConfig
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source

rasterio = pytest.importorskip("rasterio")
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def scene(seed: int, bands: int, dtype: type = np.uint16) -> np.ndarray:
    """(bands, 40, 48) of reflectance, 200 to 2,900, no two seeds alike."""
    coarse = np.random.default_rng(seed).integers(200, 2900, (bands, 5, 6)).astype(np.float32)
    smooth = [np.asarray(Image.fromarray(b).resize((48, 40), Image.BICUBIC)) for b in coarse]
    return np.stack(smooth).clip(1, 3000).astype(dtype)


def write(path: Path, values: np.ndarray, **more: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"count": len(values), "height": 40, "width": 48, "dtype": values.dtype, **more}
    with rasterio.open(path, "w", driver="GTiff", **options) as file:
        file.write(values)


def scanned(root: Path, **settings: object) -> pd.DataFrame:
    source = open_source(root, root.parent / "unpacked", None)
    return scan(source, ScanConfig(**settings)).frame.set_index("path")


def test_a_fourth_band_that_gdal_calls_alpha_is_kept_where_it_holds_data(tmp_path, caplog):
    for index in range(6):
        write(tmp_path / f"data/Pond/{index}.tif", (scene(index, 4) // 12).astype(np.uint8))
    assert set(scanned(tmp_path / "data")["bands"]) == {4}
    assert caplog.text.count("6 of 6 images have a band that they call alpha") == 1
    assert "scan.alpha" in caplog.text
    assert set(scanned(tmp_path / "data", alpha="drop")["bands"]) == {3}


def test_an_alpha_that_is_a_mask_is_no_band_and_covers_what_is_not_valid(tmp_path):
    for index in range(6):
        values = (scene(index, 4) // 12).astype(np.uint8)
        values[3] = 255
        values[3, :8, :12] = 0
        write(tmp_path / f"data/Pond/{index}.tif", values)
    frame = scanned(tmp_path / "data")
    assert set(frame["bands"]) == {3} and set(frame["status"]) == {"ok"}
    assert frame["invalid"].tolist() == pytest.approx([8 * 12 / (40 * 48)] * 6)
    kept = scanned(tmp_path / "data", alpha="keep")
    assert set(kept["bands"]) == {4} and set(kept["invalid"]) == {0}


def test_a_band_of_water_does_not_turn_near_infrared_into_a_mask(tmp_path):
    """Over water some tiles have a near-infrared band of one value; the data set decides."""
    for index in range(6):
        values = (scene(index, 4) // 12).astype(np.uint8)
        values[3] = 0 if index == 0 else values[3]
        write(tmp_path / f"data/Pond/{index}.tif", values)
    frame = scanned(tmp_path / "data")
    assert set(frame["bands"]) == {4} and set(frame["invalid"]) == {0}


@pytest.mark.parametrize("nodata, dtype", [(-9999, "float32"), (0, "uint16"), (-(2**31), "int32")])
def test_an_image_with_too_little_data_is_left_out_with_its_share(tmp_path, nodata, dtype):
    for index, rows in enumerate([0, 2, 20]):
        values = scene(index, 5).astype(dtype)
        values[:, :rows] = nodata
        write(tmp_path / f"data/Pond/{index}.tif", values, nodata=nodata)
    frame = scanned(tmp_path / "data")
    assert frame["invalid"].tolist() == pytest.approx([0, 0.05, 0.5])
    assert frame["status"].tolist() == ["ok", "ok", "no data"]
    assert frame["detail"].iat[2].startswith("50% of it holds no data, the most is 10%")
    assert set(scanned(tmp_path / "data", max_invalid=0, min_side_px=99)["status"]) == {"too small"}
    assert set(scanned(tmp_path / "data", max_invalid=0.6)["status"]) == {"ok"}


def test_scenes_with_the_same_gap_are_not_the_same_picture(tmp_path):
    for index in range(30):
        values = scene(index, 5).astype(np.float32)
        values[:, :3, :30] = -9999
        write(tmp_path / f"data/Pond/{index}.tif", values, nodata=-9999)
    frame = scanned(tmp_path / "data")
    assert set(frame["status"]) == {"ok"} and set(frame["group"]) == {-1}


def test_one_odd_file_among_many_is_named_and_left_out(tmp_path, caplog):
    for index in range(40):
        write(tmp_path / f"data/Pond/{index}.tif", scene(index, 4))
    Image.fromarray(np.zeros((40, 48, 3), np.uint8)).save(tmp_path / "data/Pond/odd.png")
    odd = scanned(tmp_path / "data").loc["Pond/odd.png"]
    assert odd["status"] == "other bands"
    assert odd["detail"] == (
        "1 or 3 bands of 8 bit, where the others have 4 bands of more than 8 bit"
    )
    assert "Pond/odd.png" in caplog.text


@pytest.mark.parametrize("n_floats", [1, 6])
def test_floats_among_whole_numbers_are_left_out_where_few_and_named_where_many(
    tmp_path, caplog, n_floats
):
    """Reflectance as 0.3 and as 3,000: read as of one unit, one of both would be all black."""
    for index in range(30):
        values = scene(index, 4)
        values = values / np.float32(10_000) if index < n_floats else values
        write(tmp_path / f"data/Pond/{index:02}.tif", values)
    frame = scanned(tmp_path / "data")
    few = n_floats == 1
    assert (frame["status"] == "other bands").sum() == (1 if few else 0)
    assert "Pond/00.tif" in caplog.text
    assert ("6 images hold floats and 24 whole numbers" in caplog.text) is not few


def test_many_odd_files_are_all_used(tmp_path):
    for index in range(8):
        write(tmp_path / f"data/Pond/{index}.tif", scene(index, 4 if index % 2 else 3))
    assert set(scanned(tmp_path / "data")["status"]) == {"ok"}


def test_reflectance_of_sixteen_bits_keeps_its_pictures_apart_and_its_twins_together(tmp_path):
    """Divided by 257 all of these would be a few grey levels."""
    for index in range(30):
        values = scene(index, 4)
        noise = np.random.default_rng(index).normal(0, 8, values.shape)
        write(tmp_path / f"data/Pond/{index:02}.tif", values)
        write(
            tmp_path / f"data/Pond/{index:02}-twin.tif", (values + noise).clip(1).astype("uint16")
        )
    groups = scanned(tmp_path / "data")["group"]
    pairs = [(groups[f"Pond/{i:02}.tif"], groups[f"Pond/{i:02}-twin.tif"]) for i in range(30)]
    assert all(one == twin >= 0 for one, twin in pairs)
    assert len({one for one, _ in pairs}) == 30


def test_what_a_file_says_of_its_unit_is_kept(tmp_path):
    write(tmp_path / "data/Pond/a.tif", scene(0, 3))
    with rasterio.open(tmp_path / "data/Pond/a.tif", "r+") as file:
        file.scales, file.offsets = (0.0001,) * 3, (-0.1,) * 3
    tifffile.imwrite(tmp_path / "data/Pond/b.tif", scene(1, 3), photometric="minisblack",
                     planarconfig="separate")  # fmt: skip
    scaling = scanned(tmp_path / "data")["scaling"]
    assert scaling["Pond/a.tif"] == (
        '{"scale": [0.0001, 0.0001, 0.0001], "offset": [-0.1, -0.1, -0.1]}'
    )
    assert scaling["Pond/b.tif"] == ""
