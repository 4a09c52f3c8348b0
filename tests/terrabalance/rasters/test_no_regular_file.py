"""Pipes, sockets, devices and links to themselves: never opened, as they may never end."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from terrabalance.errors import UnreadableImage
from terrabalance.files import sha256_of
from terrabalance.marks import is_marked_synthetic, read_source_type
from terrabalance.rasters.decode import decode


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def _socket(path: Path) -> None:
    home = Path.cwd()
    os.chdir(path.parent)  # the path of a socket may not be long
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(path.name)
    finally:
        os.chdir(home)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".jp2", ".dat", ".vrt"])
@pytest.mark.parametrize(
    "make",
    [os.mkfifo, _socket, _link_to_itself, Path.mkdir, lambda path: path.symlink_to("/dev/zero")],
    ids=["pipe", "socket", "link to itself", "folder", "device"],
)
def test_only_regular_files_are_opened(
    tmp_path: Path, suffix: str, make: Callable[[Path], None]
) -> None:
    path = tmp_path / f"a{suffix}"
    make(path)
    for read in (decode, is_marked_synthetic, read_source_type):
        with pytest.raises(UnreadableImage, match=r"no regular file|symbolic links"):
            read(path)


def test_a_checksum_of_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(ValueError, match="no regular file"):
        sha256_of(tmp_path / "a")


@pytest.mark.parametrize("name", ["a.hdr", "a.dat.aux.xml", "a.dat.ovr", "a.dat.msk"])
def test_what_lies_beside_an_image_is_no_pipe_either(tmp_path: Path, name: str) -> None:
    pytest.importorskip("rasterio")
    (tmp_path / "a.hdr").write_text("ENVI\nsamples=8\nlines=8\nbands=1\ndata type=1\n")
    (tmp_path / "a.dat").write_bytes(bytes(64))
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(UnreadableImage, match="no regular file"):
        decode(tmp_path / "a.dat")


def test_an_auxiliary_file_that_is_a_pipe_says_nothing(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "a.png.aux.xml")
    assert decode(tmp_path / "a.png").pixels.shape == (1, 8, 8)
