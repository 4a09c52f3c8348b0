"""Files that claim more than they hold, or more than is read; none of them is large or harmful."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin
from raster_files.png import chunk
from raster_files.tiff_by_hand import Page, write

from augment.catalogue.look import look_at
from terrabalance.errors import UnreadableImage
from terrabalance.marks import is_marked_synthetic
from terrabalance.rasters.decode import decode
from terrabalance.rasters.limits import MOST_BYTES, MOST_PIXELS

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

_TOO_LARGE = r"it claims .*; at most .* are read\. Cut it into patches\.$"


def _png(path: Path, side: int) -> None:
    """Write a PNG whose header claims a square and whose data is of one pixel."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0\0")), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def _jpeg(path: Path, side: int) -> None:
    data = bytearray(imagecodecs.jpeg_encode(np.zeros((8, 8, 3), np.uint8)))
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, side, side)
    path.write_bytes(data)


def _page(path: Path, **tags: int) -> None:
    """Write a TIFF of one strip of 64 bytes with tags of 16 bit by number, `t256=…`."""
    given = {int(name[1:]): (value,) for name, value in tags.items()}
    write(path, pages=[Page([bytes(64)], {258: (8,), 259: (1,), 262: (1,), 277: (1,)} | given)])


@pytest.mark.parametrize(
    "name, make",
    [
        ("a.png", lambda path: _png(path, 12_000)),  # a number that Pillow only warns of
        ("b.png", lambda path: _png(path, 40_000)),  # and one that it refuses
        ("a.jpg", lambda path: _jpeg(path, 40_000)),
        ("a.tif", lambda path: _page(path, t256=40_000, t257=40_000)),
        ("many-bands.tif", lambda path: _page(path, t256=10_000, t257=10_000, t277=60)),
        ("tile.tif", lambda path: tifffile_of_tile(path, 2**14)),
    ],
)
def test_what_claims_too_much_is_refused_by_a_sentence_with_both_sizes(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    make(tmp_path / name)
    with pytest.raises(UnreadableImage, match=_TOO_LARGE) as refusal:
        decode(tmp_path / name)
    assert str(refusal.value).startswith(str(tmp_path / name))
    with pytest.raises(UnreadableImage, match=_TOO_LARGE):
        look_at(tmp_path / name, (tmp_path / name).read_bytes())


def tifffile_of_tile(path: Path, side: int) -> None:
    tags = {256: (10,), 257: (10,), 258: (8,), 259: (1,), 262: (1,), 322: (side,), 323: (side,)}
    write(path, pages=[Page([bytes(64)], tags)])


def test_pillow_refuses_at_the_same_number_of_pixels_wherever_it_opens_a_file(
    tmp_path: Path,
) -> None:
    _png(tmp_path / "a.png", int(MOST_PIXELS**0.5) + 1)
    with pytest.raises(Image.DecompressionBombError), Image.open(tmp_path / "a.png"):
        pass


def test_an_ordinary_large_picture_is_read(tmp_path: Path) -> None:
    """Five bands of 6,000 x 6,000 px and 16 bit, calm enough to lie in some hundred kilobytes."""
    values = np.zeros((5, 6000, 6000), np.uint16)
    values[:, ::1000] = 7
    tifffile.imwrite(
        tmp_path / "a.tif", values, photometric="minisblack", planarconfig="separate",
        compression="zlib", rowsperstrip=500,
    )  # fmt: skip
    assert (tmp_path / "a.tif").stat().st_size < 2**20
    raster = decode(tmp_path / "a.tif")
    assert raster.pixels.shape == values.shape and np.array_equal(raster.pixels[4], values[4])


def test_a_large_picture_of_almost_no_bytes_is_refused_and_a_small_one_is_read(
    tmp_path: Path,
) -> None:
    for side in (4000, 10_000):
        tifffile.imwrite(
            tmp_path / f"{side}.tif", np.zeros((side, side), np.uint8), compression="zstd"
        )
    assert decode(tmp_path / "4000.tif").pixels.shape == (1, 4000, 4000)
    with pytest.raises(UnreadableImage, match=r"and has .* bytes; above 32 MiB at most 1,100"):
        decode(tmp_path / "10000.tif")


def test_a_file_that_is_too_large_is_not_opened(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(UnreadableImage, match="a file of 1,024 MiB; at most"):
        decode(tmp_path / "a.jpg")


@pytest.mark.parametrize("n_strips", [1, 2])
def test_strips_that_a_file_does_not_list_are_not_made_up(tmp_path: Path, n_strips: int) -> None:
    tags = {256: (16,), 257: (12,), 258: (8,), 259: (8,), 262: (1,), 278: (4,)}
    strips = [zlib.compress(bytes(64))] * 3
    write(tmp_path / "a.tif", pages=[Page(strips, tags)])
    assert decode(tmp_path / "a.tif").pixels.shape == (1, 12, 16)
    write(tmp_path / "a.tif", pages=[Page(strips[:n_strips], tags)])
    with pytest.raises(UnreadableImage, match=rf"truncated: {n_strips} of 3 tiles or strips"):
        decode(tmp_path / "a.tif")


def test_a_strip_beyond_the_end_is_a_truncated_file(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, compression="zlib", rowsperstrip=16)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tiff:
        lengths = tiff.pages.first.tags[279]
        lengths.overwrite((*lengths.value[:3], 60_000))
    with pytest.raises(UnreadableImage, match="truncated: a tile or strip lies beyond the end"):
        decode(tmp_path / "a.tif")


def test_a_page_that_was_never_written_holds_no_data(tmp_path: Path) -> None:
    tags = {256: (16,), 257: (12,), 258: (8,), 259: (1,), 262: (1,)}
    write(tmp_path / "a.tif", pages=[Page([b""], {**tags, 273: (0,)})])
    data = (tmp_path / "a.tif").read_bytes()
    place = data.index(struct.pack("<HHI", 273, 4, 1)) + 8
    (tmp_path / "a.tif").write_bytes(data[:place] + bytes(4) + data[place + 4 :])
    assert decode(tmp_path / "a.tif").invalid_share == 1


_ENCODED: dict[str, tuple[int, Callable[[np.ndarray], bytes], int]] = {
    "jpeg": (7, imagecodecs.jpeg_encode, 3),
    "webp": (50001, imagecodecs.webp_encode, 3),
    "jpeg2k": (34712, imagecodecs.jpeg2k_encode, 3),
    "jpegxl": (50002, imagecodecs.jpegxl_encode, 3),
    "png": (34933, imagecodecs.png_encode, 3),
    "jpegxr": (34934, imagecodecs.jpegxr_encode, 3),
    "lerc": (34887, imagecodecs.lerc_encode, 1),
}


@pytest.mark.parametrize("codec", _ENCODED)
def test_a_picture_inside_a_tiff_is_not_larger_than_its_tags_say(
    tmp_path: Path, codec: str
) -> None:
    number, encode, bands = _ENCODED[codec]
    tags = {
        256: (64,), 257: (64,), 258: (8,) * bands, 259: (number,),
        262: (2 if bands == 3 else 1,), 277: (bands,), 322: (64,), 323: (64,),
    }  # fmt: skip
    for side in (64, 96):
        values = np.full((side, side, bands), 90, np.uint8)
        block = bytes(encode(values if bands == 3 else values[..., 0].copy()))
        write(tmp_path / f"{side}.tif", pages=[Page([block], tags)])
    assert decode(tmp_path / "64.tif").pixels.shape == (bands, 64, 64)
    with pytest.raises(UnreadableImage, match="larger inside than its tags say"):
        decode(tmp_path / "96.tif")


@pytest.mark.parametrize("said", ['PlaneCount="5000"', "PlaneCount = '5000'", 'PlaneCount="&#50;"'])
def test_an_ome_xml_that_counts_more_planes_than_pages_is_refused(
    tmp_path: Path, said: str
) -> None:
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels DimensionOrder="XYCZT" SizeX="9" SizeY="8" SizeC="2" '
        f'SizeZ="1" SizeT="1" Type="uint8"><TiffData IFD="0" {said}/></Pixels></Image></OME>'
    )
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 8, 9), np.uint8), description=xml,
                     metadata=None, photometric="minisblack")  # fmt: skip
    with pytest.raises(UnreadableImage, match="OME-XML that does not fit its pages"):
        decode(tmp_path / "a.tif")


def test_a_raw_file_that_ends_early_is_not_filled_up(tmp_path: Path) -> None:
    pytest.importorskip("rasterio")
    (tmp_path / "a.hdr").write_text("ENVI\nsamples=64\nlines=64\nbands=1\ndata type=1\n")
    (tmp_path / "a.dat").write_bytes(bytes(64 * 60))
    with pytest.raises(UnreadableImage, match=r"a\.dat: damaged ENVI"):
        decode(tmp_path / "a.dat")


_VRT = (
    '<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1">'
    "<SimpleSource>{}<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
)
_NAMED = '<SourceFilename relativeToVRT="1">{}</SourceFilename>'


@pytest.mark.parametrize(
    "source",
    [
        "<sourcefilename>/elsewhere/b.tif</sourcefilename>",
        '<SourceFilename relativeToVRT="1" note=">b.tif<">/elsewhere/b.tif</SourceFilename>',
        _NAMED.format("up&#47;b.tif"),
        _NAMED.format("other.tif"),
        _NAMED.format("pipe.tif"),
    ],
    ids=["any case", "brackets", "a letter in disguise", "a VRT that is called TIFF", "a pipe"],
)
def test_a_vrt_reads_nothing_but_images_beside_it_however_these_are_named(
    tmp_path: Path, source: str
) -> None:
    pytest.importorskip("rasterio")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((8, 8), np.uint8))
    (tmp_path / "a.vrt").write_text(_VRT.format(_NAMED.format("b.tif")))
    assert decode(tmp_path / "a.vrt").pixels.shape == (1, 8, 8)
    (tmp_path / "other.tif").write_text(_VRT.format(_NAMED.format("b.tif")))
    os.mkfifo(tmp_path / "pipe.tif")
    (tmp_path / "a.vrt").write_text(_VRT.format(source))
    with pytest.raises(UnreadableImage, match=r"a\.vrt: "):
        decode(tmp_path / "a.vrt")


def test_text_inside_a_picture_is_not_unpacked_without_end(tmp_path: Path) -> None:
    """Pillow's own limit of a text, as a sentence of ours."""
    said, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_text("note", "a" * 2**21, zip=True)
    Image.new("L", (8, 8)).save(said, "PNG", pnginfo=info)
    (tmp_path / "a.png").write_bytes(said.getvalue())
    assert len(said.getvalue()) < 2**13
    with pytest.raises(UnreadableImage, match=r"a\.png: "):
        is_marked_synthetic(tmp_path / "a.png")


def test_a_jpeg_of_very_many_scans_is_refused(tmp_path: Path) -> None:
    """Each of them goes over the whole picture: here of 8 x 8 px, in an application's segment."""
    said = io.BytesIO()
    Image.new("L", (8, 8)).save(said, "JPEG", progressive=True)
    whole = said.getvalue()
    (tmp_path / "a.jpg").write_bytes(whole)
    assert decode(tmp_path / "a.jpg").pixels.shape == (1, 8, 8)
    segment = b"\xff\xda" * 300
    length = struct.pack(">H", len(segment) + 2)
    (tmp_path / "a.jpg").write_bytes(whole[:2] + b"\xff\xef" + length + segment + whole[2:])
    for read in (decode, lambda path: look_at(path, path.read_bytes())):
        with pytest.raises(UnreadableImage, match=r"a JPEG of 3.. scans; at most 256"):
            read(tmp_path / "a.jpg")


def test_an_alpha_band_alone_is_no_image(tmp_path: Path) -> None:
    _page(tmp_path / "a.tif", t256=8, t257=8, t338=2)
    with pytest.raises(UnreadableImage, match="an alpha band beside no other"):
        decode(tmp_path / "a.tif")


def test_a_tiff_without_a_height_is_refused_whatever_number_of_bands_it_names(tmp_path):
    _page(tmp_path / "a.tif", t256=1, t277=60_000)
    with pytest.raises(UnreadableImage, match=r"60,000 bands of .* 0, "):
        decode(tmp_path / "a.tif")
